//! Environments on the host as a source of samples.

use burn_pg_envs::{
    EnvSpec,
    wrapper::{EpisodeStats, ObservationNormalizer},
};

use super::{
    Collector,
    saved::{SavedCollector, check},
};
use crate::{
    Error,
    advantage::{AdvantageEstimator, Targets, explained_variance},
    loss::ContextPart,
    policy::{Observation, Policy},
    profile::{Phase, during},
    source::{
        Batch, CollectContext, Episode, Experience, OffDevice, Reference, Rollout, Source, ValueNormalizer,
        batch::Order,
    },
    storage::{Misfit, Saved, tensors},
};

/// A source of samples from environments on the host: a [`Collector`] that acts in them, an advantage estimator, and,
/// if the policy is to stay close to a reference policy, a [`Reference`]; if the critic is to learn normalised values, a
/// [`ValueNormalizer`].
pub struct HostSource<P> {
    collector: Collector,
    estimator: Box<dyn AdvantageEstimator>,
    reference: Option<Reference<P>>,
    values: Option<ValueNormalizer>,
    /// Specification without wrappers.
    spec: EnvSpec,
    off_device: Option<OffDevice>,
}

impl<P: Policy<Observation = Observation>> HostSource<P> {
    /// Creates a source without a reference, whose critic learns returns as they are.
    #[must_use]
    pub fn new(collector: Collector, estimator: Box<dyn AdvantageEstimator>) -> Self {
        Self { spec: collector.spec().clone(), collector, estimator, reference: None, values: None, off_device: None }
    }

    /// Sets the specification of the environments without their wrappers, which may normalise observations or transform
    /// actions. Default: the specification of the collector's environments.
    #[must_use]
    pub fn with_spec(self, spec: EnvSpec) -> Self {
        Self { spec, ..self }
    }

    /// Sets the reference policy. Default: none.
    #[must_use]
    pub fn with_reference(self, reference: Option<Reference<P>>) -> Self {
        Self { reference, ..self }
    }

    /// Sets the normaliser of the values that the critic learns. Default: none.
    #[must_use]
    pub fn with_value_normalizer(self, values: Option<ValueNormalizer>) -> Self {
        Self { values, ..self }
    }

    /// Returns the normaliser of the values that the critic learns, if there is one.
    #[must_use]
    pub fn value_normalizer(&self) -> Option<&ValueNormalizer> {
        self.values.as_ref()
    }

    /// Sets why the environments are not on a GPU. Default: none.
    #[must_use]
    pub(crate) fn with_off_device(self, reason: OffDevice) -> Self {
        Self { off_device: Some(reason), ..self }
    }

    /// Returns why the environments are not on a GPU, if a recipe decided that.
    #[must_use]
    pub fn off_device(&self) -> Option<&OffDevice> {
        self.off_device.as_ref()
    }

    /// The collector, to change its state.
    #[cfg(feature = "cube")]
    pub(in crate::source) fn collector_mut(&mut self) -> &mut Collector {
        &mut self.collector
    }

    /// The collector, which acts in the environments.
    #[must_use]
    pub fn collector(&self) -> &Collector {
        &self.collector
    }

    /// Collects a rollout, whose advantages and returns are then those of its rewards.
    fn prepare(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Prepared, Error> {
        let Self { collector, estimator, reference, values, .. } = self;
        let (update, env_steps) = (context.update, collector.env_steps());
        if let Err(error) = collector.collect(policy) {
            return Err(error.in_update(update, collector.env_steps()));
        }
        let rollout = collector.rollout_mut();
        let order = Order::of(rollout);
        let observations = during(Phase::Gather, || order.observations(rollout, context.device));
        if let Some(reference) = reference {
            // Before any check: the recurrent state of the reference must follow every rollout, even one that a check
            // refuses.
            let actions = order.actions(rollout, context.device);
            let log_probs = reference.log_probs_of_rollout(&observations, &actions, rollout.num_envs)?;
            rollout.reference_log_probs.clone_from(&rollout.log_probs);
            order.put_back(log_probs, &mut rollout.reference_log_probs);
        }
        if let Some(values) = values {
            rollout.denormalize_values(values);
        }
        rollout.check_rewards(update, env_steps)?;
        rollout.check_predictions(update)?;
        let mut metrics = Vec::new();
        if let Some(reference) = reference {
            rollout.check_reference(update)?;
            metrics.extend(shape_rewards(rollout, reference.kl_in_reward()));
            rollout.check_shaped_rewards(update)?;
        }
        let targets = during(Phase::Advantage, || estimator.estimate(&rollout.trajectory()));
        rollout.check_targets(&targets, update)?;
        let explained_variance = explained_by_values(rollout, &targets);
        rollout.set_targets(&targets);
        Ok(Prepared { order, observations, explained_variance, metrics })
    }
}

/// A rollout with advantages and returns, besides its rows.
struct Prepared {
    order: Order,
    observations: Observation,
    explained_variance: Option<f64>,
    metrics: Vec<(&'static str, f64)>,
}

/// Prefixes of the saved tensors of the reference and of the collector.
const PARTS: [&str; 2] = ["reference", "collector"];

impl<P: Policy<Observation = Observation>> Source<P> for HostSource<P> {
    type Samples = Batch;

