//! Sources of experience: they act, record rewards, bootstrap values and estimate advantages.
//!
//! A [`Source`] turns a policy into [`Samples`] that are ready to learn from, in one call. No later stage needs to know
//! whether they come from environments on the host ([`EnvSource`]), from a GPU, or from a language model.

mod batch;
mod columns;
#[cfg(feature = "cube")]
mod device;
mod env_source;
mod footprint;
mod host;
mod observations;
mod off_device;
mod reference;
mod rollout;
mod samples;
pub(crate) mod streams;
mod value_normalizer;

use std::sync::LazyLock;

use burn::tensor::Device;
use burn_pg_envs::{
    EnvSpec,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

pub use columns::{Batch, Rollout};
#[cfg(feature = "cube")]
pub(crate) use device::device_task;
#[cfg(feature = "cube")]
pub use device::{DeviceCheckError, DeviceDifference, DeviceEnvs, DeviceSource, check_device_env, register_device_env};
pub use env_source::EnvSource;
pub(crate) use footprint::{EnvSourceShape, SavedSize, SourceFootprint};
pub use host::{Collector, History, HostSource, RolloutLength, SequenceSpec};
pub(crate) use host::{RecurrentState, check_observations, copy::copy_on_host, default_block_size, step_envs};
pub use observations::{Observations, observe};
pub use off_device::OffDevice;
pub use reference::Reference;
pub use samples::{FlatSamples, Origins, Samples};
pub use value_normalizer::ValueNormalizer;

use crate::{
    Error,
    loss::ContextPart,
    policy::Policy,
    storage::{Misfit, Saved},
};

/// A source of experience.
///
/// A source of your own needs the first three methods. If its samples have optional parts, [`check`](Self::check) must
/// return them. The defaults of the other methods fit a source without a critic, episodes, normalisation or state of
/// its own; the default of [`save`](Self::save) is an error, so that no run resumes from an incomplete state.
pub trait Source<P: Policy>: Send {
    /// The samples to learn from.
    type Samples: Samples<P>;

    /// Collects experience with `policy`, which must be without autodiff, and prepares it for an update.
    ///
    /// # Errors
    /// Any [`Error`]. The samples collected so far are then lost.
    fn collect(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Experience<Self::Samples>, Error>;

    /// Environment steps taken so far: the number that `total_steps` limits.
    fn env_steps(&self) -> u64;

    /// Most steps that one call of [`collect`](Self::collect) takes; `None` if there is no bound.
    fn longest_rollout(&self) -> Option<u64>;

    /// The name of the source in messages. Default: the name of its type.
    fn name(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or_default().to_owned()
    }

    /// Checks that `policy`, which must be without autodiff, fits the source. Returns the parts that the
    /// [context](crate::loss::LossContext) of its samples will have. Default: [`ContextPart::ALWAYS`].
    ///
    /// # Errors
    /// [`Error::ActionMisfit`], [`Error::Prediction`] or [`Error::NoCritic`] if it does not fit.
    fn check(&self, _policy: &P) -> Result<Vec<ContextPart>, Error> {
        Ok(ContextPart::ALWAYS.to_vec())
    }

    /// Statistics of the episodes that have ended so far. Default: none.
    fn episodes(&self) -> &EpisodeStats {
        static NONE: LazyLock<EpisodeStats> = LazyLock::new(EpisodeStats::default);
        &NONE
    }

    /// The episodes that ended in the last call of [`collect`](Self::collect). Default: none.
    fn ended_episodes(&self) -> &[Episode] {
        &[]
    }

    /// The normaliser of the observations, if they are normalised. Default: none.
    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        None
    }

    /// The specification, without wrappers, of the environment that the policy acts in. Default: none.
    fn environment(&self) -> Option<&EnvSpec> {
        None
    }

    /// Restarts an environment that has failed. Default: does nothing.
    fn restart(&mut self, _env: usize) {}

    /// Returns everything that later samples depend on.
    ///
    /// # Errors
    /// [`Misfit`] if the state cannot be written. Default: [`Misfit::Unsaved`].
    fn save(&self) -> Result<Saved, Misfit> {
        Err(Misfit::Unsaved { what: self.name() })
    }

    /// Restores the state that [`save`](Self::save) returned, to continue with `policy`.
    ///
    /// # Errors
    /// [`Misfit`] if it is the state of another source. Default: [`Misfit::Unsaved`].
    fn load(&mut self, _saved: Saved, _policy: &P) -> Result<(), Misfit> {
        Err(Misfit::Unsaved { what: self.name() })
    }
}

/// An episode that has ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Episode {
    /// Index of the environment.
    pub env: usize,
    /// Sum of the rewards, without discount.
    pub episode_return: f64,
    /// Number of steps.
    pub length: u32,
}

/// The progress of a run, and the device for the samples, as a source needs them to collect samples for one update.
#[derive(Debug, Clone, Copy)]
pub struct CollectContext<'a> {
    /// The update that the samples are for, counted from 1.
    pub update: u64,
    /// Share of training that is over, 0 to 1.
    pub progress: f64,
    /// The device of the samples, with autodiff.
    pub device: &'a Device,
}

/// The result of [`Source::collect`].
#[derive(Debug, Clone)]
pub struct Experience<S> {
    /// The samples to learn from.
    pub samples: S,
    /// Share of the variance of the returns that the values explain; none without a critic or if all returns are equal.
    pub explained_variance: Option<f64>,
    /// Further metrics to report, by name.
    pub metrics: Vec<(&'static str, f64)>,
}

impl<S> Experience<S> {
    /// Creates an experience of `samples` without metrics.
    #[must_use]
    pub fn new(samples: S) -> Self {
        Self { samples, explained_variance: None, metrics: Vec::new() }
    }

    /// Returns those of the `announced` parts that the samples have.
    pub(crate) fn parts<P: Policy>(&self, announced: &[ContextPart]) -> Vec<ContextPart>
    where
        S: Samples<P>,
    {
        announced.iter().copied().filter(|&part| !self.samples.lacks(part)).collect()
    }

    /// Checks that there is something to learn from, and that all metrics are finite.
    pub(crate) fn check<P: Policy>(&self, update: u64, name: &str) -> Result<(), Error>
    where
        S: Samples<P>,
    {
        let (rows, mass) = (self.samples.num_rows(), self.samples.mass());
        if rows == 0 || !(mass.is_finite() && mass > 0.0) {
            return Err(Error::NoSamples { update, name: name.to_owned(), rows, mass });
        }
        match self.metrics.iter().find(|(_, value)| !value.is_finite()) {
            Some(&(metric, value)) => Err(Error::NonFinite { update, metric, value, term: None, env: None }),
            None => Ok(()),
        }
    }
}
