//! Kinds of networks: those of burn-pg, and those that a program adds.

use std::{
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

use anyhow::{Result, bail};
use burn_pg::{
    Agent, CheckedConfig, Error, Trainer,
    agent::{export::Layers, import::PolicyFile},
    algorithm::Recipe,
    burn::tensor::Device,
    config::{ConfigError, CustomNetwork, Nothing},
    envs::{EnvRng, EnvSpec, VectorEnv},
    policy::ActorCritic,
    run::{RunDir, checkpoint::Checkpoint},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    commands::{
        agent::AnyAgent,
        bench,
        train::{self, Outcome},
    },
    failure::Failure,
    tell::tell,
};

/// Where the policy of a run is saved.
#[derive(Clone, Copy)]
pub enum Saved<'a> {
    /// At the end of the run.
    Dir(&'a RunDir),
    /// In a checkpoint.
    Checkpoint(&'a Checkpoint),
}

/// A kind of network: how its networks are created and loaded.
pub trait Kind: Send + Sync {
    type Policy: Layers + 'static;

    /// Returns a network with all its settings.
    fn resolved(&self, network: &CustomNetwork) -> Result<CustomNetwork, ConfigError>;

    /// Creates a trainer with new networks.
    fn trainer(&self, config: &CheckedConfig, device: &Device) -> Result<Trainer<Self::Policy>, Error>;

    /// Creates a trainer whose networks have the weights of an agent, which comes from `from`.
    fn trainer_from(
        &self,
        agent: &Agent<Self::Policy>,
        from: &str,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Trainer<Self::Policy>, Error>;

    /// Loads an agent.
    fn load(&self, saved: Saved<'_>, device: &Device) -> Result<Agent<Self::Policy>, Error>;

    /// Returns the agent of a file.
    fn import(
        &self,
        file: &PolicyFile,
        spec: &EnvSpec,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Agent<Self::Policy>>;
}

/// The networks of burn-pg.
pub struct BuiltIn;

impl Kind for BuiltIn {
    type Policy = ActorCritic;

    fn resolved(&self, network: &CustomNetwork) -> Result<CustomNetwork, ConfigError> {
        network.resolved::<Nothing>()
    }

    fn trainer(&self, config: &CheckedConfig, device: &Device) -> Result<Trainer<ActorCritic>, Error> {
        Trainer::of(config, device)
    }

    fn trainer_from(
        &self,
        agent: &Agent,
        from: &str,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Trainer<ActorCritic>, Error> {
        if config.has_critic() && !agent.policy().has_critic() {
            tell(format_args!("warning: the policy of {from} has no critic; training starts with a new one"));
        }
        Recipe::of(config)?.build_from(agent, from, envs(config)?, config, device)
    }

    fn load(&self, saved: Saved<'_>, device: &Device) -> Result<Agent, Error> {
        match saved {
            Saved::Dir(dir) => Agent::open(dir, device),
            Saved::Checkpoint(checkpoint) => Agent::of_checkpoint(checkpoint, device),
        }
    }

    fn import(&self, file: &PolicyFile, spec: &EnvSpec, config: &CheckedConfig, device: &Device) -> Result<Agent> {
        let imported = file.import(spec, Some(config.network.activation), device)?;
        Ok(Agent::new(imported.policy, spec.clone(), imported.normalizer)?)
    }
}

/// Networks of a program, made by a function from their settings.
pub struct Custom<S, P, F> {
    make: F,
    types: PhantomData<fn() -> (S, P)>,
}

impl<S, P, F> Custom<S, P, F>
where
    S: Serialize + DeserializeOwned,
    F: Fn(&EnvSpec, &S, &mut EnvRng, &Device) -> Result<P, Error>,
{
    pub fn new(make: F) -> Self {
        Self { make, types: PhantomData }
    }

    fn make(&self, spec: &EnvSpec, config: &CheckedConfig, rng: &mut EnvRng, device: &Device) -> Result<P, Error> {
        // A run of another kind is loaded by that kind.
        let network = config.network.custom.as_ref().expect("the configuration names this kind");
        let settings = network.settings()?;
        let made = catch_unwind(AssertUnwindSafe(|| (self.make)(spec, &settings, rng, device)));
        made.unwrap_or_else(|panic| {
            let reason = panic.downcast_ref::<String>().cloned();
            let reason = reason.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()));
            Err(Error::Network(reason.unwrap_or_else(|| "its function panicked".into()).into()))
        })
    }
}

impl<S, P, F> Kind for Custom<S, P, F>
where
    S: Serialize + DeserializeOwned,
    P: Layers + 'static,
    F: Fn(&EnvSpec, &S, &mut EnvRng, &Device) -> Result<P, Error> + Send + Sync,
{
    type Policy = P;

    fn resolved(&self, network: &CustomNetwork) -> Result<CustomNetwork, ConfigError> {
        network.resolved::<S>()
    }

    fn trainer(&self, config: &CheckedConfig, device: &Device) -> Result<Trainer<P>, Error> {
        let new = |spec: &EnvSpec, rng: &mut EnvRng, device: &Device| self.make(spec, config, rng, device);
        Recipe::of(config)?.build_with(envs(config)?, config, device, new)
    }

    fn trainer_from(
        &self,
        agent: &Agent<P>,
        from: &str,
        config: &CheckedConfig,
        device: &Device,
    ) -> Result<Trainer<P>, Error> {
        let new = |spec: &EnvSpec, rng: &mut EnvRng, device: &Device| self.make(spec, config, rng, device);
        Recipe::of(config)?.build_from_with(agent, from, envs(config)?, config, device, new)
    }

    fn load(&self, saved: Saved<'_>, device: &Device) -> Result<Agent<P>, Error> {
        let blank = |spec: &EnvSpec, config: &CheckedConfig| self.make(spec, config, &mut EnvRng::new(0), device);
        match saved {
            Saved::Dir(dir) => Agent::open_with(dir, blank),
            Saved::Checkpoint(checkpoint) => Agent::of_checkpoint_with(checkpoint, blank),
        }
    }

    fn import(&self, _: &PolicyFile, _: &EnvSpec, config: &CheckedConfig, _: &Device) -> Result<Agent<P>> {
        bail!("networks of the kind `{}` start from a run directory, not from a file", config.network.kind())
    }
}

fn envs(config: &CheckedConfig) -> Result<Box<dyn VectorEnv>, Error> {
    Ok(config.env.make(config.env.num_envs)?)
}

/// What commands do with a kind of network, whatever its type.
pub trait Network: Send + Sync {
    fn resolved(&self, network: &CustomNetwork) -> Result<CustomNetwork, ConfigError>;
    fn agent(&self, saved: Saved<'_>, device: &Device) -> Result<Box<dyn AnyAgent>, Error>;
    fn begin(&self, args: &train::Args, new: train::New) -> Result<Outcome, Failure>;
    fn resume(&self, args: &train::Args, earlier: train::Earlier) -> Result<Outcome, Failure>;
    fn bench(&self, config: &CheckedConfig, device: &Device) -> Result<bench::Round>;
}

impl<K: Kind> Network for K {
    fn resolved(&self, network: &CustomNetwork) -> Result<CustomNetwork, ConfigError> {
        Kind::resolved(self, network)
    }

    fn agent(&self, saved: Saved<'_>, device: &Device) -> Result<Box<dyn AnyAgent>, Error> {
        Ok(Box::new(self.load(saved, device)?))
    }

    fn begin(&self, args: &train::Args, new: train::New) -> Result<Outcome, Failure> {
        train::begin(self, args, new)
    }

    fn resume(&self, args: &train::Args, earlier: train::Earlier) -> Result<Outcome, Failure> {
        train::resume(self, args, earlier)
    }

    fn bench(&self, config: &CheckedConfig, device: &Device) -> Result<bench::Round> {
        bench::round(self.trainer(config, device)?)
    }
}
