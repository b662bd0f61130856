//! Environments as a source of samples.

use burn_pg_envs::{
    EnvSpec,
    wrapper::{EpisodeStats, ObservationNormalizer},
};
#[cfg(feature = "cube")]
use serde::{Deserialize, Serialize};

#[cfg(feature = "cube")]
use super::DeviceSource;
use super::{Batch, CollectContext, Collector, Episode, Experience, HostSource, OffDevice, Reference, Source};
use crate::{
    Error,
    advantage::AdvantageEstimator,
    loss::ContextPart,
    policy::{Observation, Policy},
    storage::{Misfit, Saved},
};

/// A source of samples from environments, wherever they run.
pub enum EnvSource<P> {
    /// On the host.
    Host(Box<HostSource<P>>),
    /// On a GPU.
    #[cfg(feature = "cube")]
    Device(Box<DeviceSource>),
}

impl<P: Policy<Observation = Observation>> EnvSource<P> {
    /// Creates a source of environments on the host, without a reference.
    #[must_use]
    pub fn new(collector: Collector, estimator: Box<dyn AdvantageEstimator>) -> Self {
        HostSource::new(collector, estimator).into()
    }

    /// Sets the reference policy. Default: none.
    ///
    /// # Panics
    /// If the environments are on a GPU.
    #[must_use]
    pub fn with_reference(self, reference: Option<Reference<P>>) -> Self {
        match self {
            Self::Host(source) => source.with_reference(reference).into(),
            #[cfg(feature = "cube")]
            Self::Device(_) => panic!("a source on a GPU has no reference policy"),
        }
    }

    /// Says how environments on a GPU are divided among its threads; `None` if they are on the host.
    #[must_use]
    pub fn layout(&self) -> Option<String> {
        match self {
            Self::Host(_) => None,
            #[cfg(feature = "cube")]
            Self::Device(source) => Some(source.layout()),
        }
    }

    /// Returns why the environments are on the host, if a recipe decided that; `None` if they are on a GPU.
    #[must_use]
    pub fn off_device(&self) -> Option<&OffDevice> {
        match self {
            Self::Host(source) => source.off_device(),
            #[cfg(feature = "cube")]
            Self::Device(_) => None,
        }
    }
}

impl<P> From<HostSource<P>> for EnvSource<P> {
    fn from(source: HostSource<P>) -> Self {
        Self::Host(Box::new(source))
    }
}

/// Calls a method of whichever source it is.
macro_rules! either {
    ($self:ident, $source:ident => $call:expr) => {
        match $self {
            EnvSource::Host($source) => $call,
            #[cfg(feature = "cube")]
            EnvSource::Device($source) => $call,
        }
    };
}

impl<P: Policy<Observation = Observation>> Source<P> for EnvSource<P> {
    type Samples = Batch;

    fn collect(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Experience<Batch>, Error> {
        either!(self, source => source.collect(policy, context))
    }

    fn check(&self, policy: &P) -> Result<Vec<ContextPart>, Error> {
        either!(self, source => source.check(policy))
    }

    fn env_steps(&self) -> u64 {
        either!(self, source => Source::<P>::env_steps(&**source))
    }

    fn longest_rollout(&self) -> Option<u64> {
        either!(self, source => Source::<P>::longest_rollout(&**source))
    }

    fn name(&self) -> String {
        either!(self, source => Source::<P>::name(&**source))
    }

    fn episodes(&self) -> &EpisodeStats {
        either!(self, source => Source::<P>::episodes(&**source))
    }

    fn ended_episodes(&self) -> &[Episode] {
        either!(self, source => Source::<P>::ended_episodes(&**source))
    }

    fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        either!(self, source => Source::<P>::observation_normalizer(&**source))
    }

    fn environment(&self) -> Option<&EnvSpec> {
        either!(self, source => Source::<P>::environment(&**source))
    }

    fn restart(&mut self, env: usize) {
        either!(self, source => Source::<P>::restart(&mut **source, env));
    }

    fn save(&self) -> Result<Saved, Misfit> {
        either!(self, source => Source::<P>::save(&**source))
    }

    /// If the environments of the saved state were elsewhere, new episodes begin.
    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit> {
        #[cfg(feature = "cube")]
        match (&mut *self, Elsewhere::of(&saved)?) {
            (Self::Host(source), Elsewhere { place: Some(_), steps: Some(steps), episodes, .. }) => {
                let env_steps = steps.saturating_mul(source.collector().num_envs() as u64);
                return source.collector_mut().go_on(env_steps, episodes);
            }
            (Self::Device(source), Elsewhere { place: None, env_steps: Some(env_steps), episodes, .. }) => {
                source.go_on(env_steps, episodes);
                return Ok(());
            }
            _ => {}
        }
        either!(self, source => source.load(saved, policy))
    }
}

/// What the saved states of environments on the host and on a GPU have in common.
#[cfg(feature = "cube")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Elsewhere {
    /// Only on a GPU.
    place: Option<String>,
    /// Of each environment; only on a GPU.
    steps: Option<u64>,
    /// Of all environments; only on the host.
    env_steps: Option<u64>,
    episodes: EpisodeStats,
}

#[cfg(feature = "cube")]
impl Elsewhere {
    fn of(saved: &Saved) -> Result<Self, Misfit> {
        saved.state()
    }
}
