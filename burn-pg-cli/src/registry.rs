//! The environments and networks of a program.

use std::fmt;

use burn_pg::{
    Config, Error,
    agent::export::Layers,
    burn::tensor::Device,
    config::ConfigError,
    envs::{self, Env, EnvError, EnvRng, EnvSpec, VecEnv, VectorEnv},
    policy::EncoderSpec,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    network::{BuiltIn, Custom, Network},
    program,
};

/// Returns the error of an environment, with the command that lists them if it is unknown.
pub fn listed(error: EnvError) -> anyhow::Error {
    match error {
        EnvError::Unknown(unknown) => anyhow::Error::msg(unknown.listed_by(&program::command("envs"))),
        other => other.into(),
    }
}

/// Takes the environments and networks that a program adds to those of burn-pg.
pub struct Registry {
    networks: Vec<(String, Box<dyn Network>)>,
}

/// Why a [`Registry`] refuses something.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// The environment.
    Env(EnvError),
    /// A kind of network with this name exists already.
    Network(String),
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(error) => error.fmt(f),
            Self::Network(kind) => write!(f, "a kind of network called `{kind}` exists already"),
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<EnvError> for RegistryError {
    fn from(error: EnvError) -> Self {
        Self::Env(error)
    }
}

impl Registry {
    pub(crate) fn new() -> Self {
        let built_in = EncoderSpec::KINDS.map(|kind| (kind.to_owned(), Box::new(BuiltIn) as Box<dyn Network>));
        Self { networks: built_in.into() }
    }

    /// Adds an environment under the name in its specification. `make` creates one environment; a [`VecEnv`] makes a
    /// batch of them.
    ///
    /// # Errors
    /// [`EnvError::Registered`] if the name is taken; [`EnvError::Spec`] if the specification contradicts itself.
    pub fn add<E: Env + 'static>(&mut self, make: impl Fn() -> E + Send + Sync + 'static) -> Result<(), RegistryError> {
        self.add_vector(make().spec(), move |num_envs| VecEnv::from_fn(num_envs, |_| make()))
    }

    /// Adds environments that are stepped as a batch, under the name in `spec`. `make` is called with their number.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_vector<V: VectorEnv + 'static>(
        &mut self,
        spec: EnvSpec,
        make: impl Fn(usize) -> Result<V, EnvError> + Send + Sync + 'static,
    ) -> Result<(), RegistryError> {
        Ok(envs::register(spec, make)?)
    }

    /// Adds a kind of network. With `network.kind` set to `kind`, `make` creates the network of a run: from the
    /// specification of the environment, the other settings in the table `network`, a stream of random numbers that
    /// follows from the seed of the run, and a device with autodiff. To load a run, `make` is called again, and the
    /// weights are replaced.
    ///
    /// `S` is the type of these settings. All of its fields are written to the `config.toml` of a run; a setting that it
    /// does not have is refused. [`Nothing`](burn_pg::config::Nothing) is a type without settings. Presets set none of
    /// them.
    ///
    /// A network that implements [`Layers::layers`] can be exported. A recurrent network is trained on whole rollouts as
    /// sequences. The memory plan leaves the network out.
    ///
    /// ```no_run
    /// # use burn_pg::{agent::export::Layers, burn::{self, module::Module, tensor::Device}, distribution::Categorical};
    /// # use burn_pg::{envs::{EnvRng, EnvSpec}, policy::{Mlp, Observation, Policy, Prediction}};
    /// # #[derive(Module, Debug)]
    /// # struct Residual { actor: Mlp }
    /// # impl Residual {
    /// #     fn new(_: &EnvSpec, _: &Size, _: &mut EnvRng, _: &Device) -> Self { unimplemented!() }
    /// # }
    /// # impl Policy for Residual {
    /// #     type Observation = Observation;
    /// #     type Dist = Categorical;
    /// #     fn forward(&self, _: Observation) -> Prediction<Categorical> { unimplemented!() }
    /// # }
    /// # impl Layers for Residual {}
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// #[serde(default)]
    /// struct Size {
    ///     width: usize,
    /// }
    /// # impl Default for Size {
    /// #     fn default() -> Self { Self { width: 64 } }
    /// # }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// burn_pg_cli::main_with(|registry| {
    ///     registry.add_network("residual", |spec, size: &Size, rng, device| Ok(Residual::new(spec, size, rng, device)))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`RegistryError::Network`] if the name is taken.
    pub fn add_network<S, P>(
        &mut self,
        kind: &str,
        make: impl Fn(&EnvSpec, &S, &mut EnvRng, &Device) -> Result<P, Error> + Send + Sync + 'static,
    ) -> Result<(), RegistryError>
    where
        S: Serialize + DeserializeOwned + 'static,
        P: Layers + 'static,
    {
        if self.find(kind).is_some() {
            return Err(RegistryError::Network(kind.into()));
        }
        self.networks.push((kind.into(), Box::new(Custom::new(make))));
        Ok(())
    }

    /// Returns the kind of the networks of a configuration.
    pub(crate) fn network(&self, config: &Config) -> Result<&dyn Network, ConfigError> {
        let network = &config.network;
        let names = self.networks.iter().map(|(name, _)| name.as_str());
        self.find(network.kind()).ok_or_else(|| network.unknown_kind(names))
    }

    fn find(&self, kind: &str) -> Option<&dyn Network> {
        self.networks.iter().find(|(name, _)| name == kind).map(|(_, network)| &**network)
    }

    /// Fills in the defaults of the networks' settings.
    pub(crate) fn resolved(&self, config: &Config) -> Result<Config, ConfigError> {
        let Some(custom) = &config.network.custom else { return Ok(config.clone()) };
        let custom = self.network(config)?.resolved(custom)?;
        Ok(config.clone().with(|config| config.network.custom = Some(custom)))
    }
}
