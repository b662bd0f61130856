//! Checks of one batch against the batch before it.

use crate::{EnvSpec, StepBatch};

/// Checks a step of all environments, each of which is reset in the step that ends its episode.
pub(super) fn check(spec: &EnvSpec, before: &StepBatch, after: &StepBatch) -> Result<(), String> {
    let (space, len) = (&spec.observation_space, spec.observation_space.flat_len());
    for env in 0..after.rewards.len() {
        let row = env * len..(env + 1) * len;
        let ended = after.terminated[env] || after.truncated[env];
        if !after.valid[env] {
            return Err(format!("the row of environment {env} is not valid, though it is reset in the same step"));
        }
        if !after.rewards[env].is_finite() {
            return Err(format!("the reward of environment {env} is {}", after.rewards[env]));
        }
        if !space.contains(&after.observations[row.clone()]) {
            return Err(outside(spec, env, "observation", &after.observations[row]));
        }
        if ended && !space.contains(&after.final_observations[row.clone()]) {
            return Err(outside(spec, env, "final observation", &after.final_observations[row]));
        }
        let (length, sum) = match before.terminated[env] || before.truncated[env] {
            true => (0, 0.0),
            false => (before.episode_lengths[env], before.episode_returns[env]),
        };
        let (length, sum) = (length + 1, sum + after.rewards[env]);
        if after.episode_lengths[env] != length {
            let given = after.episode_lengths[env];
            return Err(format!("`episode_lengths` of environment {env} is {given} after {length} steps"));
        }
        if (after.episode_returns[env] - sum).abs() > 1e-6 * sum.abs().max(1.0) {
            let given = after.episode_returns[env];
            return Err(format!("`episode_returns` of environment {env} is {given}, but its rewards add up to {sum}"));
        }
        if let Some(limit) = spec.max_episode_steps.filter(|&limit| length >= limit && (length > limit || !ended)) {
            return Err(format!("the episode of environment {env} goes on after its time limit of {limit} steps"));
        }
    }
    Ok(())
}

pub(super) fn outside(spec: &EnvSpec, env: usize, what: &str, row: &[f32]) -> String {
    let shown = if row.len() <= 8 { format!(" {row:?}") } else { String::new() };
    format!("the {what}{shown} of environment {env} is outside {}", spec.observation_space)
}

/// Returns the first vector in which two batches differ. Final observations are compared only where an episode has
/// ended.
pub(super) fn difference(one: &StepBatch, other: &StepBatch) -> Option<&'static str> {
    let len = one.final_observations.len() / one.rewards.len();
    let finals = |batch: &StepBatch| -> Vec<f32> {
        one.ended().flat_map(|env| batch.final_observations[env * len..(env + 1) * len].to_vec()).collect()
    };
    let pairs = [
        ("observations", one.observations == other.observations),
        ("rewards", one.rewards == other.rewards),
        ("terminated", one.terminated == other.terminated),
        ("truncated", one.truncated == other.truncated),
        ("valid", one.valid == other.valid),
        ("action_masks", one.action_masks == other.action_masks),
        ("final_observations", finals(one) == finals(other)),
        ("episode_returns", one.episode_returns == other.episode_returns),
        ("episode_lengths", one.episode_lengths == other.episode_lengths),
    ];
    pairs.into_iter().find_map(|(name, equal)| (!equal).then_some(name))
}

/// Counts ends of episodes, to find final observations that are never written, or written too late.
#[derive(Default)]
pub(super) struct Finals {
    pub ends: usize,
    /// Ends whose final observation is the first observation of the next episode.
    repeated: usize,
    /// Ends whose final observation equals the one stored before.
    unchanged: usize,
    /// Ends by truncation alone.
    cut_off: usize,
    /// First observation of the first episode that has begun after another one.
    first: Option<Vec<f32>>,
    /// True if the first observation of another episode differs from `first`.
    varies: bool,
    /// True if an observation has equalled the stored final observation.
    seen: bool,
}

impl Finals {
    pub fn see(&mut self, before: &StepBatch, after: &StepBatch) {
        let len = after.observations.len() / after.rewards.len();
        for env in 0..after.rewards.len() {
            let row = env * len..(env + 1) * len;
            let held = &before.final_observations[row.clone()];
            self.seen |= before.observations[row.clone()] == *held;
            if !after.terminated[env] && !after.truncated[env] {
                continue;
            }
            let (last, first) = (&after.final_observations[row.clone()], &after.observations[row]);
            self.ends += 1;
            self.cut_off += usize::from(!after.terminated[env]);
            self.repeated += usize::from(last == first);
            self.unchanged += usize::from(last == held);
            self.varies |= self.first.get_or_insert_with(|| first.to_vec()) != first;
        }
    }

    /// Returns the fault of all final observations, if there is one and at least 4 episodes have ended.
    pub fn fault(&self) -> Option<&'static str> {
        if self.ends < 4 {
            return None;
        }
        if self.repeated == self.ends && self.varies {
            return Some(
                "`final_observations` holds the first observation of the next episode, not the last of the one that ended",
            );
        }
        let is_stale = self.unchanged == self.ends && self.cut_off > 0 && !self.seen;
        is_stale.then_some("`final_observations` is not written where an episode ends")
    }
}
