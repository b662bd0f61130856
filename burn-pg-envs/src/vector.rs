//! Many copies of one environment, stepped as one batch.

use crate::{Actions, Env, EnvAction, EnvError, EnvRng, EnvSpec};

/// Environments one rayon task steps. Fixed, so that the work is cut the same way for any number of threads.
const ENVS_PER_TASK: usize = 128;

/// A batch of environments behind one interface, whatever their action type.
///
/// An episode that ends is reset in the same step: `observations` then holds the first observation of the next episode,
/// and `final_observations` the last of the one that ended.
pub trait VectorEnv: Send {
    /// What is known of each of the environments.
    fn spec(&self) -> &EnvSpec;

    /// Number of environments, N.
    fn num_envs(&self) -> usize;

    /// What the last [`reset`](Self::reset) or [`step`](Self::step) produced.
    fn batch(&self) -> &StepBatch;

    /// Starts all episodes anew. Environment `i` is seeded with `seed + i` (wrapping), as Gymnasium does.
    fn reset(&mut self, seed: u64) -> &StepBatch;

    /// Takes one action in each environment.
    ///
    /// # Errors
    /// If the actions do not fit the action space or the number of environments; nothing has been stepped then.
    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError>;
}

/// What one step of a batch of N environments produced. Its memory is reused by the next step.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StepBatch {
    /// Observations to act on next. Shape `[N, D]`, row-major.
    pub observations: Vec<f32>,
    /// Rewards. Shape `[N]`.
    pub rewards: Vec<f64>,
    /// Episodes that ended in a terminal state. Shape `[N]`.
    pub terminated: Vec<bool>,
    /// Episodes that were cut off, by the time limit or by the environment. Shape `[N]`.
    pub truncated: Vec<bool>,
    /// Where an episode ended: its last observation. Other rows are left over. Shape `[N, D]`.
    pub final_observations: Vec<f32>,
    /// Where an episode ended: its return, the undiscounted sum of rewards. Others: of the episode so far. Shape `[N]`.
    pub episode_returns: Vec<f64>,
    /// Where an episode ended: its length in steps. Others: of the episode so far. Shape `[N]`.
    pub episode_lengths: Vec<u32>,
}

impl StepBatch {
    fn new(num_envs: usize, observation_len: usize) -> Self {
        Self {
            observations: vec![0.0; num_envs * observation_len],
            rewards: vec![0.0; num_envs],
            terminated: vec![false; num_envs],
            truncated: vec![false; num_envs],
            final_observations: vec![0.0; num_envs * observation_len],
            episode_returns: vec![0.0; num_envs],
            episode_lengths: vec![0; num_envs],
        }
    }

    /// Indices of the environments whose episode ended in this step, for either reason.
    pub fn ended(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.rewards.len()).filter(|&i| self.terminated[i] || self.truncated[i])
    }
}

/// N copies of `E`, each with its own stream of random numbers, so that no result depends on the number of threads.
#[derive(Debug, Clone)]
pub struct VecEnv<E> {
    spec: EnvSpec,
    slots: Vec<Slot<E>>,
    batch: StepBatch,
    observation_len: usize,
}

#[derive(Debug, Clone)]
struct Slot<E> {
    env: E,
    rng: EnvRng,
    /// Has the episode ended in the last step? Then return and length start anew.
    ended: bool,
}

impl<E: Env + Default> VecEnv<E> {
    /// `num_envs` copies of the default `E`, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`] if `num_envs` is 0.
    pub fn new(num_envs: usize) -> Result<Self, EnvError> {
        Self::from_envs(std::iter::repeat_with(E::default).take(num_envs).collect())
    }
}

impl<E: Env> VecEnv<E> {
    /// The given environments as one batch, reset with seed 0.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`] if there are none.
    pub fn from_envs(envs: Vec<E>) -> Result<Self, EnvError> {
        if envs.is_empty() {
            return Err(EnvError::NoEnvs);
        }
        let spec = E::spec();
        let observation_len = spec.observation_space.flat_len();
        let mut vec_env = Self {
            batch: StepBatch::new(envs.len(), observation_len),
            slots: envs.into_iter().map(Slot::new).collect(),
            observation_len,
            spec,
        };
        vec_env.reset(0);
        Ok(vec_env)
    }
}

