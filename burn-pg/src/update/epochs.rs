//! Epochs of minibatches.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use burn_pg_envs::EnvRng;
use serde::{Deserialize, Serialize};

use super::{
    Improved, Learner, Update, UpdateContext,
    attribute::attribute,
    fused::{DevicePasses, Form, Step, Trained},
    metric_log::MetricLog,
    pass_rate::PassRate,
};
use crate::{
    Error,
    loss::{ContextPart, Objective, ObjectiveState},
    optim::{LearningRate, OptimiserState, flatten_parameters, replace_parameters},
    policy::Policy,
    profile::{Phase, during},
    ranks::Share,
    source::Samples,
    storage::{
        Misfit, Saved,
        tensors::{self, Tensors, TensorsError},
    },
};

/// Largest number of samples that are searched at once for the one that made a fused minibatch fail.
const SEARCHED: usize = 1024;

/// Several passes over the samples, each in a new random order. Each minibatch of a pass is one step of a [`Learner`].
pub struct Epochs {
    /// Takes the step on each minibatch.
    pub learner: Learner,
    /// Learning rate of the steps. If it is adapted to the KL divergence, a term must report `approx_kl`; else it stays as
    /// it is.
    pub learning_rate: LearningRate,
    /// The learning rate after the last pass, if it is adapted to the KL divergence; `None` before the first pass.
    pub adapted: Option<f64>,
    /// Number of passes over the samples, at least 1.
    pub num_epochs: usize,
    /// Number of minibatches in a pass, at least 1.
    pub num_minibatches: usize,
    /// Early stopping: no further pass begins if `approx_kl` of the last minibatch, the KL divergence from the policy
    /// that took the actions, is above this value. Infinite for no early stopping.
    pub target_kl: f64,
    /// Random generator that shuffles the samples.
    pub shuffle: EnvRng,
}

impl Epochs {
    /// Creates an update that takes a single step on all samples.
    #[must_use]
    pub fn once(learner: Learner, learning_rate: impl Into<LearningRate>) -> Self {
        let (learning_rate, shuffle) = (learning_rate.into(), EnvRng::new(0));
        Self {
            learner,
            learning_rate,
            adapted: None,
            num_epochs: 1,
            num_minibatches: 1,
            target_kl: f64::INFINITY,
            shuffle,
        }
    }

    /// Makes all passes; `log` contains the metrics of the steps before them. On error, the optimiser has its state
    /// from before the passes.
    pub(super) fn passes<P: Policy, S: Samples<P>>(
        &mut self,
        mut policy: P,
        samples: &S,
        context: UpdateContext,
        mut log: MetricLog,
    ) -> Result<Improved<P>, Error> {
        let before = self.learner.optimiser.state();
        let share = self.share(samples)?;
        let mut rate = PassRate::new(self.learning_rate, context.progress, self.adapted, &log);
        let (mut epochs, mut unfused) = (0, None);
        match self.learner.fuse(&policy, samples) {
            Ok(Form::Host(mut fused)) => {
                let (mut outcome, rows) = (Ok(0), samples.num_rows());
                fused.train(&mut |step| {
                    outcome = self.fused_passes(step, rows, share.as_ref(), &mut rate, &mut log);
                });
                epochs = outcome?;
                let (parameters, state) = fused.finish();
                self.learner.optimiser.set_state(state)?;
                policy = replace_parameters(policy, parameters);
            }
            Ok(Form::Device(mut fused)) => {
                let at_once = if rate.is_adapted() { 1 } else { self.num_epochs };
                loop {
                    let passes = self.device_passes(at_once, rate.begin());
                    let Trained { parameters, state, metrics, epochs: made } =
                        during(Phase::Minibatch, || fused.train(&passes))?;
                    for metrics in metrics {
                        log.push_from_host(metrics);
                    }
                    epochs += made;
                    self.learner.optimiser.set_state(state)?;
                    policy = replace_parameters(policy, parameters);
                    rate.end(&log)?;
                    // Several passes at once end early by themselves.
                    if at_once > 1 || epochs == self.num_epochs || exceeds_target_kl(&log, self.target_kl)? {
                        break;
                    }
                    let Ok(Form::Device(next)) = self.learner.fuse(&policy, samples) else {
                        unreachable!("kernels that served the last pass serve the next one")
                    };
                    fused = next;
                }
                log.set_weights_checked();
            }
            Err(reason) => {
                unfused = Some(reason);
                let own = samples.num_rows() / samples.unit();
                let units = share.as_ref().map_or(own, |share| share.total);
                let size = self.minibatch_size(units * samples.unit());
                while let Some(order) = self.next_order(epochs, units, &log)? {
                    let learning_rate = rate.begin();
                    let mut step = |minibatch, counts| {
                        let (after, metrics) = self.learner.step_by_autodiff(&policy, minibatch, counts, learning_rate);
                        policy = after;
                        log.push(metrics);
                    };
                    match &share {
                        None => during(Phase::Gather, || samples.select(&order))
                            .minibatches(size)
                            .for_each(|minibatch| step(minibatch, true)),
                        Some(share) => order.chunks(size.div_ceil(samples.unit())).for_each(|units| {
                            let own = share.of(units);
                            let selected = if own.is_empty() { &[0][..] } else { &own };
                            step(during(Phase::Gather, || samples.select(selected)), !own.is_empty());
                        }),
                    }
                    rate.end(&log)?;
                    epochs += 1;
                }
            }
        }
        self.learner.ranks.check()?;
        match log.read_means(context.update, flatten_parameters(&policy)) {
            Err(error) => {
                self.learner.optimiser.set_state(before)?;
                Err(error)
            }
            Ok(metrics) => {
                self.learner.objective.after_update(&metrics);
                self.adapted = rate.adapted();
                Ok(Improved { policy, metrics, epochs, learning_rate: rate.current, unfused })
            }
        }
    }

