//! Recipes: the parts of an algorithm.

use std::{cell::Cell, sync::Mutex};

use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use burn_pg_envs::{EnvRng, EnvSpec, VectorEnv, wrapper::ObservationNormalizer};

use super::{
    envs::training_envs_from,
    start::{check_observations, with_weights_of, with_weights_of_actor_critic},
};
use crate::{
    Agent, Config, Error,
    advantage::{AdvantageEstimator, EstimatorSpec},
    agent::{action_transform, check_envs},
    config::{AlgorithmConfig, CheckedConfig, ConfigError},
    loss::{ContextPart, LossSpec, LossTerm, Objective},
    optim::Schedule,
    policy::{ActorCritic, Observation, Policy},
    ranks::Ranks,
    run::{Parts, Trainer},
    source::{Batch, Collector, HostSource, OffDevice, Reference, RolloutLength, ValueNormalizer, streams},
    update::{Epochs, Learner, TrustRegion, TrustRegionUpdate, Update},
};

/// The parts in which algorithms differ. Everything else in a run comes from the configuration.
///
/// Add a loss term of your own with [`with`](Self::with), and replace the networks with
/// [`build_with`](Self::build_with):
///
/// ```
/// use burn_pg::{Config, DeviceChoice, algorithm::Recipe, device, envs::make, policy::{Activation, ActorCritic, NetworkSpec}};
///
/// let mut config = Config::default();
/// config.run.total_steps = 1_024;
/// let config = config.validate()?;
/// let device = device::open(DeviceChoice::Auto)?.device;
/// let recipe = Recipe::of(&config)?;
/// let shape = NetworkSpec { activation: Activation::Silu, ..NetworkSpec::default() };
/// let mut trainer = recipe.build_with(make(&config.env.name, config.env.num_envs)?, &config, &device, |spec, rng, device| {
///     Ok(ActorCritic::new(spec, &shape, rng, device)?)
/// })?;
/// trainer.update()?;
/// # Ok::<(), burn_pg::Error>(())
/// ```
pub struct Recipe {
    /// Where a rollout ends.
    pub length: RolloutLength,
    /// The advantage estimator.
    pub estimator: Box<dyn AdvantageEstimator>,
    /// The objective that the steps of the optimiser minimise.
    pub objective: Objective,
    /// The trust-region step of the policy, if there is one; `objective` then trains the critic only.
    pub trust_region: Option<TrustRegion>,
    /// The ranks that train together.
    pub ranks: Ranks,
}

impl Recipe {
    /// Returns the recipe of the algorithm that the configuration names, with the estimator and the objective of the
    /// configuration if it has them.
    ///
    /// # Errors
    /// [`Error::Objective`] if the objective of the configuration contradicts itself.
    pub fn of(config: &CheckedConfig) -> Result<Self, Error> {
        let num_steps = config.rollout.num_steps;
        match &config.algorithm {
            AlgorithmConfig::Ppo(ppo) => Self::ppo(ppo, num_steps),
            AlgorithmConfig::A2c(a2c) => Self::a2c(a2c, num_steps),
            AlgorithmConfig::Trpo(trpo) => Self::trpo(trpo, num_steps),
            AlgorithmConfig::Reinforce(reinforce) => Self::reinforce(reinforce),
        }
    }

    /// Sets the estimator and the objective that a configuration has in place of the algorithm's.
    pub(super) fn with_choices(
        mut self,
        gamma: f64,
        estimator: Option<EstimatorSpec>,
        loss: &[LossSpec],
    ) -> Result<Self, Error> {
        if let Some(estimator) = estimator {
            self.estimator = estimator.build(gamma);
        }
        if loss.is_empty() {
            return Ok(self);
        }
        let of_critic = |summand: &&LossSpec| self.trust_region.is_none() || summand.term.trains_critic();
        let (learnt, stepped): (Vec<_>, Vec<_>) = loss.iter().partition(of_critic);
        self.objective = Objective::from_specs(learnt)?;
        if let Some(region) = &mut self.trust_region {
            region.objective = Objective::from_specs(stepped)?;
        }
        Ok(self)
    }

    /// Adds `weight` times `term` to the objective, or, if there is a trust region and the term does not need values,
    /// to the objective of the trust region.
    ///
    /// # Panics
    /// If [`Objective::try_with`] would return an error.
    #[must_use]
    pub fn with(self, weight: impl Into<Schedule>, term: impl LossTerm + 'static) -> Self {
        match self.trust_region {
            Some(region) if !term.needs().contains(&ContextPart::Values) => {
                let region = TrustRegion { objective: region.objective.with(weight, term), ..region };
                Self { trust_region: Some(region), ..self }
            }
            trust_region => Self { objective: self.objective.with(weight, term), trust_region, ..self },
        }
    }