impl<E: Env> VectorEnv for VecEnv<E> {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.slots.len()
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn reset(&mut self, seed: u64) -> &StepBatch {
        self.batch = StepBatch::new(self.slots.len(), self.observation_len);
        let rows = self.batch.observations.chunks_mut(self.observation_len);
        for ((slot, observation), i) in self.slots.iter_mut().zip(rows).zip(0..) {
            slot.rng = EnvRng::new(seed.wrapping_add(i));
            slot.ended = false;
            slot.env.reset(&mut slot.rng, observation);
        }
        &self.batch
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.slots.len())?;
        let limit = self.spec.max_episode_steps.unwrap_or(u32::MAX);
        let rows = Rows::new(&mut self.batch, self.observation_len);
        step_in_parallel(&mut self.slots, rows, &actions, limit);
        Ok(&self.batch)
    }
}

/// Halves the batch until a task is small enough to be stepped in one go.
fn step_in_parallel<E: Env>(slots: &mut [Slot<E>], mut rows: Rows<'_>, actions: &Actions<'_>, limit: u32) {
    if slots.len() <= ENVS_PER_TASK {
        for (i, slot) in slots.iter_mut().enumerate() {
            slot.step(&mut rows, i, actions, limit);
        }
        return;
    }
    let tasks = slots.len().div_ceil(ENVS_PER_TASK);
    let middle = tasks / 2 * ENVS_PER_TASK;
    let (left, right) = slots.split_at_mut(middle);
    let (left_rows, right_rows) = rows.split_at(middle);
    rayon::join(
        || step_in_parallel(left, left_rows, actions, limit),
        || step_in_parallel(right, right_rows, actions, limit),
    );
}

impl<E: Env> Slot<E> {
    fn new(env: E) -> Self {
        Self { env, rng: EnvRng::new(0), ended: false }
    }

    /// Steps row `i` of `rows`, and resets it if its episode has ended.
    fn step(&mut self, rows: &mut Rows<'_>, i: usize, actions: &Actions<'_>, limit: u32) {
        if std::mem::take(&mut self.ended) {
            rows.returns[i] = 0.0;
            rows.lengths[i] = 0;
        }
        let columns = i * rows.observation_len..(i + 1) * rows.observation_len;
        let observation = &mut rows.observations[columns.clone()];
        let action = E::Action::read(actions, rows.first + i);
        let step = self.env.step(action, &mut self.rng, observation);

        rows.lengths[i] += 1;
        rows.returns[i] += step.reward;
        rows.rewards[i] = step.reward;
        rows.terminated[i] = step.terminated;
        rows.truncated[i] = step.truncated || rows.lengths[i] >= limit;
        if rows.terminated[i] || rows.truncated[i] {
            self.ended = true;
            rows.final_observations[columns].copy_from_slice(observation);
            self.env.reset(&mut self.rng, observation);
        }
    }
}

/// A run of consecutive rows of a [`StepBatch`], to be written by one task.
struct Rows<'a> {
    /// Index of the first row in the whole batch.
    first: usize,
    observation_len: usize,
    observations: &'a mut [f32],
    rewards: &'a mut [f64],
    terminated: &'a mut [bool],
    truncated: &'a mut [bool],
    final_observations: &'a mut [f32],
    returns: &'a mut [f64],
    lengths: &'a mut [u32],
}

impl<'a> Rows<'a> {
    fn new(batch: &'a mut StepBatch, observation_len: usize) -> Self {
        Self {
            first: 0,
            observation_len,
            observations: &mut batch.observations,
            rewards: &mut batch.rewards,
            terminated: &mut batch.terminated,
            truncated: &mut batch.truncated,
            final_observations: &mut batch.final_observations,
            returns: &mut batch.episode_returns,
            lengths: &mut batch.episode_lengths,
        }
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let columns = middle * self.observation_len;
        let (observations, right_observations) = self.observations.split_at_mut(columns);
        let (finals, right_finals) = self.final_observations.split_at_mut(columns);
        let (rewards, right_rewards) = self.rewards.split_at_mut(middle);
        let (terminated, right_terminated) = self.terminated.split_at_mut(middle);
        let (truncated, right_truncated) = self.truncated.split_at_mut(middle);
        let (returns, right_returns) = self.returns.split_at_mut(middle);
        let (lengths, right_lengths) = self.lengths.split_at_mut(middle);
        let left = Self {
            first: self.first,
            observation_len: self.observation_len,
            observations,
            rewards,
            terminated,
            truncated,
            final_observations: finals,
            returns,
            lengths,
        };
        let right = Self {
            first: self.first + middle,
            observation_len: self.observation_len,
            observations: right_observations,
            rewards: right_rewards,
            terminated: right_terminated,
            truncated: right_truncated,
            final_observations: right_finals,
            returns: right_returns,
            lengths: right_lengths,
        };
        (left, right)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Space, Step};

