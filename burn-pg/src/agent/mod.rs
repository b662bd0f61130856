//! A trained policy with all that stands between it and its environment.

mod evaluate;
pub mod export;
pub mod import;

use burn::tensor::{Device, Tensor, TensorData};
use burn_pg_envs::{
    ActionBuffer, EnvError, EnvSpec, Space, VectorEnv, make,
    wrapper::{ActionTransform, ObservationNormalizer},
};

use crate::{
    Error,
    algorithm::evaluation_envs,
    config::CheckedConfig,
    device::readback::read,
    distribution::Distribution,
    plan::parameters,
    policy::{ActorCritic, HostWorkspace, Kind, Observation, Policy, Prediction, Sequences},
    run::{
        checkpoint::{Checkpoint, Misfit, POLICY},
        directory::RunDir,
    },
    source::check_observations,
    storage::{
        tensors::{self, Tensors, TensorsError},
        weights::{self, WeightsError},
    },
};

pub use evaluate::{Evaluation, evaluate};

/// A trained policy with what observations are normalised with before it, and what is done to its actions behind it: from
/// observations as the environment gives them to actions as it takes them.
///
/// ```
/// use burn_pg::{Agent, burn::tensor::Device, policy::{ActorCritic, NetworkSpec}};
/// use burn_pg_envs::{EnvRng, spec};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let spec = spec("CartPole-v1")?;
/// let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &Device::flex())?;
/// let agent = Agent::new(policy, spec, None, false)?;
/// let decision = agent.decide(&[0.01, -0.02, 0.03, 0.04], &[], None)?;
/// assert_eq!(decision.actions.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Agent {
    pub(crate) policy: ActorCritic,
    pub(crate) spec: EnvSpec,
    pub(crate) normalizer: Option<ObservationNormalizer>,
    pub(crate) transform: Option<ActionTransform>,
    pub(crate) masked: bool,
}

/// What an agent makes of B observations.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The most probable actions, as the environment takes them; discrete ones are counted from 0.
    pub actions: ActionBuffer,
    /// What defines the distributions over actions, as
    /// [`Distribution::parameters`](crate::distribution::Distribution::parameters) has it: logits; or means and then logarithms of
    /// standard deviations, before any clipping or squashing. Shape `[B, P]`.
    pub parameters: Vec<f32>,
    /// What the observations are worth, if there is a critic. Shape `[B]`.
    pub values: Option<Vec<f32>>,
    /// What is remembered next, if the policy remembers. Shape `[B, M]`.
    pub memory: Option<Vec<f32>>,
}

/// The weights of a policy.
struct Saved {
    tensors: Tensors,
    /// Those of a policy as they would be saved.
    as_saved: fn(&ActorCritic) -> Result<Tensors, TensorsError>,
}

impl Agent {
    /// A policy (without autodiff) for an environment with the specification `spec`. Continuous actions are clipped to the
    /// bounds of their space, or rescaled to them if the policy squashes its own, as in
    /// [`training_envs`](crate::algorithm::training_envs). `masked` says whether the environment masks actions.
    ///
    /// # Errors
    /// [`Error::Env`] if actions are squashed, and those of the environment have no bounds, or if the normaliser is one of
    /// other observations; [`Error::ActionMisfit`] if the policy is one for another action space.
    ///
    /// # Panics
    /// If the policy is one for observations of another length.
    pub fn new(
        policy: ActorCritic,
        spec: EnvSpec,
        normalizer: Option<ObservationNormalizer>,
        masked: bool,
    ) -> Result<Self, Error> {
        let observed = spec.observation_space.flat_len();
        if let Some(normalizer) = &normalizer {
            let (means, variances) = (normalizer.moments.mean.len(), normalizer.moments.variance.len());
            if means != observed || variances != observed {
                let reason = format!("statistics of {means} numbers, where {observed} are observed");
                return Err(EnvError::State { reason }.into());
            }
        }
        let transform = match &policy.head.kind {
            Kind::Gaussian { exploration, .. } if exploration.squash => {
                Some(ActionTransform::rescale(&spec.action_space)?)
            }
            Kind::Gaussian { .. } => Some(ActionTransform::clip(&spec.action_space)?),
            _ => None,
        };
        let agent = Self { policy, spec, normalizer, transform, masked };
        let distribution = agent.predict(&vec![0.0; observed], &[], None).distribution;
        let space = agent.policy_space();
        distribution.check_space(&space)?;
        Ok(agent)
    }

    /// The agent that the run of a directory has come to, on `device`.
    ///
    /// # Errors
    /// [`Error::RunDir`], [`Error::Config`], [`Error::Env`], [`Error::Space`] or [`Error::Weights`], if its files cannot be
    /// read or do not belong together.
    pub fn open(dir: &RunDir, device: &Device) -> Result<Self, Error> {
        let config = dir.config()?.validate()?;
        let normalizer = config.normalize_observations.then(|| dir.normalizer()).transpose()?;
        let path = dir.policy_path();
        let saved = Saved { tensors: weights::read(&path)?, as_saved: weights::in_single_precision };
        let failed = |error| WeightsError::Content { path: path.clone(), error }.into();
        Self::assemble(&config, normalizer, device, saved, failed)
    }

