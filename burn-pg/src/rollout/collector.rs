//! Runs a policy in a batch of environments.

mod on_host;
mod saved;

use std::mem;

use burn::tensor::{Device, Tensor};
use burn_pg_envs::{
    ActionBuffer, Autoreset, EnvError, EnvSpec, VectorEnv,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

pub(crate) use saved::SavedCollector;

use super::{History, Recall, Rollout, SequenceSpec, block::BlockRecord};
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{ActorCritic, Observation, Prediction},
    profile::{Phase, during},
    readback::read,
    streams,
};

pub(crate) use on_host::default_block_size;

/// Where a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutLength {
    /// After so many steps of each environment. Episodes go on from one rollout to the next.
    Steps(usize),
    /// After one whole episode of each environment. Each rollout begins with a reset; steps that an environment takes
    /// while others are still in their first episode are not [`valid`](Rollout::valid).
    Episodes,
}

/// Runs a policy in a batch of environments and records rollouts.
pub struct Collector {
    envs: Box<dyn VectorEnv>,
    seed: u64,
    episodes: EpisodeStats,
    /// One stream an environment, to sample its actions from.
    streams: Vec<ActionStream>,
    length: RolloutLength,
    sequences: SequenceSpec,
    /// What the policy remembers; from the first rollout on.
    recall: Option<Recall>,
    device: Device,
    /// The last actions, as the environments take them.
    taken: ActionBuffer,
    rollout: Rollout,
    /// Environments that one thread takes through a rollout, if the policy acts on the host.
    block_size: usize,
    /// What they have done.
    blocks: Vec<BlockRecord>,
    /// Is the rollout as long as it was to become? One that failed is not, and may have columns of several lengths.
    whole: bool,
    /// Environments that were given new streams after a failure.
    restarts: u32,
    env_steps: u64,
}

impl Collector {
    /// Resets `envs` with `seed` and prepares rollouts of the given length. The policy runs on `device`.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if an environment cannot be reset.
    pub fn new(
        mut envs: Box<dyn VectorEnv>,
        length: RolloutLength,
        seed: u64,
        device: &Device,
    ) -> Result<Self, EnvError> {
        envs.set_autoreset(Autoreset::SameStep);
        envs.reset(seed)?;
        let actions = ActionBuffer::new(&envs.spec().action_space);
        Ok(Self {
            streams: streams::actions(seed, envs.num_envs()),
            taken: actions.clone(),
            rollout: Rollout::new(envs.num_envs(), actions),
            block_size: default_block_size(envs.num_envs()),
            blocks: Vec::new(),
            envs,
            seed,
            episodes: EpisodeStats::default(),
            length,
            sequences: SequenceSpec { steps: 0, burn_in: 0 }.within(length),
            recall: None,
            whole: true,
            restarts: 0,
            device: device.clone().without_autodiff(),
            env_steps: 0,
        })
    }

    /// Cuts rollouts into such sequences, if the policy is one that remembers. Without this each rollout is one
    /// sequence for each environment, without burn-in.
    ///
    /// # Panics
    /// If the sequences are not as [`SequenceSpec`] says, or the collector has begun.
    #[must_use]
    pub fn with_sequences(mut self, sequences: SequenceSpec) -> Self {
        assert!(self.recall.is_none(), "rollouts are cut in one way from the first to the last");
        self.sequences = sequences.within(self.length);
        self
    }

    /// Lets one thread take so many environments, at least 1, through a whole rollout, if the policy has a copy to act with
    /// [on the host](ActorCritic::on_host). The numbers do not depend on it, but those after a rollout
    /// that failed: other blocks have gone on to its end. Default: a sixteenth of the environments, but no
    /// fewer than 4 and no more than 64.
    ///
    /// # Panics
    /// If `size` is 0.
    #[must_use]
    pub fn with_block_size(mut self, size: usize) -> Self {
        assert!(size > 0, "a block has an environment");
        self.block_size = size;
        self
    }

    /// What is known of the environments.
    #[must_use]
    pub fn spec(&self) -> &EnvSpec {
        self.envs.spec()
    }

