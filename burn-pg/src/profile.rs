//! Measures the time that training spends in each of its phases.
//!
//! The crate `tracing` is not used: its spans would need a subscriber that adds up the same durations.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

/// A phase of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Stepping the environments and recording the results.
    Environment,
    /// Running the policy for actions and values during rollouts.
    Inference,
    /// Estimating advantages and returns, and normalising advantages.
    Advantage,
    /// Turning rollouts into batches, and batches into minibatches.
    Gather,
    /// Minibatches that go through everything without tensors, up to new parameters.
    Minibatch,
    /// The forward pass, from a minibatch to the objective.
    Forward,
    /// The backward pass, from the objective to its gradient.
    Backward,
    /// The optimiser step, from the gradient to new parameters.
    Optimiser,
}

impl Phase {
    /// All phases, in the order of an update.
    pub const ALL: [Self; 8] = [
        Self::Environment,
        Self::Inference,
        Self::Advantage,
        Self::Gather,
        Self::Minibatch,
        Self::Forward,
        Self::Backward,
        Self::Optimiser,
    ];

    /// Returns the name, as in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Inference => "inference",
            Self::Advantage => "advantage",
            Self::Gather => "gather",
            Self::Minibatch => "minibatch",
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
    /// Total time, including time spent in no phase.
    pub total: Duration,
}

impl Profile {
    /// Returns the time spent in `phase`.
    #[must_use]
    pub fn of(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }

    /// Returns the time spent in no phase.
    #[must_use]
    pub fn rest(&self) -> Duration {
        self.total.saturating_sub(self.phases.iter().sum())
    }
}

thread_local! {
    /// The profile of the work on this thread, if it is being measured.
    static PROFILE: RefCell<Option<Profile>> = const { RefCell::new(None) };
}

/// Runs `work` and measures the time that training on this thread spends in each phase. A GPU works asynchronously, so
/// its time counts in the phase that waits for its results.
///
/// Calls must not be nested: the inner measurement would replace the outer one.
pub fn profiled<R>(work: impl FnOnce() -> R) -> (R, Profile) {
    PROFILE.set(Some(Profile::default()));
    let start = Instant::now();
    let result = work();
    let total = start.elapsed();
    let profile = PROFILE.take().unwrap_or_default();
    (result, Profile { total, ..profile })
}

/// True if the work on this thread is being measured.
pub(crate) fn is_measured() -> bool {
    PROFILE.with_borrow(Option::is_some)
}

/// Takes the profile of this thread, to [`set`] it on the thread that continues the work.
pub(crate) fn take() -> Option<Profile> {
    PROFILE.take()
}

/// Continues a profile that was [taken](take) from another thread.
pub(crate) fn set(profile: Option<Profile>) {
    PROFILE.set(profile);
}

/// Adds `time` to `phase`.
pub(crate) fn add(phase: Phase, time: Duration) {
    PROFILE.with_borrow_mut(|profile| {
        if let Some(profile) = profile {
            profile.phases[phase as usize] += time;
        }
    });
}

/// Runs `work` and adds its time to `phase`.
pub(crate) fn during<R>(phase: Phase, work: impl FnOnce() -> R) -> R {
    if !is_measured() {
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
    fn the_times_of_all_phases_and_the_rest_add_up_to_the_total() {
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
        assert!(!is_measured());
    }
}
