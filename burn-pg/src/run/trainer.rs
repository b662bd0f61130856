//! The training loop: collect samples, improve the policy, report.

use burn::tensor::Device;
use burn_pg_envs::wrapper::{EpisodeStats, ObservationNormalizer};

use super::{
    UpdateStats,
    ahead::{Ahead, Seen},
    metrics::all_metrics,
};
use crate::{
    Error,
    config::{CheckedConfig, ConfigError},
    kernel::run_on,
    loss::ContextPart,
    optim::count_parameters,
    policy::Policy,
    ranks::Ranks,
    source::{EnvSource, Episode, Experience, Source},
    update::{Improved, Unfused, Update, UpdateContext},
};

/// The parts of a run.
pub struct Parts<P, S: Source<P> = EnvSource<P>>
where
    P: Policy,
{
    /// The policy, on a device with autodiff. See [`seeded`](crate::algorithm::seeded).
    pub policy: P,
    /// The source of experience.
    pub source: S,
    /// How the policy is improved from that experience.
    pub update: Box<dyn Update<P, S::Samples>>,
}

/// A training run: its parts and its progress.
pub struct Trainer<P, S: Source<P> = EnvSource<P>>
where
    P: Policy,
{
    pub(super) parts: Parts<P, S>,
    pub(super) config: CheckedConfig,
    /// With autodiff.
    device: Device,
    pub(super) update: u64,
    /// Updates skipped after a fault.
    pub(super) faults: u64,
    /// Environment steps that were timed, and their time in seconds.
    pub(super) timed_steps: u64,
    pub(super) timed_seconds: f64,
    /// The parts of a context that the source announced.
    announced: Vec<ContextPart>,
    /// Maximum number of steps of a rollout.
    pub(super) longest_rollout: u64,
    /// The observation normaliser as of the last successful update; the one to use with the policy.
    pub(super) normalizer: Option<ObservationNormalizer>,
    pub(super) init_from: Option<String>,
    unfused: Option<Unfused>,
    /// What the source had at the end of the rollout for the last update.
    pub(super) seen: Seen,
    /// The rollout for the next update, if it has been collected.
    pub(super) ahead: Option<Ahead<P, S::Samples>>,
    /// The policy that collects the next rollout, if it is not the current one.
    pub(super) behind: Option<P>,
    pub(super) ranks: Ranks,
}

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Creates a run on `device` that has not started. Checks that the parts fit each other.
    ///
    /// # Errors
    /// Any error of [`Source::check`] or [`Update::check`]; [`Error::NoTimeLimit`] if the length of a rollout has no
    /// bound; [`Error::EmptyRollouts`] if it is 0; [`Error::Untrainable`] if the policy has no trainable parameters; [`Error::Config`] if `total_steps` is less than the longest rollout.
    pub fn new(parts: Parts<P, S>, config: &CheckedConfig, device: &Device) -> Result<Self, Error> {
        if count_parameters(&parts.policy) == 0 {
            return Err(Error::Untrainable);
        }
        let announced = parts.source.check(&parts.policy.valid())?;
        parts.update.check(&announced)?;
        let longest_rollout = match parts.source.longest_rollout() {
            None => return Err(Error::NoTimeLimit { env: parts.source.name() }),
            Some(0) => return Err(Error::EmptyRollouts { name: parts.source.name() }),
            Some(longest) => longest,
        };
        let total_steps = config.run.total_steps;
        if total_steps < longest_rollout {
            return Err(ConfigError::ShorterThanRollout { total_steps, longest: longest_rollout }.into());
        }
        Ok(Self {
            announced,
            longest_rollout,
            normalizer: parts.source.observation_normalizer().cloned(),
            seen: Seen::of(&parts.source),
            ahead: None,
            behind: None,
            ranks: Ranks::default(),
            parts,
            config: config.clone(),
            device: device.clone().autodiff(),
            update: 0,
            faults: 0,
            timed_steps: 0,
            timed_seconds: 0.0,
            init_from: None,
            unfused: None,
        })
    }

    /// Returns the current policy.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.parts.policy
    }

    /// Returns the source of experience.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.parts.source
    }

    /// Returns the settings of the run.
    #[must_use]
    pub fn config(&self) -> &CheckedConfig {
        &self.config
    }

    /// Returns the number of updates started so far, failed ones included.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Returns the number of environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.seen.env_steps
    }

    /// Returns the observation normaliser to use with the policy, if observations are normalised. Like the policy, it
    /// is not changed by an update that fails.
    #[must_use]
    pub fn observation_normalizer(&self) -> Option<&ObservationNormalizer> {
        self.normalizer.as_ref()
    }

    /// Returns why the minibatches of the last update went through tensors, if they did.
    #[must_use]
    pub fn unfused(&self) -> Option<Unfused> {
        self.unfused
    }

    /// Returns statistics of the episodes that have ended so far.
    #[must_use]
    pub fn episodes(&self) -> &EpisodeStats {
        &self.seen.episodes
    }

    /// Returns the episodes that ended in the last update.
    #[must_use]
    pub fn ended_episodes(&self) -> &[Episode] {
        &self.seen.ended
    }

    /// Runs one update: collects experience with the policy and improves the policy from it. The time fields of the
    /// result are 0.
    ///
    /// # Errors
    /// [`Error::EnvInUpdate`] if an environment fails; [`Error::Observation`], [`Error::ImageValue`],
    /// [`Error::Reward`], [`Error::Step`] or [`Error::NonFinite`] if an observation, a reward, another quantity of a
    /// step, or a metric is invalid; [`Error::Objective`] if samples lack a part that a term needs; [`Error::Policy`]
    /// if the policy's output is not a distribution; [`Error::MetricName`] if two metrics have the same name. On these
    /// errors the policy is unchanged. After [`Error::Execution`] (device failure) it is undefined.
    pub fn update(&mut self) -> Result<UpdateStats, Error> {
        let device = self.device.clone();
        run_on(&device, || self.update_once())
    }

    fn update_once(&mut self) -> Result<UpdateStats, Error> {
        self.update += 1;
        let progress = self.env_steps() as f64 / self.horizon() as f64;
        let context = UpdateContext { update: self.update, progress };
        let experience = self.next_experience(context);
        let experience = self.agreed(experience)?;
        experience.check::<P>(self.update, &self.parts.source.name())?;
        self.parts.update.check(&experience.parts::<P>(&self.announced))?;
        let Experience { samples, explained_variance, metrics: of_source } = experience;
        let Improved { policy, metrics, epochs, learning_rate, unfused } = self.improve(samples, context)?;
        let losses = all_metrics(metrics, of_source)?;
        self.parts.policy = policy;
        self.unfused = unfused;
        self.normalizer.clone_from(&self.seen.normalizer);

        let episodes = &self.seen.episodes;
        Ok(UpdateStats {
            update: self.update,
            env_steps: self.seen.env_steps,
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

    /// Returns the rollout that was collected during the last update, or collects one.
    fn next_experience(&mut self, context: UpdateContext) -> Result<Experience<S::Samples>, Error> {
        let (experience, seen) = match self.ahead.take() {
            Some(Ahead { experience, seen, .. }) => (experience, seen),
            None => {
                let Parts { policy, source, .. } = &mut self.parts;
                let policy = self.behind.take().unwrap_or_else(|| policy.clone());
                let experience = source.collect(&policy.valid(), &context.collecting(&self.device));
                (experience, Seen::of(source))
            }
        };
        self.seen = seen;
        experience
    }

    /// Improves the policy. If rollouts overlap with updates, also collects the rollout for the next update, if there will
    /// be one.
    fn improve(&mut self, samples: S::Samples, context: UpdateContext) -> Result<Improved<P>, Error> {
        if !self.config.rollout.overlap || self.is_over() {
            return self.parts.update.improve(&self.parts.policy, samples, context);
        }
        let progress = self.env_steps() as f64 / self.horizon() as f64;
        let next = UpdateContext { update: context.update + 1, progress };
        let Parts { policy, source, update } = &mut self.parts;
        let improve = || update.improve(policy, samples, context);
        let (ahead, improved) =
            Ahead::during(source, policy.clone(), &next.collecting(&self.device), &self.device, improve);
        self.ahead = Some(ahead);
        improved
    }
}
