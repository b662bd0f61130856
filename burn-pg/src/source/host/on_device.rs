//! Collecting a rollout with a policy on the device: all environments take each step together.

use burn::tensor::Tensor;
use burn_pg_envs::EnvError;

use super::{Collector, endings::Endings};
use crate::{
    Error,
    device::{Failed, readback::read},
    distribution::Distribution,
    policy::{Observation, Policy, Prediction},
    profile::{Phase, during},
    source::{Rollout, host::finite::check_observations, observe, step_envs},
};

impl Collector {
    /// Collects a rollout, stepping all environments together.
    pub(super) fn play_on_device<P: Policy<Observation = Observation>>(
        &mut self,
        policy: &P,
        endings: &mut Endings,
    ) -> Result<(), Error> {
        let mut playing = vec![true; self.rollout.num_envs];
        while self.rollout.is_incomplete(self.length, &playing) {
            during(Phase::Inference, || self.act(policy))?;
            during(Phase::Environment, || self.step(endings))?;
            self.rollout.end_step(self.length, &mut playing, self.envs.batch().view());
        }
        Ok(())
    }

    /// Records the current observations, their values, and an action for each.
    fn act<P: Policy<Observation = Observation>>(&mut self, policy: &P) -> Result<(), Error> {
        let (batch, num_envs) = (self.envs.batch(), self.envs.num_envs());
        let observations = &batch.observations;
        let space = &self.envs.spec().observation_space;
        check_observations(observations, space, self.env_steps)?;
        let recurrent = self.recurrent.as_mut().expect("the recurrent state is created before the first step");
        let observation = observe(space, observations.clone(), &batch.action_masks, &self.device);
        let prediction = policy.forward(recurrent.attach(observation, &[]));
        let Prediction { distribution, values, state } = prediction;
        let step = self.rollout.begins.len() / num_envs;
        if let (Some(history), Some(state)) = (&mut self.rollout.history, &recurrent.state)
            && history.is_start(step)
        {
            let [state] = read([state.clone().flatten(0, 1)])?;
            history.states.extend_from_slice(&state);
        }
        self.rollout.begins.extend_from_slice(&recurrent.begins);
        recurrent.advance(state);
        let (parameters, values) = read_with(distribution.parameters().flatten(0, 1), values)?;
        self.rollout.observations.extend(observations);
        self.rollout.action_masks.extend_from_slice(&batch.action_masks);
        self.rollout.values.extend_from_slice(&values);
        let Rollout { actions, log_probs, .. } = &mut self.rollout;
        let sampled = distribution.sample(&parameters, &mut self.streams, actions, log_probs);
        sampled.map_err(|source| Error::Policy { update: None, env_steps: self.env_steps, source })?;
        let len = num_envs * self.envs.spec().action_space.flat_len();
        self.taken.set(self.rollout.actions.last(len));
        distribution.to_env(&mut self.taken);
        Ok(())
    }

    /// Steps the environments with the last recorded actions, and records the outcome.
    fn step(&mut self, endings: &mut Endings) -> Result<(), Error> {
        let outcome = step_envs(&mut *self.envs, self.taken.as_actions());
        let (view, space) = (self.envs.checked_batch()?.view(), &self.envs.spec().observation_space);
        // If one environment fails, episodes of others may still have ended.
        if matches!(outcome, Ok(()) | Err(EnvError::Failed { .. })) {
            endings.add(self.rollout.len(), view);
        }
        outcome?;
        let recurrent = self.recurrent.as_mut().expect("the recurrent state is created before the first step");
        endings.record(&mut self.rollout, view, &mut recurrent.begins, space, 0, self.env_steps)?;
        let truncated = view.ended().filter(|&env| !view.terminated[env]);
        endings.states.extend(truncated.filter_map(|env| recurrent.of(env)));
        self.env_steps += self.rollout.num_envs as u64;
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
