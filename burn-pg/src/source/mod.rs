//! Where experience comes from: acting, scoring, shaping rewards, bootstrapping and estimating advantages.
//!
//! A [`Source`] is one call: from a policy to [`Samples`] that are ready to learn from. Nothing behind it knows whether
//! they come from environments on the host ([`EnvSource`]), from a GPU, or from a language model.

mod batch;
mod columns;
mod env_source;
mod footprint;
mod host;
mod observations;
mod reference;
mod rollout;
mod samples;
pub(crate) mod streams;

use std::sync::LazyLock;

use burn::tensor::Device;
use burn_pg_envs::{
    EnvSpec,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

pub use columns::{Batch, Rollout};
pub use env_source::EnvSource;
pub(crate) use footprint::{EnvSourceShape, SavedSize, SourceFootprint};
pub use host::{Collector, History, RolloutLength, SequenceSpec};
pub(crate) use host::{RecurrentState, check_observations, default_block_size};
pub use observations::{Observations, observe};
pub use reference::Reference;
pub use samples::{Origins, Samples};

use crate::{
    Error,
    loss::ContextPart,
    policy::Policy,
    storage::{Misfit, Saved},
};

/// Where experience comes from.
///
/// One of your own needs the first three methods, and says in [`check`](Self::check) which optional parts its samples have. The others have defaults that fit a source without a critic, episodes,
/// normalisation or state of its own; [`save`](Self::save) refuses, so that nobody resumes from half a state.
pub trait Source<P: Policy>: Send {
    /// What is learnt from.
    type Samples: Samples<P>;

    /// Lets `policy`, which is without autodiff, act, and prepares what it did for an update.
    ///
    /// # Errors
    /// Any [`Error`]; what was collected is lost then.
    fn collect(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Experience<Self::Samples>, Error>;

    /// Steps taken so far: what `total_steps` counts.
    fn env_steps(&self) -> u64;

    /// Steps that one call of [`collect`](Self::collect) takes at most; `None` if there is no bound.
    fn longest_rollout(&self) -> Option<u64>;

    /// The name of what it samples from, for messages. Default: that of its type.
    fn name(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or_default().to_owned()
    }

    /// Checks that `policy`, which is without autodiff, fits the source. Returns the parts that the
    /// [context](crate::loss::LossContext) of samples will have beyond those that every context has: log-probabilities now and
    /// then, entropies and advantages. One with [`Values`](ContextPart::Values) has old values and returns as well. Default:
    /// none.
    ///
    /// # Errors
    /// [`Error::ActionMisfit`], [`Error::Prediction`] or [`Error::NoCritic`] if it does not fit.
    fn check(&self, _policy: &P) -> Result<Vec<ContextPart>, Error> {
        Ok(Vec::new())
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

    /// What observations are normalised with, if they are.
    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        None
    }

    /// The specification of the environment that the policy acts in, without wrappers. Default: there is none.
    fn environment(&self) -> Option<&EnvSpec> {
        None
    }

    /// Begins anew in an environment that has failed. Default: nothing is done.
    fn restart(&mut self, _env: usize) {}

    /// Everything that later samples depend on.
    ///
    /// # Errors
    /// [`Misfit`] if the state cannot be written. Default: [`Misfit::Unsaved`].
    fn save(&self) -> Result<Saved, Misfit> {
        Err(Misfit::Unsaved { what: self.name() })
    }

    /// Goes on where [`save`](Self::save) was called, with `policy`.
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
    /// The environment.
    pub env: usize,
    /// Sum of the rewards, without discount.
    pub episode_return: f64,
    /// Steps.
    pub length: u32,
}

/// What a source is told for one update.
#[derive(Debug, Clone, Copy)]
pub struct CollectContext<'a> {
    /// The update that the samples are for, counted from 1.
    pub update: u64,
    /// Share of training that is over, 0 to 1.
    pub progress: f64,
    /// Where samples go, with autodiff.
    pub device: &'a Device,
}

/// What a source has collected.
#[derive(Debug, Clone)]
pub struct Experience<S> {
    /// What is learnt from.
    pub samples: S,
    /// Share of the variance of the returns that the values explain, if there is a critic and the returns vary.
    pub explained_variance: Option<f64>,
    /// Further numbers to report of it.
    pub metrics: Vec<(&'static str, f64)>,
}

impl<S> Experience<S> {
    /// Samples, and nothing to report.
    #[must_use]
    pub fn new(samples: S) -> Self {
        Self { samples, explained_variance: None, metrics: Vec::new() }
    }
}
