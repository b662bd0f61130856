//! Agents of runs: taken from a trainer or a checkpoint, loaded from and saved to a run directory.

use burn::tensor::Device;
use burn_pg_envs::{EnvSpec, wrapper::ObservationNormalizer};

use super::{
    Trainer,
    checkpoint::{Checkpoint, POLICY},
    directory::{Provenance, RunDir, RunDirError},
};
use crate::{
    Agent, Error,
    config::{CheckedConfig, Config},
    policy::{ActorCritic, NetworkSpec, Observation, Policy},
    source::Source,
    storage::{
        Misfit,
        tensors::{self, Tensors, TensorsError},
        weights::{self, WeightsError},
    },
};

impl<P: Policy<Observation = Observation>, S: Source<P>> Trainer<P, S> {
    /// Returns an agent with the current policy and its observation normaliser.
    ///
    /// # Errors
    /// [`Error::NoEnvironment`] if the source does not act in an environment; any error of [`Agent::new`].
    pub fn agent(&self) -> Result<Agent<P>, Error> {
        let spec = self.source().environment().cloned().ok_or(Error::NoEnvironment)?;
        Agent::new(self.policy().clone(), spec, self.observation_normalizer().cloned())
    }
}

impl<P: Policy<Observation = Observation>> Agent<P> {
    /// Writes the agent to a run directory, whose settings must be [written](RunDir::write_config) before:
    /// `environment.json`, `normalizer.json` if observations are normalised, and `policy.safetensors` last, which also
    /// records these settings. So a directory with a policy also has the files that the policy needs.
    ///
    /// # Errors
    /// [`Error::RunDir`] if the settings cannot be read; [`Error::RunDir`] or [`Error::Weights`] if a file cannot be
    /// written.
    pub fn save(&self, dir: &RunDir) -> Result<(), Error> {
        save(dir, &dir.config()?, Some(self.spec()), self.normalizer(), self.policy())
    }

    /// Loads the agent of a run directory with a custom network: `blank` returns a network of the same shape, whose
    /// weights are replaced. The environment need not be registered. The settings are those that the policy was saved
    /// with; `config.toml` is not read, unless an earlier version saved the policy without settings.
    ///
    /// # Errors
    /// [`Error::RunDir`], [`Error::Config`], [`Error::Env`] or [`Error::Weights`] if the files cannot be read or do not
    /// belong together; any error of `blank` or [`new`](Self::new).
    pub fn open_with(
        dir: &RunDir,
        blank: impl FnOnce(&EnvSpec, &CheckedConfig) -> Result<P, Error>,
    ) -> Result<Self, Error> {
        open(dir, |spec, config, _| blank(spec, config))
    }

    /// Returns the agent of a checkpoint with a custom network, as [`open_with`](Self::open_with) does.
    ///
    /// # Errors
    /// [`Error::NoEnvironment`], [`Error::Config`], [`Error::Env`] or [`Error::Misfit`] if the parts of the checkpoint
    /// do not belong together; any error of `blank` or [`new`](Self::new).
    pub fn of_checkpoint_with(
        checkpoint: &Checkpoint,
        blank: impl FnOnce(&EnvSpec, &CheckedConfig) -> Result<P, Error>,
    ) -> Result<Self, Error> {
        of_checkpoint(checkpoint, |spec, config, _| blank(spec, config))
    }
}

impl Agent {
    /// Loads the agent of a run directory on `device`. The environment need not be registered. The settings are those
    /// that the policy was saved with, as in [`open_with`](Self::open_with).
    ///
    /// # Errors
    /// [`Error::RunDir`], [`Error::Config`], [`Error::Env`], [`Error::Space`] or [`Error::Weights`] if the files cannot
    /// be read or do not belong together.
    pub fn open(dir: &RunDir, device: &Device) -> Result<Self, Error> {
        let failed = |error| WeightsError::Content { path: dir.policy_path(), error };
        open(dir, |spec, config, saved| {
            let network = config.network()?;
            check_numbers(spec, &network, saved).map_err(failed)?;
            Ok(ActorCritic::blank(spec, &network, device)?)
        })
    }