    fn check(&self, policy: &P) -> Result<Vec<ContextPart>, Error> {
        let has_critic = self.collector.check(policy)?;
        if self.estimator.needs_values() && !has_critic {
            return Err(Error::NoCritic);
        }
        let mut parts = [&ContextPart::ALWAYS[..], &[ContextPart::Returns]].concat();
        parts.extend(has_critic.then_some([ContextPart::Values, ContextPart::OldValues]).into_iter().flatten());
        parts.extend(self.reference.is_some().then_some(ContextPart::ReferenceLogProbs));
        Ok(parts)
    }

    fn collect(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Experience<Batch>, Error> {
        let prepared = self.prepare(policy, context);
        let Self { collector, values, .. } = self;
        let ranks = collector.ranks.clone();
        let rollout = collector.rollout_mut();
        if let Some(values) = values {
            // Other ranks wait for the returns of this one, even if it has failed.
            values.update_over(&ranks, if prepared.is_ok() { rollout.learnt_returns() } else { Vec::new() });
        }
        let Prepared { order, observations, explained_variance, metrics } = prepared?;
        if let Some(values) = values {
            rollout.normalize_values(values);
        }
        let batch = during(Phase::Gather, || order.batch(rollout, observations, context.device));
        let samples = Batch { progress: context.progress, ..batch };
        Ok(Experience { samples, explained_variance, metrics })
    }

    delegate::delegate! {
        to self.collector {
            fn env_steps(&self) -> u64;
            fn longest_rollout(&self) -> Option<u64>;
            fn episodes(&self) -> &EpisodeStats;
            fn ended_episodes(&self) -> &[Episode];
            fn observation_normalizer(&self) -> Option<&ObservationNormalizer>;
            fn restart(&mut self, env: usize);
        }
    }

    fn name(&self) -> String {
        self.collector.spec().id.clone()
    }

    fn environment(&self) -> Option<&EnvSpec> {
        Some(&self.spec)
    }

    fn save(&self) -> Result<Saved, Misfit> {
        let (mut collector, of_collector) = self.collector.save()?;
        collector.values.clone_from(&self.values);
        let reference = self.reference.as_ref().map(|reference| reference.save(self.collector.num_envs()));
        let reference = reference.transpose()?.unwrap_or_default();
        let tensors = tensors::named(PARTS[0], reference).chain(tensors::named(PARTS[1], of_collector));
        Saved::new(&collector, tensors.collect())
    }

    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit> {
        let collector: SavedCollector = saved.state()?;
        let values = collector.values.clone();
        let found = values.iter().filter(|values| values.is_sound()).count();
        check("normalisers of values", found, usize::from(self.values.is_some()))?;
        let [of_reference, of_collector] = PARTS.map(|part| tensors::part(&saved.tensors, part));
        match &mut self.reference {
            None => tensors::check_fit(&of_reference, &tensors::Tensors::new())?,
            Some(reference) => reference.load(of_reference, self.collector.num_envs())?,
        }
        self.collector.load(collector, of_collector, policy.state_len())?;
        self.values = values;
        Ok(())
    }
}

/// Reduces the rewards by `beta` times the estimated KL divergence from the reference, and returns the mean of that
/// estimate as a metric, in nats per step. Does nothing if `beta` is 0.
fn shape_rewards(rollout: &mut Rollout, beta: f64) -> Option<(&'static str, f64)> {
    if beta <= 0.0 {
        return None;
    }
    let (mut total, mut steps) = (0.0, 0.0);
    let log_probs = rollout.log_probs.iter().zip(&rollout.reference_log_probs).zip(&rollout.valid);
    for (reward, ((&log_prob, &reference), &valid)) in rollout.rewards.iter_mut().zip(log_probs) {
        let divergence = f64::from(log_prob) - f64::from(reference);
        if valid {
            total += divergence;
            steps += 1.0;
        }
        #[allow(clippy::cast_possible_truncation)] // rewards are stored in single precision
        let shaped = (f64::from(*reward) - beta * divergence) as f32;
        *reward = shaped;
    }
    Some(("kl_in_reward", total / steps))
}

/// Share of the variance of the returns that the values explain, over the steps to learn from; `None` without a critic
/// or if all returns are equal.
fn explained_by_values(rollout: &Rollout, targets: &Targets) -> Option<f64> {
    let steps = rollout.values.iter().zip(&targets.returns).zip(&rollout.valid).filter(|(_, valid)| **valid);
    let (values, returns): (Vec<f32>, Vec<f64>) = steps.map(|((value, target), _)| (value, target)).unzip();
    explained_variance(&values, &returns)
}