    /// Creates a trainer in `envs` with the networks of the configuration.
    ///
    /// # Errors
    /// [`Error::Config`] if there are not `num_envs` environments; [`Error::Space`] if the networks do not support
    /// their observations; see also [`Trainer::new`].
    pub fn build(
        self,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Trainer<ActorCritic>, Error> {
        self.assemble(envs, config, device, None, |spec, rng, device| {
            Ok(ActorCritic::new(spec, &config.network()?, rng, device)?)
        })
    }

    /// Creates a trainer as [`build`](Self::build) does, whose policy starts with the weights of `agent`, and whose
    /// observation normaliser starts with its statistics. The reference policy, if there is one, has these weights too.
    /// If the agent has no critic and the algorithm needs one, a new critic is created; if the algorithm needs none,
    /// the critic of the agent is left out. Initial standard deviations of the configuration are not used.
    ///
    /// `from` is the origin of the agent, such as a path; see [`Trainer::init_from`].
    ///
    /// # Errors
    /// [`Error::EnvMisfit`] if the environments have other spaces than the agent's; [`Error::Start`] if the agent does
    /// not fit the configuration; see also [`build`](Self::build).
    pub fn build_from(
        self,
        agent: &Agent,
        from: &str,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Trainer<ActorCritic>, Error> {
        self.start(agent, from, envs, config, device, |spec, rng, device| {
            let fresh = ActorCritic::new(spec, &config.network()?, rng, device)?;
            Ok(with_weights_of_actor_critic(fresh, agent.policy())?)
        })
    }

    /// Creates a trainer as [`build_from`](Self::build_from) does, with a network of your own: `policy` creates it as
    /// for [`build_with`](Self::build_with), and its weights are replaced by those of `agent`.
    ///
    /// # Errors
    /// As [`build_from`](Self::build_from); any error of `policy`.
    pub fn build_from_with<P: Policy<Observation = Observation>>(
        self,
        agent: &Agent<P>,
        from: &str,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
        policy: impl FnOnce(&EnvSpec, &mut EnvRng, &Device) -> Result<P, Error>,
    ) -> Result<Trainer<P>, Error> {
        self.start(agent, from, envs, config, device, |spec, rng, device| {
            Ok(with_weights_of(policy(spec, rng, device)?, agent.policy())?)
        })
    }

    /// Creates a trainer whose policy already has the weights of an agent. Its normaliser starts as that of the agent.
    fn start<P: Policy<Observation = Observation>>(
        self,
        agent: &Agent<P>,
        from: &str,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
        policy: impl FnOnce(&EnvSpec, &mut EnvRng, &Device) -> Result<P, Error>,
    ) -> Result<Trainer<P>, Error> {
        check_envs(agent.spec(), &*envs)?;
        check_observations(agent, config)?;
        Ok(self.assemble(envs, config, device, agent.normalizer(), policy)?.with_init_from(from))
    }

    /// Creates a trainer in `envs` with a policy of your own. `policy` creates it from the specification of the
    /// environments, a stream of random numbers that follows from the seed of the configuration, and a device with
    /// autodiff. The only network setting that is read from the configuration is `recurrence`, for how sequences are
    /// cut.
    ///
    /// # Errors
    /// [`Error::Config`] if there are not `num_envs` environments; any error of `policy`; see also [`Trainer::new`].
    pub fn build_with<P: Policy<Observation = Observation>>(
        self,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
        policy: impl FnOnce(&EnvSpec, &mut EnvRng, &Device) -> Result<P, Error>,
    ) -> Result<Trainer<P>, Error> {
        self.assemble(envs, config, device, None, policy)
    }

    fn assemble<P: Policy<Observation = Observation>>(
        self,
        envs: Box<dyn VectorEnv>,
        config: &CheckedConfig,
        device: &Device,
        normalizer: Option<&ObservationNormalizer>,
        policy: impl FnOnce(&EnvSpec, &mut EnvRng, &Device) -> Result<P, Error>,
    ) -> Result<Trainer<P>, Error> {
        let Config { run, env, rollout, algorithm, network, optimiser, .. } = &**config;
        let (num_envs, seed) = (env.num_envs, run.seed);
        if !num_envs.is_multiple_of(self.ranks.count()) {
            return Err(ConfigError::EnvsOfRanks { num_envs, ranks: self.ranks.count() }.into());
        }
        let num_envs = num_envs / self.ranks.count();
        if !self.ranks.is_alone() && self.trust_region.is_some() {
            return Err(Error::NotOnRanks { what: "a trust region" });
        }
        if !self.ranks.is_alone() && rollout.overlap {
            return Err(Error::NotOnRanks { what: "`rollout.overlap`" });
        }
        if envs.num_envs() != num_envs {
            return Err(ConfigError::EnvCount { num_envs, given: envs.num_envs() }.into());
        }
        let spec = envs.spec().clone();
        let policy = seeded(seed, device, || policy(&spec, &mut streams::weights(seed), &device.clone().autodiff()))?;
        let transform = action_transform(&policy, &spec)?;
        let envs = training_envs_from(envs, transform, config, normalizer)?;
        let objectives = [Some(&self.objective), self.trust_region.as_ref().map(|region| &region.objective)];
        let needed = objectives.into_iter().flatten().any(|of| of.needs(ContextPart::ReferenceLogProbs));
        let (num_epochs, num_minibatches) = algorithm.passes();
        let minibatch = (num_envs * rollout.num_steps).div_ceil(num_minibatches);
        let rows = algorithm.micro_batch_size().map_or(minibatch, |size| size.min(minibatch));
        let reference = (needed || algorithm.kl_in_reward() > 0.0)
            .then(|| Reference::new(&policy).with_kl_in_reward(algorithm.kl_in_reward()).with_micro_batch(rows));
        let source = match self.on_device(&spec, reference.is_some(), &policy, config, device) {
            Ok(source) => source,
            Err(reason @ (OffDevice::Buffer { .. } | OffDevice::DeviceMemory { .. })) => {
                return Err(Error::OffDevice(reason));
            }
            Err(reason) => {
                let mut collector = Collector::on_rank(&self.ranks, envs, self.length, seed, device)?;
                collector = collector.with_sequences(network.recurrence.sequences());
                if let Some(size) = rollout.block_size {
                    collector = collector.with_block_size(size);
                }
                let source = HostSource::new(collector, self.estimator).with_off_device(reason);
                let values = algorithm.normalize_values().then(ValueNormalizer::default);
                source.with_reference(reference).with_value_normalizer(values).with_spec(spec).into()
            }
        };
        let epochs = Epochs {
            learner: Learner {
                max_grad_norm: optimiser.max_grad_norm,
                normalize_advantages: algorithm.normalize_advantages(),
                micro_batch_size: algorithm.micro_batch_size(),
                ranks: self.ranks.clone(),
                ..Learner::new(self.objective, optimiser.kind.build())
            },
            learning_rate: optimiser.learning_rate,
            adapted: None,
            num_epochs,
            num_minibatches,
            target_kl: algorithm.target_kl(),
            shuffle: streams::shuffle(seed),
        };
        let parts = Parts {
            policy,
            source,
            update: match self.trust_region {
                None => Box::new(epochs) as Box<dyn Update<P, Batch>>,
                Some(region) => Box::new(TrustRegionUpdate { region, critic: epochs }),
            },
        };
        Ok(Trainer::new(parts, config, device)?.with_ranks(self.ranks))
    }
}

/// Creates a policy whose weights are determined by the seed of a run, including those drawn by Burn's initialisers.
/// Recipes do this; call it for a policy that you give to a [`Trainer`] as one of its [`Parts`].
///
/// # Errors
/// The error of `policy`.
pub fn seeded<P: Module, E>(seed: u64, device: &Device, policy: impl FnOnce() -> Result<P, E>) -> Result<P, E> {
    /// Held while a policy is created: on some backends, all threads share one generator.
    static DRAWING: Mutex<()> = Mutex::new(());
    thread_local! {
        /// True while this thread creates a policy. Creating it may create another one, for example a teacher.
        static IS_DRAWING: Cell<bool> = const { Cell::new(false) };
    }

    let is_outer = !IS_DRAWING.replace(true);
    let _drawing = is_outer.then(|| (DRAWING.lock(), OnDrop(|| IS_DRAWING.set(false))));
    device.seed(streams::initialisers(seed));
    let policy = policy()?;
    // Burn's initialisers draw weights when a parameter is first used.
    policy.visit(&mut Use);
    Ok(policy)
}

/// Calls a function when it is dropped, also after a panic.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Uses each parameter.
struct Use;

impl ModuleVisitor for Use {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = param.base();
    }
}
