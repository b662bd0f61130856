//! Runs a policy in a batch of environments.

use burn::tensor::Device;
use burn_pg_envs::{
    ActionBuffer, Autoreset, EnvError, VectorEnv,
    wrapper::{EpisodeStats, ObservationNormalizer, RecordEpisodes},
};

use super::Rollout;
use crate::{
    Error,
    distribution::{ActionStream, Distribution},
    policy::{ActorCritic, Observation},
    readback::read,
    streams,
};

/// Where a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutLength {
    /// After so many steps of each environment. Episodes go on from one rollout to the next.
    Steps(usize),
    /// After one whole episode of each environment. Each rollout begins with a reset; steps that an environment takes while
    /// others are still in their first episode are not [`valid`](Rollout::valid).
    Episodes,
}

/// Runs a policy in a batch of environments and records rollouts.
pub struct Collector {
    envs: RecordEpisodes<Box<dyn VectorEnv>>,
    /// One stream an environment, to sample its actions from.
    streams: Vec<ActionStream>,
    length: RolloutLength,
    device: Device,
    /// The last actions, as the environments take them.
    taken: ActionBuffer,
    rollout: Rollout,
    env_steps: u64,
}

impl Collector {
    /// Resets `envs` with `seed` and prepares rollouts of the given length. The policy runs on `device`.
    ///
    /// # Errors
    /// [`EnvError::Failed`] if an environment cannot be reset.
    pub fn new(envs: Box<dyn VectorEnv>, length: RolloutLength, seed: u64, device: &Device) -> Result<Self, EnvError> {
        let mut envs = RecordEpisodes::new(envs);
        envs.set_autoreset(Autoreset::SameStep);
        envs.reset(seed)?;
        let actions = ActionBuffer::new(&envs.spec().action_space);
        Ok(Self {
            streams: streams::actions(seed, envs.num_envs()),
            taken: actions.clone(),
            rollout: Rollout::new(envs.num_envs(), actions),
            envs,
            length,
            device: device.clone().without_autodiff(),
            env_steps: 0,
        })
    }

    /// Environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.env_steps
    }

    /// What observations are normalised with, if they are.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.envs.observation_normalizer()
    }

    /// Statistics of the episodes that have ended so far.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        self.envs.episodes()
    }

    /// Takes the next steps with `policy`, which must be without autodiff, and returns what happened.
    ///
    /// # Errors
    /// [`Error::Observation`] if an observation is not finite, [`Error::Policy`] if the policy's output is not a
    /// distribution, [`Error::Execution`] if the device fails.
    pub fn collect<P: ActorCritic>(&mut self, policy: &P) -> Result<&Rollout, Error> {
        self.rollout.clear();
        self.streams.iter_mut().for_each(ActionStream::begin_rollout);
        let mut truncations = Truncations::default();
        match self.length {
            RolloutLength::Steps(steps) => {
                for _ in 0..steps {
                    self.act(policy)?;
                    self.step(&mut truncations)?;
                }
                self.rollout.valid.resize(self.rollout.len(), true);
            }
            RolloutLength::Episodes => self.play_episodes(policy, &mut truncations)?,
        }
        self.bootstrap(policy, &truncations)?;
        Ok(&self.rollout)
    }

    /// Steps until every environment has ended an episode.
    fn play_episodes<P: ActorCritic>(&mut self, policy: &P, truncations: &mut Truncations) -> Result<(), Error> {
        self.envs.reset_where(&vec![true; self.rollout.num_envs])?;
        let mut playing = vec![true; self.rollout.num_envs];
        while playing.contains(&true) {
            self.act(policy)?;
            self.step(truncations)?;
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
        let observation = Observation::upload(observations.clone(), &batch.action_masks, num_envs, &self.device);
        let (distribution, value) = policy.forward(observation);
        let [parameters, values] = read([distribution.parameters().flatten(0, 1), value])?;
        self.rollout.observations.extend_from_slice(observations);
        self.rollout.action_masks.extend_from_slice(&batch.action_masks);
        self.rollout.values.extend_from_slice(&values);
        let Rollout { actions, log_probs, .. } = &mut self.rollout;
        distribution.sample(&parameters, &mut self.streams, actions, log_probs).map_err(|source| {
            let env_steps = self.env_steps;
            Error::Policy { env_steps, source }
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
        let batch = self.envs.step(self.taken.as_actions())?;
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        let rewards = batch.rewards.iter().map(|&reward| reward as f32);
        self.rollout.rewards.extend(rewards);
        self.rollout.terminated.extend_from_slice(&batch.terminated);
        self.rollout.truncated.extend_from_slice(&batch.truncated);
        for env in batch.ended() {
            let width = batch.observations.len() / num_envs;
            let last = &batch.final_observations[env * width..(env + 1) * width];
            if !batch.terminated[env] {
                check_row(last, env, self.env_steps)?;
                truncations.rows.push(first_row + env);
                truncations.observations.extend_from_slice(last);
            }
        }
        self.env_steps += num_envs as u64;
        Ok(())
    }

    /// Fills in the values of the observations that followed each step.
    fn bootstrap<P: ActorCritic>(&mut self, policy: &P, truncations: &Truncations) -> Result<(), Error> {
        // The observations after the last step and the final ones of truncated episodes, in one batch.
        let mut unseen = self.envs.batch().observations.clone();
        check_observations(&unseen, self.envs.num_envs(), self.env_steps)?;
        unseen.extend_from_slice(&truncations.observations);
        let rows = self.rollout.num_envs + truncations.rows.len();
        // The value of a state does not depend on what is possible in it.
        let [values] = read([policy.value(Observation::upload(unseen, &[], rows, &self.device))])?;
        let (last, finals) = values.split_at(self.rollout.num_envs);

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
        Ok(())
    }
}

/// Refuses observations that are not finite, of shape `[N, D]`.
pub(crate) fn check_observations(observations: &[f32], num_envs: usize, env_steps: u64) -> Result<(), Error> {
    let mut rows = observations.chunks_exact(observations.len() / num_envs).enumerate();
    rows.try_for_each(|(env, row)| check_row(row, env, env_steps))
}

fn check_row(row: &[f32], env: usize, env_steps: u64) -> Result<(), Error> {
    match row.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::Observation { env, index, value: row[index], env_steps }),
    }
}

/// Episodes that were cut off within a rollout.
#[derive(Default)]
struct Truncations {
    /// Their last rows in the rollout.
    rows: Vec<usize>,
    /// Their final observations. Shape `[rows, D]`.
    observations: Vec<f32>,
}
