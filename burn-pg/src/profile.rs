//! Where the time of training goes.
//!
//! By hand: spans of the crate `tracing` would need a subscriber that adds up the same numbers.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// What an update spends its time with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stepping environments, and recording what they did.
    Environment,
    /// The policy's actions and values in rollouts.
    Inference,
    /// Advantages and returns, and their normalisation.
    Advantage,
    /// Rollouts become batches, batches minibatches.
    Gather,
    /// From minibatches to the objective.
    Forward,
    /// From the objective to its gradient.
    Backward,
    /// From the gradient to new parameters.
    Optimiser,
}

impl Phase {
    /// All of them, in the order of an update.
    pub const ALL: [Self; 7] = [
        Self::Environment,
        Self::Inference,
        Self::Advantage,
        Self::Gather,
        Self::Forward,
        Self::Backward,
        Self::Optimiser,
    ];

    /// As in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Inference => "inference",
            Self::Advantage => "advantage",
            Self::Gather => "gather",
            Self::Forward => "forward",
            Self::Backward => "backward",
            Self::Optimiser => "optimiser",
        }
    }
}

/// Time spent in each phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Profile {
    phases: [Duration; Phase::ALL.len()],
    /// From beginning to end.
    pub total: Duration,
}

impl Profile {
    /// Time spent in a phase.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }

    /// Time spent in none of them.
    #[must_use]
    pub fn rest(&self) -> Duration {
        self.total.saturating_sub(self.phases.iter().sum())
    }
}

thread_local! {
    /// The profile of what this thread is doing, if somebody asked for it.
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// Does `work` and measures what the training in it, on this thread, spends its time with. On a GPU, work is only ordered in most
/// phases, and counts where its results are waited for.
///
/// Not to be nested: the inner measurement would take the place of the outer one.
pub fn profiled<R>(work: impl FnOnce() -> R) -> (R, Profile) {
    PROFILE.set(Some(Profile::default()));
    let start = Instant::now();
    let result = work();
    let total = start.elapsed();
    let profile = PROFILE.take().unwrap_or_default();
    (result, Profile { total, ..profile })
}

/// Does somebody measure what this thread is doing?
pub(crate) fn is_wanted() -> bool {
    PROFILE.with_borrow(Option::is_some)
}

/// The profile of what this thread is doing, to be [`set`] on the thread that goes on with it.
pub(crate) fn take() -> Option<Profile> {
    PROFILE.take()
}

/// Goes on with a profile that was [taken](take) from another thread.
pub(crate) fn set(profile: Option<Profile>) {
    PROFILE.set(profile);
}

/// Counts time for a phase.
pub(crate) fn add(phase: Phase, time: Duration) {
    PROFILE.with_borrow_mut(|profile| {
        if let Some(profile) = profile {
            profile.phases[phase as usize] += time;
        }
    });
}

/// Does a phase's work.
pub(crate) fn during<R>(phase: Phase, work: impl FnOnce() -> R) -> R {
    if !is_wanted() {
        return work();
    }
    let start = Instant::now();
    let result = work();
    add(phase, start.elapsed());
    result
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn phases_add_up_to_no_more_than_the_whole() {
        let nap = || sleep(Duration::from_millis(2));
        let (result, profile) = profiled(|| {
            during(Phase::Forward, nap);
            during(Phase::Forward, nap);
            during(Phase::Optimiser, nap);
            nap();
            7
        });
        assert_eq!(result, 7);
        assert!(profile.of(Phase::Forward) >= Duration::from_millis(4));
        assert!(profile.of(Phase::Optimiser) >= Duration::from_millis(2));
        assert_eq!(profile.of(Phase::Backward), Duration::ZERO);
        assert!(profile.rest() >= Duration::from_millis(2));
        let sum: Duration = Phase::ALL.iter().map(|&phase| profile.of(phase)).sum();
        assert_eq!(sum + profile.rest(), profile.total);
        during(Phase::Forward, nap);
        assert!(!is_wanted());
    }
}
