//! Collecting a rollout with a policy on the device: all environments take each step together.

use burn::tensor::Tensor;
use burn_pg_envs::EnvError;

use super::{Collector, truncations::Truncations};
use crate::{
    Error,
    device::{Failed, readback::read},
    distribution::Distribution,
    policy::{Observation, Policy, Prediction},
    profile::{Phase, during},
    source::{
        Episode, Rollout, RolloutLength,
        host::finite::{check_observations, check_row},
        observe, step_envs,
    },
};

impl Collector {
    /// Collects a rollout, stepping all environments together.
    pub(super) fn play_on_device<P: Policy<Observation = Observation>>(
        &mut self,
        policy: &P,
        truncations: &mut Truncations,
    ) -> Result<(), Error> {
        match self.length {
            RolloutLength::Steps(steps) => (0..steps).try_for_each(|step| {
                during(Phase::Inference, || self.act(policy))?;
                during(Phase::Environment, || self.step(truncations))?;
                if step == 0 {
                    self.rollout.reserve_steps(steps);
                }
                Ok(())
            }),
            RolloutLength::Episodes => self.play_episodes(policy, truncations),
        }
    }

    /// Steps until every environment has ended an episode.
    fn play_episodes<P: Policy<Observation = Observation>>(
        &mut self,
        policy: &P,
        truncations: &mut Truncations,
    ) -> Result<(), Error> {
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
    fn act<P: Policy<Observation = Observation>>(&mut self, policy: &P) -> Result<(), Error> {
        let (batch, num_envs) = (self.envs.batch(), self.envs.num_envs());
        let observations = &batch.observations;
        let space = &self.envs.spec().observation_space;
        check_observations(observations, space, self.env_steps)?;
        let recurrent = self.recurrent.as_mut().expect("it was made before the first step");
        let observation = observe(space, observations.clone(), &batch.action_masks, &self.device);
        let prediction = policy.forward(recurrent.attach(observation, &[]));
        let Prediction { distribution, values, state } = prediction;
        let step = self.rollout.begins.len() / num_envs;
        if let (Some(history), Some(state)) = (&mut self.rollout.history, recurrent.state())
            && history.is_start(step)
        {
            let [state] = read([state.clone().flatten(0, 1)])?;
            history.states.extend_from_slice(&state);
        }
        self.rollout.begins.extend_from_slice(recurrent.begins());
        recurrent.advance(state);
        let (parameters, values) = read_with(distribution.parameters().flatten(0, 1), values)?;
        self.rollout.observations.extend(observations);
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

    /// Steps the environments with the last recorded actions, and records the outcome.
    fn step(&mut self, truncations: &mut Truncations) -> Result<(), Error> {
        let Rollout { num_envs, .. } = self.rollout;
        let first_row = self.rollout.len();
        let outcome = step_envs(&mut *self.envs, self.taken.as_actions());
        self.envs.checked_batch()?;
        // If one environment fails, episodes of others may still have ended.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            let batch = self.envs.batch();
            let episode = |env: usize| Episode {
                env,
                episode_return: batch.episode_returns[env],
                length: batch.episode_lengths[env],
            };
            let ended: Vec<Episode> = batch.ended().map(episode).collect();
            for episode in ended {
                self.push_episode(episode);
            }
        }
        outcome?;
        let batch = self.envs.batch();
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        let rewards = batch.rewards.iter().map(|&reward| reward as f32);
        self.rollout.rewards.extend(rewards);
        self.rollout.terminated.extend_from_slice(&batch.terminated);
        self.rollout.truncated.extend_from_slice(&batch.truncated);
        let recurrent = self.recurrent.as_mut().expect("it was made before the first step");
        recurrent.end_episodes(batch.ended());
        for env in batch.ended() {
            let width = batch.observations.len() / num_envs;
            let last = &batch.final_observations[env * width..(env + 1) * width];
            if !batch.terminated[env] {
                check_row(last, &self.envs.spec().observation_space, env, self.env_steps)?;
                truncations.rows.push(first_row + env);
                truncations.observations.extend_from_slice(last);
                truncations.states.extend(recurrent.of(env));
            }
        }
        self.env_steps += num_envs as u64;
        Ok(())
    }
}

/// Reads the parameters of distributions, and values if there are any, with one synchronisation.
fn read_with(parameters: Tensor<1>, values: Option<Tensor<1>>) -> Result<(Vec<f32>, Vec<f32>), Failed> {
    match values {
        None => read([parameters]).map(|[parameters]| (parameters, Vec::new())),
        Some(values) => read([parameters, values]).map(|[parameters, values]| (parameters, values)),
    }
}