    /// Returns the agent of a checkpoint on `device`. The environment need not be registered.
    ///
    /// # Errors
    /// [`Error::NoEnvironment`], [`Error::Config`], [`Error::Env`], [`Error::Space`] or [`Error::Misfit`] if the parts
    /// of the checkpoint do not belong together.
    pub fn of_checkpoint(checkpoint: &Checkpoint, device: &Device) -> Result<Self, Error> {
        of_checkpoint(checkpoint, |spec, config, saved| {
            let network = config.network()?;
            check_numbers(spec, &network, saved).map_err(Misfit::from)?;
            Ok(ActorCritic::blank(spec, &network, device)?)
        })
    }
}

/// Writes a policy that was trained with `config` to a run directory, after the other files of its agent. The files of
/// an earlier policy are removed first.
pub(super) fn save<P: Policy>(
    dir: &RunDir,
    config: &Config,
    spec: Option<&EnvSpec>,
    normalizer: Option<&ObservationNormalizer>,
    policy: &P,
) -> Result<(), Error> {
    dir.remove_outcome()?;
    if let Some(spec) = spec {
        dir.write_environment(spec)?;
    }
    if let Some(normalizer) = normalizer {
        dir.write_normalizer(normalizer)?;
    }
    let provenance = Provenance::of(dir, config)?;
    Ok(weights::save_with_note(policy, &dir.policy_path(), provenance.to_note())?)
}

/// Refuses networks that are larger than the saved ones, before they are allocated: a configuration may ask for any size.
fn check_numbers(spec: &EnvSpec, network: &NetworkSpec, saved: &Tensors) -> Result<(), TensorsError> {
    tensors::check_numbers(saved, network.footprint(spec, false).parameters())
}

fn open<P: Policy<Observation = Observation>>(
    dir: &RunDir,
    blank: impl FnOnce(&EnvSpec, &CheckedConfig, &Tensors) -> Result<P, Error>,
) -> Result<Agent<P>, Error> {
    let path = dir.policy_path();
    if !path.exists() {
        return Err(RunDirError::NoPolicy(dir.path().into()).into());
    }
    let provenance = Provenance::read(dir)?;
    let config = match &provenance {
        Some(provenance) => provenance.config(dir)?,
        None => dir.config()?,
    };
    let config = config.validate()?;
    let saved = weights::read(&path)?;
    let spec = dir.environment()?;
    let is_normalized = match &provenance {
        Some(provenance) => provenance.is_normalized(),
        None => config.env.normalize_observations || dir.has_normalizer(),
    };
    let normalizer = is_normalized.then(|| dir.normalizer()).transpose()?;
    // Checked after the files were read, because an error in a file says more than that the file has changed.
    provenance.iter().try_for_each(|provenance| provenance.check(dir))?;
    let failed = |error| WeightsError::Content { path: path.clone(), error };
    spec.check()?;
    let blank = blank(&spec, &config, &saved)?;
    let expected = weights::in_single_precision(&blank).map_err(failed)?;
    let policy = tensors::into_module(blank, saved, &expected).map_err(failed)?;
    Agent::new(policy, spec, normalizer)
}

fn of_checkpoint<P: Policy<Observation = Observation>>(
    checkpoint: &Checkpoint,
    blank: impl FnOnce(&EnvSpec, &CheckedConfig, &Tensors) -> Result<P, Error>,
) -> Result<Agent<P>, Error> {
    let config = checkpoint.config().clone().validate()?;
    let spec = checkpoint.environment().cloned().ok_or(Error::NoEnvironment)?;
    spec.check()?;
    let saved = checkpoint.part(POLICY);
    let blank = blank(&spec, &config, &saved)?;
    let policy = checkpoint.load_policy(blank)?;
    Agent::new(policy, spec, checkpoint.observation_normalizer().cloned())
}