    /// Environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// Environment steps that a rollout takes at most, those of all environments together; `None` if rollouts are of
    /// whole episodes, and these have no time limit.
    #[must_use]
    pub fn longest_rollout(&self) -> Option<u64> {
        let steps = match self.length {
            RolloutLength::Steps(steps) => steps as u64,
            RolloutLength::Episodes => self.envs.spec().max_episode_steps?.into(),
        };
        Some(steps * self.envs.num_envs() as u64)
    }

    /// What observations are normalised with, if they are.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.envs.observation_normalizer()
    }

    /// Statistics of the episodes that have ended so far.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        &self.episodes
    }

    /// Shows `policy`, which must be without autodiff, the present observations, and checks that what it makes of them
    /// is what the environments take. Tells whether it has a critic.
    ///
    /// # Errors
    /// [`Error::ActionMisfit`] or [`Error::Prediction`] if it is not.
    pub fn check<P: ActorCritic>(&self, policy: &P) -> Result<bool, Error> {
        let (batch, num_envs) = (self.envs.batch(), self.envs.num_envs());
        let observation = Observation::upload(batch.observations.clone(), &batch.action_masks, num_envs, &self.device);
        let nothing = Recall::new(num_envs, policy.memory_len(), &self.device);
        let Prediction { distribution, values, .. } = policy.forward(nothing.attach(observation, &[]));
        distribution.check_space(&self.envs.spec().action_space)?;
        let ([rows, _], values) = (distribution.parameters().dims(), values.map(|values| values.dims()[0]));
        match rows == num_envs && values.is_none_or(|values| values == num_envs) {
            true => Ok(values.is_some()),
            false => Err(Error::Prediction { observations: num_envs, rows, values }),
        }
    }

    /// Takes the next steps with `policy`, which must be without autodiff, and returns what happened. After an error
    /// what was recorded is lost, and the next rollout begins with new episodes.
    ///
    /// # Errors
    /// [`Error::Env`] if an environment fails, [`Error::Observation`] if an observation is not finite,
    /// [`Error::Policy`] if the policy's output is not a distribution, [`Error::Execution`] if the device fails. None
    /// of them says in which update: that is for the [`Trainer`](crate::Trainer) to know.
    pub fn collect<P: ActorCritic>(&mut self, policy: &P) -> Result<&Rollout, Error> {
        if self.recall.is_none() {
            self.begin(policy.memory_len());
        }
        if !mem::take(&mut self.whole) {
            self.begin_anew(policy.memory_len())?;
        }
        self.rollout.clear();
        self.streams.iter_mut().for_each(ActionStream::begin_rollout);
        let mut truncations = Truncations::default();
        if self.length == RolloutLength::Episodes {
            self.envs.reset_where(&vec![true; self.rollout.num_envs])?;
            let num_envs = self.rollout.num_envs;
            self.recall().forget(0..num_envs);
        }
        if let Some(policy) = policy.on_host() {
            self.play_on_host(&policy, &mut truncations)?;
            self.rollout.valid.resize(self.rollout.len(), true);
            let unseen = self.unseen(&truncations)?;
            let values = during(Phase::Inference, || {
                self.rollout.values = policy.values(&self.rollout.observations).unwrap_or_default();
                policy.values(&unseen)
            });
            self.bootstrap(values, &truncations);
        } else {
            self.play(policy, &mut truncations)?;
            self.rollout.valid.resize(self.rollout.len(), true);
            let values = during(Phase::Inference, || self.values_of_unseen(policy, &truncations))?;
            self.bootstrap(values, &truncations);
        }
        self.whole = true;
        Ok(&self.rollout)
    }

    /// Gives an environment that has failed a new stream of random numbers; its episode is lost. If it cannot even be reset, the
    /// next rollout says so.
    ///
    /// # Panics
    /// If there is no such environment.
    pub fn restart(&mut self, env: usize) {
        self.restarts += 1;
        // An error stays with the environment until it is reset, which the next rollout does.
        let _ = self.envs.restart(env, streams::restart_seed(self.seed, self.restarts));
        self.whole = false;
    }

    fn play<P: ActorCritic>(&mut self, policy: &P, truncations: &mut Truncations) -> Result<(), Error> {
        match self.length {
            RolloutLength::Steps(steps) => (0..steps).try_for_each(|_| {
                during(Phase::Inference, || self.act(policy))?;
                during(Phase::Environment, || self.step(truncations))
            }),
            RolloutLength::Episodes => self.play_episodes(policy, truncations),
        }
    }

    /// Prepares to remember so many numbers of each environment.
    fn begin(&mut self, memory_len: usize) {
        let num_envs = self.envs.num_envs();
        self.recall = Some(Recall::new(num_envs, memory_len, &self.device));
        let width = self.envs.spec().observation_space.flat_len();
        self.rollout.history = (memory_len > 0).then(|| History::new(memory_len, self.sequences, num_envs, width));
    }

    /// Leaves the episodes in which a rollout failed: an environment may have to be reset, and what the policy
    /// remembers of them belongs to no sequence of another rollout.
    fn begin_anew(&mut self, memory_len: usize) -> Result<(), Error> {
        let num_envs = self.envs.num_envs();
        self.envs.reset_where(&vec![true; num_envs])?;
        self.rollout = Rollout::new(num_envs, ActionBuffer::new(&self.envs.spec().action_space));
        self.begin(memory_len);
        Ok(())
    }

    fn recall(&mut self) -> &mut Recall {
        self.recall.as_mut().expect("it was made before the first step")
    }

    /// Steps until every environment has ended an episode.
    fn play_episodes<P: ActorCritic>(&mut self, policy: &P, truncations: &mut Truncations) -> Result<(), Error> {
        let mut playing = vec![true; self.rollout.num_envs];
        while playing.contains(&true) {
            during(Phase::Inference, || self.act(policy))?;
            during(Phase::Environment, || self.step(truncations))?;
            self.rollout.valid.extend_from_slice(&playing);
            for env in self.envs.batch().ended() {
                playing[env] = false;
            }
        }
        Ok(())
    }

    /// Records the current observations, their values, and an action for each.
    fn act<P: ActorCritic>(&mut self, policy: &P) -> Result<(), Error> {
        let (batch, num_envs) = (self.envs.batch(), self.envs.num_envs());
        let observations = &batch.observations;
        check_observations(observations, num_envs, self.env_steps)?;
        let recall = self.recall.as_mut().expect("it was made before the first step");
        let observation = Observation::upload(observations.clone(), &batch.action_masks, num_envs, &self.device);
        let prediction = policy.forward(recall.attach(observation, &[]));
        let Prediction { distribution, values, memory } = prediction;
        let step = self.rollout.begins.len() / num_envs;
        if let (Some(history), Some(memory)) = (&mut self.rollout.history, recall.memory())
            && history.is_joint(step)
        {
            let [memory] = read([memory.clone().flatten(0, 1)])?;
            history.memories.extend_from_slice(&memory);
        }
        self.rollout.begins.extend_from_slice(recall.begins());
        recall.remember(memory);
        let (parameters, values) = read_with(distribution.parameters().flatten(0, 1), values)?;
        self.rollout.observations.extend_from_slice(observations);
        self.rollout.action_masks.extend_from_slice(&batch.action_masks);
        self.rollout.values.extend_from_slice(&values);
        let Rollout { actions, log_probs, .. } = &mut self.rollout;
        distribution.sample(&parameters, &mut self.streams, actions, log_probs).map_err(|source| {
            let env_steps = self.env_steps;
            Error::Policy { update: None, env_steps, source }
        })?;
        let numbers = self.envs.num_envs() * self.envs.spec().action_space.flat_len();
        self.taken.set(self.rollout.actions.last(numbers));
        distribution.to_env(&mut self.taken);
        Ok(())
    }

    /// Takes the last recorded actions, and records what came of them.
    fn step(&mut self, truncations: &mut Truncations) -> Result<(), Error> {
        let Rollout { num_envs, .. } = self.rollout;
        let first_row = self.rollout.len();
        let outcome = self.envs.step(self.taken.as_actions()).map(|_| ());
        // If one environment fails, the episodes of others may have ended all the same.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            let batch = self.envs.batch();
            for env in batch.ended() {
                self.episodes.push(batch.episode_returns[env], batch.episode_lengths[env]);
            }
        }
        outcome?;
        let batch = self.envs.batch();
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        let rewards = batch.rewards.iter().map(|&reward| reward as f32);
        self.rollout.rewards.extend(rewards);
        self.rollout.terminated.extend_from_slice(&batch.terminated);
        self.rollout.truncated.extend_from_slice(&batch.truncated);
        let recall = self.recall.as_mut().expect("it was made before the first step");
        recall.forget(batch.ended());
        for env in batch.ended() {
            let width = batch.observations.len() / num_envs;
            let last = &batch.final_observations[env * width..(env + 1) * width];
            if !batch.terminated[env] {
                check_row(last, env, self.env_steps)?;
                truncations.rows.push(first_row + env);
                truncations.observations.extend_from_slice(last);
                truncations.memories.extend(recall.of(env));
            }
        }
        self.env_steps += num_envs as u64;
        Ok(())
    }

    /// The observations after the last step, and the final ones of truncated episodes, whose values are not known yet.
    fn unseen(&self, truncations: &Truncations) -> Result<Vec<f32>, Error> {
        let mut unseen = self.envs.batch().observations.clone();
        check_observations(&unseen, self.envs.num_envs(), self.env_steps)?;
        unseen.extend_from_slice(&truncations.observations);
        Ok(unseen)
    }

    fn values_of_unseen<P: ActorCritic>(
        &mut self,
        policy: &P,
        truncations: &Truncations,
    ) -> Result<Option<Vec<f32>>, Error> {
        let rows = self.rollout.num_envs + truncations.rows.len();
        // The value of a state does not depend on what is possible in it.
        let unseen = Observation::upload(self.unseen(truncations)?, &[], rows, &self.device);
        let Some(values) = policy.forward(self.recall().attach(unseen, &truncations.memories)).values else {
            return Ok(None);
        };
        let [values] = read([values])?;
        Ok(Some(values))
    }

    /// Fills in the values of the observations that followed each step, given those of the [`unseen`](Self::unseen) ones.
    fn bootstrap(&mut self, values: Option<Vec<f32>>, truncations: &Truncations) {
        let Some(of_unseen) = values else { return };
        let (last, finals) = of_unseen.split_at(self.rollout.num_envs);

        let Rollout { next_values, values, num_envs, terminated, .. } = &mut self.rollout;
        next_values.extend_from_slice(&values[*num_envs..]);
        next_values.extend_from_slice(last);
        for (&row, &value) in truncations.rows.iter().zip(finals) {
            next_values[row] = value;
        }
        for (value, &terminated) in next_values.iter_mut().zip(&*terminated) {
            if terminated {
                *value = 0.0;
            }
        }
    }
}