    /// Returns `passes` passes that kernels make on a GPU.
    fn device_passes(&mut self, passes: usize, learning_rate: f64) -> DevicePasses {
        // A seed of 0 would keep the samples in their order.
        let mut seed = |_| self.shuffle.below(u32::MAX) + 1;
        let seeds = (0..passes).map(&mut seed).collect();
        DevicePasses { seeds, minibatches: self.num_minibatches, learning_rate, target_kl: self.target_kl }
    }

    /// Returns which samples of all ranks are those of this one; `None` if it is the only one.
    fn share<P: Policy, S: Samples<P>>(&self, samples: &S) -> Result<Option<Share>, Error> {
        let ranks = &self.learner.ranks;
        if ranks.is_alone() {
            return Ok(None);
        }
        let share = Share::new(ranks, samples.num_rows() / samples.unit(), samples.in_turn());
        ranks.check()?;
        Ok(share)
    }

    /// Makes all passes over `rows` rows with the steps of a fused minibatch. Returns their number.
    fn fused_passes(
        &mut self,
        step: &mut Step<'_>,
        rows: usize,
        share: Option<&Share>,
        rate: &mut PassRate,
        log: &mut MetricLog,
    ) -> Result<usize, Error> {
        let mut epochs = 0;
        let rows = share.map_or(rows, |share| share.total);
        while let Some(order) = self.next_order(epochs, rows, log)? {
            let learning_rate = rate.begin();
            for rows in order.chunks(self.minibatch_size(rows)) {
                let metrics = during(Phase::Minibatch, || match share {
                    None => step(rows, learning_rate),
                    Some(share) => step(&share.of(rows), learning_rate),
                });
                log.push_from_host(metrics);
            }
            rate.end(log)?;
            epochs += 1;
        }
        Ok(epochs)
    }

    /// Returns a random order of `units` units of samples, for the pass that follows `epochs` others. `None` if there is
    /// none.
    fn next_order(&mut self, epochs: usize, units: usize, log: &MetricLog) -> Result<Option<Vec<u32>>, Error> {
        if epochs == self.num_epochs || (epochs > 0 && exceeds_target_kl(log, self.target_kl)?) {
            return Ok(None);
        }
        let mut order: Vec<u32> = (0..).take(units).collect();
        during(Phase::Gather, || self.shuffle.shuffle(&mut order));
        Ok(Some(order))
    }

    fn minibatch_size(&self, rows: usize) -> usize {
        rows.div_ceil(self.num_minibatches)
    }

