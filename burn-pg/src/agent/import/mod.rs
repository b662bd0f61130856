//! Import of policies: our own exports, and those that Stable-Baselines3 has trained.
//!
//! ```
//! use burn_pg::{
//!     Agent,
//!     agent::{export::{self, Format}, import::PolicyFile},
//!     burn::tensor::Device,
//!     policy::{ActorCritic, NetworkSpec},
//! };
//! use burn_pg_envs::{EnvRng, spec};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("policy.safetensors");
//! let (spec, device) = (spec("CartPole-v1")?, Device::flex());
//! let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &device)?;
//! let agent = Agent::new(policy, spec.clone(), None)?;
//! export::write(&export::bytes(&agent, Format::Safetensors)?, &path, false)?;
//!
//! let imported = PolicyFile::read(&path)?.import(&spec, None, &device)?;
//! let again = Agent::new(imported.policy, spec, imported.normalizer)?;
//! let seen = [0.01, -0.02, 0.03, 0.04];
//! assert_eq!(again.decide(&seen, &[], None)?, agent.decide(&seen, &[], None)?);
//! # Ok(())
//! # }
//! ```

mod error;
mod exported;
mod file;
mod stable_baselines3;

use burn::tensor::{DType, Device, TensorData};
use burn_pg_envs::{EnvSpec, Space, wrapper::ObservationNormalizer};

use crate::{
    Config, Error,
    config::NetworkConfig,
    policy::{Activation, ActorCritic, NetworkSpec, UnsupportedSpace},
    storage::{
        tensors::{self, Tensors, TensorsError},
        weights,
    },
};

pub use error::ImportError;
pub use file::PolicyFile;

use exported::Exported;

/// Number of weights by which a network may exceed the file. The network is created before its shapes are compared with
/// those of the file, so this limits its memory.
const MORE_WEIGHTS: u64 = 1 << 20;

/// A policy from a file.
#[derive(Debug)]
pub struct Imported {
    /// The networks.
    pub policy: ActorCritic,
    /// The observation normaliser, if the file contains one. The variances are those of the export up to rounding.
    pub normalizer: Option<ObservationNormalizer>,
    /// The settings of the networks.
    pub network: NetworkConfig,
}

impl PolicyFile {
    /// Returns the settings of the networks. Settings that are not in the file have their defaults: how sequences are
    /// cut, for how long gSDE noise is held, and for Stable-Baselines3 the activation.
    ///
    /// # Errors
    /// [`Error::Import`] if the settings cannot be derived from the file.
    pub fn network(&self) -> Result<NetworkConfig, Error> {
        Ok(match self.exported() {
            Some(exported) => exported.network()?,
            None => stable_baselines3::network(self)?,
        })
    }

    /// Returns the policy on `device`, for an environment with the specification `spec`. `activation` is that of a
    /// policy of Stable-Baselines3, `tanh` by default; one of our exports must have this activation, if one is given.
    ///
    /// # Errors
    /// [`Error::Import`], [`Error::Weights`], [`Error::Space`], [`Error::Config`] or [`Error::Env`], with what does not
    /// fit the environment or the networks of this crate.
    pub fn import(&self, spec: &EnvSpec, activation: Option<Activation>, device: &Device) -> Result<Imported, Error> {
        let (mut network, exported) = (self.network()?, self.exported());
        match (&exported, activation) {
            (Some(exported), Some(given)) if given != network.activation => {
                let expected = format!("{}, as in the file", network.activation.name());
                return Err(exported.other("activation", given.name(), expected).into());
            }
            (_, Some(given)) => network.activation = given,
            (_, None) => {}
        }
        let blank = self.blank(&network, spec, device)?;
        let normalizer = match &exported {
            Some(exported) => {
                let normalizer = exported.normalizer(spec)?;
                exported.check(&blank, spec, normalizer.clone())?;
                normalizer
            }
            None => None,
        };
        let policy = self.fill(blank, &network, spec)?;
        Ok(Imported { policy, normalizer, network })
    }

    fn exported(&self) -> Option<Exported<'_>> {
        self.about.as_ref().map(|about| Exported { file: self, about })
    }

    /// Creates a network with these settings, not much larger than the file.
    fn blank(&self, network: &NetworkConfig, spec: &EnvSpec, device: &Device) -> Result<ActorCritic, Error> {
        let space = &spec.observation_space;
        if self.about.is_none() && !matches!(space, Space::Box { .. }) {
            return Err(UnsupportedSpace::Observation { env: spec.id.clone(), space: space.to_string() }.into());
        }
        let config = Config { network: network.clone(), ..Config::default() }.validate()?;
        let shape = NetworkSpec { critic: self.has_critic(), ..config.network()? };
        let expected = shape.footprint(spec, false).parameters();
        let found = self.tensors.values().map(|data| data.num_elements() as u64).sum();
        if expected > found + MORE_WEIGHTS {
            return Err(self.failed(TensorsError::Numbers { found, expected }).into());
        }
        Ok(ActorCritic::blank(spec, &shape, device)?)
    }

    /// Puts the weights of the file into a network.
    fn fill(&self, blank: ActorCritic, network: &NetworkConfig, spec: &EnvSpec) -> Result<ActorCritic, Error> {
        let expected = weights::in_single_precision(&blank).map_err(|error| self.failed(error))?;
        let images = exported::images(&blank, spec);
        let name = |ours: &String| match self.about {
            Some(_) => exported::name(ours, &images),
            None => stable_baselines3::name(ours, network.hidden_sizes.len()),
        };
        let names: Vec<String> = expected.keys().map(name).collect();
        self.check_names(&names)?;
        let weights = expected
            .iter()
            .zip(names)
            .map(|((ours, data), name)| Ok((ours.clone(), self.weights(&name, ours.ends_with("weight"), data, spec)?)));
        let weights = weights.collect::<Result<Tensors, Error>>()?;
        Ok(tensors::into_module(blank, weights, &expected).map_err(|error| self.failed(error))?)
    }

    fn check_names(&self, names: &[String]) -> Result<(), ImportError> {
        let beside = self.exported().map(|exported| exported.beside_weights()).unwrap_or_default();
        let missing: Vec<String> = names.iter().filter(|name| !self.tensors.contains_key(*name)).cloned().collect();
        let is_known = |name: &&String| names.contains(name) || beside.contains(&name.as_str());
        let unexpected: Vec<String> = self.tensors.keys().filter(|name| !is_known(name)).cloned().collect();
        match missing.is_empty() && unexpected.is_empty() {
            true => Ok(()),
            false => Err(ImportError::Names { path: self.path.clone(), what: self.what(), missing, unexpected }),
        }
    }

    /// Returns a tensor of the file in the layout of `expected`. PyTorch's linear weights are `[outputs, inputs]`, ours
    /// are `[inputs, outputs]`.
    fn weights(&self, name: &str, is_weight: bool, expected: &TensorData, spec: &EnvSpec) -> Result<TensorData, Error> {
        let mut shape = expected.shape().to_vec();
        let is_linear = is_weight && shape.len() == 2;
        if is_linear {
            shape.reverse();
        }
        let data = self.checked(name, DType::F32, &shape, spec)?;
        if !is_linear {
            return Ok(data.clone());
        }
        let values: Vec<f32> = data.iter().collect();
        let column = |input: usize| values.iter().skip(input).step_by(shape[1]);
        let transposed: Vec<f32> = (0..shape[1]).flat_map(column).copied().collect();
        Ok(TensorData::new(transposed, expected.shape().clone()))
    }
}
