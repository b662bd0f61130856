//! The loop: sample, estimate, climb.

mod remedy;
mod resume;

use std::{ops::ControlFlow, time::Instant};

use burn::tensor::Device;
use burn_pg_envs::{
    EnvRng,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

use crate::{
    Error, Observer, UpdateStats,
    advantage::{AdvantageEstimator, Targets},
    config::{CheckedConfig, ConfigError},
    explained_variance,
    kernel::{has_kernels, threads::in_pool},
    loss::ContextPart,
    optim::{Schedule, flatten_parameters},
    policy::{Observation, Policy},
    profile::{Phase, during},
    source::{Batch, Collector, Rollout, streams},
    update::{blame::blame, learner::Learner, metric_log::MetricLog, trust_region::TrustRegion},
};
use remedy::Remedy;

/// The parts that an algorithm is made of.
pub struct Parts<P> {
    /// Acts in the environments.
    pub collector: Collector,
    /// Says how good the actions were.
    pub estimator: Box<dyn AdvantageEstimator>,
    /// The networks, and what improves them.
    pub learner: Learner<P>,
    /// A policy that is not trained, on a device with autodiff, for terms that keep near it.
    /// ([`Recipe`](crate::algorithm::Recipe) takes the policy at the start of the run, if there are such terms.)
    pub reference: Option<P>,
    /// The policy's own step before those of the learner, if it has one; the learner is then left with the critic.
    pub trust_region: Option<TrustRegion>,
    /// Size of the steps of the learner.
    pub learning_rate: Schedule,
}

/// A training run: parts, and how far they have come.
pub struct Trainer<P> {
    parts: Parts<P>,
    config: CheckedConfig,
    /// With autodiff.
    device: Device,
    shuffle: EnvRng,
    update: u64,
    /// Updates given up.
    faults: u64,
    timed: Timed,
    /// Most steps of a rollout.
    longest_rollout: u64,
    /// That of the environments, as it was when the policy became what it is.
    normalizer: Option<ObservationNormalizer>,
}

/// Environment steps whose time was taken, and how long they took.
#[derive(Debug, Clone, Copy, Default)]
struct Timed {
    steps: u64,
    seconds: f64,
}

impl<P: Policy<Observation = Observation>> Trainer<P> {
    /// A run that has not begun. The parts are checked against each other.
    ///
    /// # Errors
    /// [`Error::ActionMisfit`] or [`Error::Prediction`] if the policy is not one for the environments,
    /// [`Error::Objective`] or [`Error::NoCritic`] if a term of an objective or the estimator needs what is not there;
    /// [`Error::NoTimeLimit`] if rollouts are of whole episodes, and nothing ends these; [`Error::Config`] if
    /// `total_steps` may not be enough for one rollout.
    pub fn new(parts: Parts<P>, config: &CheckedConfig, device: &Device) -> Result<Self, Error> {
        let Parts { collector, estimator, learner, reference, trust_region, .. } = &parts;
        let has_critic = collector.check(&learner.policy.valid())?;
        let parts_there = [(ContextPart::Values, has_critic), (ContextPart::ReferenceLogProbs, reference.is_some())];
        let given: Vec<ContextPart> =
            parts_there.into_iter().filter(|(_, there)| *there).map(|(part, _)| part).collect();
        learner.objective.check_needs(&given)?;
        if let Some(region) = trust_region {
            let given: Vec<ContextPart> = given.into_iter().filter(|&part| part != ContextPart::Values).collect();
            region.objective.check_needs(&given)?;
        }
        if estimator.needs_values() && !has_critic {
            return Err(Error::NoCritic);
        }
        let Some(longest_rollout) = collector.longest_rollout() else {
            return Err(Error::NoTimeLimit { env: collector.spec().id.clone() });
        };
        let total_steps = config.total_steps;
        if total_steps < longest_rollout {
            return Err(ConfigError::ShorterThanRollout { total_steps, longest: longest_rollout }.into());
        }
        Ok(Self {
            longest_rollout,
            normalizer: collector.observation_normalizer().cloned(),
            parts,
            config: config.clone(),
            device: device.clone().autodiff(),
            shuffle: streams::shuffle(config.seed),
            update: 0,
            faults: 0,
            timed: Timed::default(),
        })
    }

    /// The policy as it is now.
    #[must_use]
    pub fn policy(&self) -> &P {
        &self.parts.learner.policy
    }

    /// Updates begun so far: if one fails, it is counted.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.update
    }

    /// Environment steps taken so far.
    #[must_use]
    pub fn env_steps(&self) -> u64 {
        self.parts.collector.env_steps()
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
        self.parts.collector.episodes()
    }

    /// Updates given up so far, because of faults that the configuration lets pass.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Seconds that the run has taken so far, in all processes.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.timed.seconds
    }

    /// Is there nothing left to do: is the configured number of steps or the configured return reached?
    #[must_use]
    pub fn is_over(&self) -> bool {
        // Never more steps than were asked for.
        self.env_steps() + self.longest_rollout > self.config.total_steps || self.reaches_target()
    }

    /// Trains until the configured number of steps or the configured return is reached, or `observer` breaks off.
    ///
    /// # Errors
    /// See [`update`](Self::update); [`Error::Faults`] if more updates fail than the configuration lets pass.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.run_with(|_, outcome| match outcome {
            Ok(stats) => observer.on_update(stats),
            Err(fault) => observer.on_fault(fault),
        })
    }

    /// [`run`](Self::run), for those who look at the run itself between two updates, to save it for example: `each` gets it with
    /// what an update did, or with the fault for which it was given up.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with(
        &mut self,
        mut each: impl FnMut(&Self, Result<&UpdateStats, &Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (start, steps_before, before) = (Instant::now(), self.env_steps(), self.timed);
        while !self.is_over() {
            let outcome = self.update();
            self.timed.seconds = before.seconds + start.elapsed().as_secs_f64();
            self.timed.steps = before.steps + (self.env_steps() - steps_before);
            let flow = match outcome {
                Ok(mut stats) => {
                    stats.elapsed_seconds = self.timed.seconds;
                    stats.steps_per_second = self.timed.steps as f64 / self.timed.seconds;
                    each(self, Ok(&stats))
                }
                Err(error) => {
                    let fault = self.survive(error)?;
                    each(self, Err(&fault))
                }
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Makes ready to go on after an update that failed, if the configuration lets that pass; or gives the error back.
    fn survive(&mut self, error: Error) -> Result<Error, Error> {
        let Some(remedy) = Remedy::of(&error, &self.config.faults) else { return Err(error) };
        let limit = self.config.faults.limit;
        if self.faults >= limit {
            return Err(if limit == 0 { error } else { Error::Faults { limit, source: Box::new(error) } });
        }
        self.faults += 1;
        if let Remedy::Restart { env } = remedy {
            self.parts.collector.restart(env);
        }
        Ok(error)
    }

    /// Have the last episodes brought in the return that was asked for?
    fn reaches_target(&self) -> bool {
        let (episodes, target) = (self.episodes(), self.config.target_return);
        episodes.count() >= 100 && target.zip(episodes.return_mean()).is_some_and(|(target, mean)| mean >= target)
    }

    /// One update: a rollout, the step within the trust region if there is one, and several epochs of minibatches. (The
    /// time fields of the result are 0.)
    ///
    /// # Errors
    /// [`Error::EnvInUpdate`] if an environment fails; [`Error::Observation`], [`Error::Reward`], [`Error::Step`] or
    /// [`Error::NonFinite`] if an observation, a reward, another number of a step, or a metric is not finite;
    /// [`Error::Policy`] if the policy's output is not a distribution. The weights are then as they were. So they are
    /// not after an [`Error::Execution`], if the device fails.
    pub fn update(&mut self) -> Result<UpdateStats, Error> {
        match has_kernels(&self.device) {
            true => in_pool(|| self.update_once()),
            false => self.update_once(),
        }
    }

    fn update_once(&mut self) -> Result<UpdateStats, Error> {
        self.update += 1;
        let horizon = self.horizon();
        let Parts { collector, estimator, learner, reference, trust_region, learning_rate } = &mut self.parts;
        let env_steps = collector.env_steps();
        let progress = env_steps as f64 / horizon as f64;
        let learning_rate = learning_rate.at(progress);
        let rollout = match collector.collect(&learner.policy.valid()) {
            Ok(rollout) => rollout,
            Err(error) => return Err(error.in_update(self.update, collector.env_steps())),
        };
        rollout.check_rewards(self.update, env_steps)?;
        rollout.check_predictions(self.update)?;
        let targets = during(Phase::Advantage, || estimator.estimate(&rollout.trajectory()));
        rollout.check_targets(&targets, self.update)?;
        let explained_variance = explained_by_values(rollout, &targets);
        let batch = during(Phase::Gather, || Batch::new(rollout, &targets, &self.device));
        let batch = Batch { progress, ..batch };
        let batch = match reference {
            None => batch,
            Some(reference) => batch.with_reference(reference),
        };
        let minibatch_size = batch.num_rows().div_ceil(self.config.num_minibatches);

        let (mut log, mut epochs) = (MetricLog::default(), 0);
        let before = learner.snapshot();
        if let Some(region) = trust_region {
            let (policy, metrics) = region.step(learner.policy.clone(), batch.clone())?;
            learner.policy = policy;
            log.push(metrics);
        }
        while epochs < self.config.num_epochs && !moved_too_far(&log, self.config.target_kl)? {
            let batch = during(Phase::Gather, || batch.shuffled(&mut self.shuffle));
            for minibatch in batch.minibatches(minibatch_size) {
                log.push(learner.step(minibatch, learning_rate));
            }
            epochs += 1;
        }

        let losses = match log.read_means(self.update, flatten_parameters(&learner.policy).inner()) {
            Ok(losses) => losses,
            Err(error) => {
                learner.restore(before)?;
                let size = learner.micro_batch_size.map_or(minibatch_size, |size| size.min(minibatch_size));
                return Err(blame(error, learner, trust_region.as_ref(), &batch, &Batch::envs(rollout), size));
            }
        };
        learner.objective.after_update(&losses);
        if let Some(region) = trust_region {
            region.objective.after_update(&losses);
        }
        self.normalizer = collector.observation_normalizer().cloned();
        Ok(UpdateStats {
            update: self.update,
            env_steps: collector.env_steps(),
            faults: self.faults,
            episodes: collector.episodes().count(),
            episode_return_mean: collector.episodes().return_mean(),
            episode_length_mean: collector.episodes().length_mean(),
            learning_rate,
            epochs,
            explained_variance,
            losses,
            elapsed_seconds: 0.0,
            steps_per_second: 0.0,
        })
    }
}

/// How well the values explain the returns, of the steps to learn from; `None` without a critic too.
fn explained_by_values(rollout: &Rollout, targets: &Targets) -> Option<f64> {
    let steps = rollout.values.iter().zip(&targets.returns).zip(&rollout.valid).filter(|(_, valid)| **valid);
    let (values, returns): (Vec<f32>, Vec<f64>) = steps.map(|((value, target), _)| (value, target)).unzip();
    explained_variance(&values, &returns)
}

/// Has the last minibatch found the policy further from the one that took the actions than `target_kl`? Looks at the
/// device only if there is a target.
fn moved_too_far(log: &MetricLog, target_kl: f64) -> Result<bool, Error> {
    if target_kl.is_infinite() {
        return Ok(false);
    }
    Ok(log.last("approx_kl")?.is_some_and(|kl| kl > target_kl))
}
