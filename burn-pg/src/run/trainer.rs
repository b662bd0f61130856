//! The loop: sample, improve, report.

use burn::tensor::Device;
use burn_pg_envs::wrapper::{EpisodeStats, ObservationNormalizer};

use super::{
    UpdateStats,
    metrics::{all_metrics, check_metrics},
    training::Timed,
};
use crate::{
    Error,
    config::{CheckedConfig, ConfigError},
    kernel::{has_kernels, threads::in_pool},
    policy::Policy,
    source::{CollectContext, EnvSource, Episode, Experience, Source},
    update::{Improved, Update, UpdateContext},
};

/// What a run is made of.
pub struct Parts<P, S: Source<P> = EnvSource<P>>
where
    P: Policy,
{
    /// The policy, on a device with autodiff.
    pub policy: P,
    /// Where experience comes from.
    pub source: S,
    /// How the policy gets better from it.
    pub update: Box<dyn Update<P, S::Samples>>,
}

/// A training run: its parts, and how far they have come.
pub struct Trainer<P, S: Source<P> = EnvSource<P>>
where
    P: Policy,
{
    pub(super) parts: Parts<P, S>,
    pub(super) config: CheckedConfig,
    /// With autodiff.
    device: Device,
    pub(super) update: u64,
    /// Updates given up.
    pub(super) faults: u64,
    pub(super) timed: Timed,
    /// Most steps of a rollout.
    longest_rollout: u64,
    /// The observation normaliser as of the last successful update; the one to use with the policy.
    pub(super) normalizer: Option<ObservationNormalizer>,
}

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// A run that has not begun, on `device`. The parts are checked against each other.
    ///
    /// # Errors
    /// What [`Source::check`] and [`Update::check`] say; [`Error::NoTimeLimit`] if nothing bounds the length of a
    /// rollout; [`Error::Config`] if `total_steps` may not be enough for one.
    pub fn new(parts: Parts<P, S>, config: &CheckedConfig, device: &Device) -> Result<Self, Error> {
        let given = parts.source.check(&parts.policy.valid())?;
        parts.update.check(&given)?;
        let Some(longest_rollout) = parts.source.longest_rollout() else {
            return Err(Error::NoTimeLimit { env: parts.source.name() });
        };
        if longest_rollout == 0 {
            return Err(Error::EmptyRollouts { name: parts.source.name() });
        }
        let total_steps = config.total_steps;
        if total_steps < longest_rollout {
            return Err(ConfigError::ShorterThanRollout { total_steps, longest: longest_rollout }.into());
        }
        Ok(Self {
            longest_rollout,
            normalizer: parts.source.observation_normalizer().cloned(),
            parts,
            config: config.clone(),
            device: device.clone().autodiff(),
            update: 0,
            faults: 0,
            timed: Timed::default(),
        })
    }

    /// The policy as it is now.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.parts.policy
    }

    /// Where experience comes from.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.parts.source
    }

    /// The settings of the run.
    #[must_use]
    pub fn config(&self) -> &CheckedConfig {
        &self.config
    }

    /// Updates begun so far: if one fails, it is counted.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.parts.source.env_steps()
    }

    /// Environment steps after which the run is over: `total_steps` in whole rollouts, rounded down, if each is as long
    /// as it may be.
    #[must_use]
    pub fn horizon(&self) -> u64 {
        self.config.total_steps - self.config.total_steps % self.longest_rollout
    }

    /// What observations are normalised with, if they are: the policy needs it. As the policy does, it stays as it was
    /// if an update fails, whatever was observed since.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.normalizer.as_ref()
    }

    /// Statistics of the episodes that have ended so far.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        self.parts.source.episodes()
    }

    /// The episodes that ended in the last update.
    #[must_use]
    pub fn ended_episodes(&self) -> &[Episode] {
        self.parts.source.ended_episodes()
    }

    /// Is there nothing left to do: is the configured number of steps or the configured return reached?
    #[must_use]
    pub fn is_over(&self) -> bool {
        // Never more steps than were asked for.
        self.env_steps() + self.longest_rollout > self.config.total_steps || self.reaches_target()
    }

    /// Have the last 100 episodes brought the return that was asked for?
    fn reaches_target(&self) -> bool {
        let (episodes, target) = (self.episodes(), self.config.target_return);
        episodes.count() >= 100 && target.zip(episodes.return_mean()).is_some_and(|(target, mean)| mean >= target)
    }

    /// One update: the policy acts, and is improved with what it did. (The time fields of the result are 0.)
    ///
    /// # Errors
    /// [`Error::EnvInUpdate`] if an environment fails; [`Error::Observation`], [`Error::Reward`], [`Error::Step`] or
    /// [`Error::NonFinite`] if an observation, a reward, another number of a step, or a metric is not finite;
    /// [`Error::Policy`] if the policy's output is not a distribution. The policy is unchanged then. It is undefined
    /// after an [`Error::Execution`], if the device fails.
    pub fn update(&mut self) -> Result<UpdateStats, Error> {
        match has_kernels(&self.device) {
            true => in_pool(|| self.update_once()),
            false => self.update_once(),
        }
    }

    fn update_once(&mut self) -> Result<UpdateStats, Error> {
        self.update += 1;
        let (update, progress) = (self.update, self.env_steps() as f64 / self.horizon() as f64);
        let Parts { policy, source, update: improver } = &mut self.parts;

        let context = CollectContext { update, progress, device: &self.device };
        let Experience { samples, explained_variance, metrics: of_source } =
            source.collect(&policy.valid(), &context)?;
        check_metrics(&of_source, update)?;
        let Improved { policy: better, metrics, epochs, learning_rate } =
            improver.improve(policy, samples, UpdateContext { update, progress })?;
        let losses = all_metrics(metrics, of_source)?;
        *policy = better;
        self.normalizer = source.observation_normalizer().cloned();

        let episodes = source.episodes();
        Ok(UpdateStats {
            update,
            env_steps: source.env_steps(),
            faults: self.faults,
            episodes: episodes.count(),
            episode_return_mean: episodes.return_mean(),
            episode_length_mean: episodes.length_mean(),
            learning_rate,
            epochs,
            explained_variance,
            losses,
            elapsed_seconds: 0.0,
            steps_per_second: 0.0,
        })
    }
}