    /// Counts its steps; terminates after `action` says 1, and rewards each step with its number.
    #[derive(Default, Clone)]
    struct Counter(f32);

    impl Env for Counter {
        type Action = u32;

        fn spec() -> EnvSpec {
            EnvSpec {
                id: "Counter".into(),
                observation_space: Space::symmetric(&[100.0]),
                action_space: Space::Discrete { n: 2 },
                max_episode_steps: Some(3),
                reward_threshold: None,
            }
        }

        fn reset(&mut self, _rng: &mut EnvRng, observation: &mut [f32]) {
            self.0 = 0.0;
            observation[0] = 0.0;
        }

        fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
            self.0 += 1.0;
            observation[0] = self.0;
            Step { reward: f64::from(self.0), terminated: action == 1, truncated: false }
        }
    }

    fn step<'a>(envs: &'a mut VecEnv<Counter>, actions: &[u32]) -> &'a StepBatch {
        envs.step(Actions::Discrete(actions)).unwrap()
    }

    #[test]
    fn an_ended_episode_hands_out_its_final_observation_and_starts_anew() {
        let mut envs = VecEnv::<Counter>::new(2).unwrap();
        step(&mut envs, &[0, 0]);
        let batch = step(&mut envs, &[1, 0]);
        assert_eq!(batch.terminated, [true, false]);
        assert_eq!(batch.truncated, [false, false]);
        assert_eq!(batch.observations, [0.0, 2.0]);
        assert_eq!(batch.final_observations[0], 2.0);
        assert_eq!(batch.episode_returns, [3.0, 3.0]);
        assert_eq!(batch.episode_lengths, [2, 2]);
        assert_eq!(batch.ended().collect::<Vec<_>>(), [0]);

        let batch = step(&mut envs, &[0, 0]);
        assert_eq!(batch.truncated, [false, true], "the time limit is 3");
        assert_eq!(batch.terminated, [false, false]);
        assert_eq!(batch.observations, [1.0, 0.0]);
        assert_eq!(batch.final_observations[1], 3.0);
        assert_eq!(batch.episode_returns, [1.0, 6.0]);
        assert_eq!(batch.episode_lengths, [1, 3]);
    }

    #[test]
    fn both_flags_are_kept_when_the_last_step_in_time_is_terminal() {
        let mut envs = VecEnv::<Counter>::new(1).unwrap();
        step(&mut envs, &[0]);
        step(&mut envs, &[0]);
        let batch = step(&mut envs, &[1]);
        assert!(batch.terminated[0] && batch.truncated[0]);
    }

    #[test]
    fn every_row_of_a_parallel_batch_meets_its_own_action() {
        let n = 5 * ENVS_PER_TASK + 17;
        let mut envs = VecEnv::<Counter>::new(n).unwrap();
        let actions: Vec<u32> = (0..n).map(|i| u32::from(i % 3 == 0)).collect();
        let batch = step(&mut envs, &actions);
        assert_eq!(batch.ended().collect::<Vec<_>>(), (0..n).step_by(3).collect::<Vec<_>>());
    }

    #[test]
    fn actions_are_checked_before_anything_moves() {
        let mut envs = VecEnv::<Counter>::new(2).unwrap();
        let before = envs.batch.clone();
        let error = envs.step(Actions::Discrete(&[0, 2])).unwrap_err();
        assert_eq!(error.to_string(), "environment 1: action 2 is outside Discrete(2)");
        let error = envs.step(Actions::Discrete(&[0])).unwrap_err();
        assert_eq!(error, EnvError::BatchSize { actions: 1, envs: 2 });
        assert_eq!(envs.batch, before);
        assert_eq!(envs.slots[0].env.0, 0.0);
    }
}