/// Reads the parameters of distributions, and values if there are any, with one synchronisation.
fn read_with(parameters: Tensor<1>, values: Option<Tensor<1>>) -> Result<(Vec<f32>, Vec<f32>), Error> {
    match values {
        None => read([parameters]).map(|[parameters]| (parameters, Vec::new())),
        Some(values) => read([parameters, values]).map(|[parameters, values]| (parameters, values)),
    }
}

/// Refuses observations that are not finite, of shape `[N, D]`.
pub(crate) fn check_observations(observations: &[f32], num_envs: usize, env_steps: u64) -> Result<(), Error> {
    let mut rows = observations.chunks_exact(observations.len() / num_envs).enumerate();
    rows.try_for_each(|(env, row)| check_row(row, env, env_steps))
}

pub(super) fn check_row(row: &[f32], env: usize, env_steps: u64) -> Result<(), Error> {
    match row.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::Observation { update: None, env, index, value: row[index], env_steps }),
    }
}

/// Episodes that were cut off within a rollout.
#[derive(Default)]
struct Truncations {
    /// Their last rows in the rollout.
    rows: Vec<usize>,
    /// Their final observations. Shape `[rows, D]`.
    observations: Vec<f32>,
    /// What was remembered before those, if the policy remembers. Shape `[1, M]` each.
    memories: Vec<Tensor<2>>,
}