    /// The agent of a checkpoint, on `device`.
    ///
    /// # Errors
    /// [`Error::Config`], [`Error::Env`], [`Error::Space`] or [`Error::Misfit`], if its parts do not belong together.
    pub fn of_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Result<Self, Error> {
        let config = checkpoint.config().clone().validate()?;
        let normalizer = checkpoint.observation_normalizer().cloned();
        let saved = Saved { tensors: checkpoint.part(POLICY), as_saved: tensors::of_module };
        Self::assemble(&config, normalizer, device, saved, |error| Misfit::from(error).into())
    }

    fn assemble(
        config: &CheckedConfig,
        normalizer: Option<ObservationNormalizer>,
        device: &Device,
        saved: Saved,
        failed: impl Fn(TensorsError) -> Error,
    ) -> Result<Self, Error> {
        let raw = make(&config.env, 1)?;
        let (spec, masked) = (raw.spec().clone(), !raw.batch().action_masks.is_empty());
        // These refuse what does not belong together, and know what the policy sees and does.
        let envs = evaluation_envs(raw, config, normalizer.clone())?;
        // A configuration may ask for anything.
        tensors::check_numbers(&saved.tensors, parameters(config, envs.spec())).map_err(&failed)?;
        let blank = ActorCritic::blank(envs.spec(), &config.network(), device)?;
        let expected = (saved.as_saved)(&blank).map_err(&failed)?;
        let policy = tensors::into_module(blank, saved.tensors, &expected).map_err(&failed)?;
        Self::new(policy, spec, normalizer, masked)
    }

    /// The policy itself, from normalised observations to distributions.
    #[must_use]
    pub fn policy(&self) -> &ActorCritic {
        &self.policy
    }

    /// What observations are normalised with, if they are.
    #[must_use]
    pub fn normalizer(&self) -> Option<&ObservationNormalizer> {
        self.normalizer.as_ref()
    }

    /// The specification of its environment.
    #[must_use]
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Numbers that are remembered from one step of an episode to the next, M; 0 if nothing is.
    #[must_use]
    pub fn memory_len(&self) -> usize {
        self.policy.memory_len()
    }

    /// The most probable actions for B observations (shape `[B, D]`), of which those that `action_masks` (shape `[B, M]`, or
    /// empty) says are possible. A policy that remembers goes on from `memory` (shape `[B, M]`), or begins episodes if there
    /// is none.
    ///
    /// # Errors
    /// [`Error::Observation`] if an observation is not finite, [`Error::Policy`] if the output is no distribution,
    /// [`Error::Execution`] if the device fails.
    ///
    /// # Panics
    /// If there are no observations, or the numbers are not whole rows.
    pub fn decide(
        &self,
        observations: &[f32],
        action_masks: &[bool],
        memory: Option<&[f32]>,
    ) -> Result<Decision, Error> {
        let batch = observations.len() / self.spec.observation_space.flat_len();
        check_observations(observations, batch, 0)?;
        let mut observations = observations.to_vec();
        if let Some(normalizer) = &self.normalizer {
            normalizer.apply(&mut observations);
        }
        let Prediction { distribution, values, memory, .. } = self.predict(&observations, action_masks, memory);
        let [parameters] = read([distribution.parameters().flatten(0, 1)])?;
        let mut actions = ActionBuffer::new(&self.spec.action_space);
        let chosen = match self.policy.on_host() {
            // As in an evaluation.
            Some(policy) => {
                let mut workspace = HostWorkspace::new(&self.spec.action_space);
                policy.act(&observations, action_masks, &mut workspace).map(|chosen| actions.set(chosen.as_actions()))
            }
            None => distribution.mode(&parameters, &mut actions).map(|()| distribution.to_env(&mut actions)),
        };
        chosen.map_err(|source| Error::Policy { update: None, env_steps: 0, source })?;
        if let (Some(transform), ActionBuffer::Continuous(actions)) = (&self.transform, &mut actions) {
            transform.apply(actions);
        }
        let values = values.map(|values| read([values])).transpose()?.map(|[values]| values);
        let memory = memory.map(|memory| read([memory.flatten(0, 1)])).transpose()?.map(|[memory]| memory);
        Ok(Decision { actions, parameters, values, memory })
    }

    /// What the policy puts out for observations that are normalised.
    fn predict(
        &self,
        observations: &[f32],
        action_masks: &[bool],
        memory: Option<&[f32]>,
    ) -> Prediction<crate::distribution::AnyDistribution> {
        let device = self.policy.actor.device();
        let batch = observations.len() / self.spec.observation_space.flat_len();
        let mut observation = Observation::upload(observations.to_vec(), action_masks, batch, &device);
        let len = self.memory_len();
        if len > 0 {
            let begins = Tensor::from_data(TensorData::new(vec![memory.is_none(); batch], [batch, 1]), &device);
            let memory = memory.map_or_else(|| vec![0.0; batch * len], <[f32]>::to_vec);
            let memory = Tensor::from_data(TensorData::new(memory, [batch, len]), &device);
            observation = observation.with_sequences(Sequences { memory, begins });
        }
        self.policy.forward(observation)
    }

    /// The actions that the policy itself gives.
    fn policy_space(&self) -> Space {
        match (&self.transform, &self.spec.action_space) {
            (Some(ActionTransform::Rescale { low, .. }), Space::Box { shape, .. }) => {
                Space::Box { low: vec![-1.0; low.len()], high: vec![1.0; low.len()], shape: shape.clone() }
            }
            (_, space) => space.clone(),
        }
    }
}