    /// Returns the arguments with which [`attribute`] searches samples of `rows` rows.
    pub(super) fn differentiated(&self, rows: usize) -> (&Objective, bool, usize) {
        let Learner { objective, normalize_advantages, micro_batch_size, .. } = &self.learner;
        let size = self.minibatch_size(rows);
        (objective, *normalize_advantages, micro_batch_size.map_or(size, |micro| micro.min(size)))
    }
}

impl<P: Policy, S: Samples<P>> Update<P, S> for Epochs {
    fn check(&self, given: &[ContextPart]) -> Result<(), Error> {
        Ok(self.learner.objective.check_needs(given)?)
    }

    fn improve(&mut self, policy: &P, samples: S, context: UpdateContext) -> Result<Improved<P>, Error> {
        self.passes(policy.clone(), &samples, context, MetricLog::default()).map_err(|error| {
            let (objective, normalizes, mut size) = self.differentiated(samples.num_rows());
            // The search uses autodiff, for which the memory of a fused minibatch may not be enough.
            if self.learner.unfused(policy, &samples).is_none() {
                size = size.min(SEARCHED);
            }
            attribute(error, policy, &samples, &[(objective, normalizes, size)])
        })
    }

    fn save(&self) -> Result<Saved, Misfit> {
        self.save_with(BTreeMap::new())
    }

    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit> {
        self.load_from(saved, policy).map(drop)
    }
}

/// The state of [`Epochs`] besides tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    shuffle: EnvRng,
    optimiser_steps: u64,
    objective: ObjectiveState,
    /// The learning rate after the last pass, if it is adapted to the KL divergence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learning_rate: Option<f64>,
    /// The state of a trust region's objective; empty if there is no trust region.
    #[serde(default)]
    trust_region: ObjectiveState,
}

impl Epochs {
    /// Returns the state, including that of a trust region's objective.
    pub(super) fn save_with(&self, trust_region: ObjectiveState) -> Result<Saved, Misfit> {
        let optimiser = self.learner.optimiser.state();
        let moments: Result<Tensors, TensorsError> =
            optimiser.tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensors::read(tensor)?))).collect();
        let state = State {
            shuffle: self.shuffle.clone(),
            optimiser_steps: optimiser.steps,
            objective: self.learner.objective.state(),
            learning_rate: self.adapted,
            trust_region,
        };
        Saved::new(&state, moments?)
    }

    /// Restores a state. Returns the state of a trust region's objective.
    pub(super) fn load_from<P: Policy>(&mut self, saved: Saved, policy: &P) -> Result<ObjectiveState, Misfit> {
        let State { shuffle, optimiser_steps, objective, learning_rate, trust_region } = saved.state()?;
        if optimiser_steps >> 53 > 0 {
            return Err(Misfit::Counter { what: "steps of the optimiser", value: optimiser_steps });
        }
        let parameters = flatten_parameters(policy);
        let (dtype, [length]) = (parameters.dtype(), parameters.dims());
        let tensors = saved.tensors.into_iter().map(|(name, data)| {
            tensors::check_finite(&name, &data)?;
            let (shape, of_data) = (data.shape().to_vec(), data.dtype());
            if shape.len() == 1 && of_data == dtype {
                return Ok((name, Tensor::from_data(data, (&parameters.device(), dtype))));
            }
            let (found, expected) = (format!("{of_data:?}{shape:?}"), format!("{dtype:?}[{length}]"));
            Err(TensorsError::Tensor { name, found, expected })
        });
        let optimiser = OptimiserState { steps: optimiser_steps, tensors: tensors.collect::<Result<_, _>>()? };
        optimiser.check_length(length)?;
        self.learner.optimiser.set_state(optimiser)?;
        self.learner.objective.set_state(&objective)?;
        (self.shuffle, self.adapted) = (shuffle, learning_rate);
        Ok(trust_region)
    }
}

/// True if `approx_kl` of the last minibatch is above `target_kl`. Reads from the device only if there is a target.
fn exceeds_target_kl(log: &MetricLog, target_kl: f64) -> Result<bool, Error> {
    if target_kl.is_infinite() {
        return Ok(false);
    }
    Ok(log.last("approx_kl")?.is_some_and(|kl| kl > target_kl))
}
