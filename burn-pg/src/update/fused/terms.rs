//! The loss terms of a minibatch.

use super::{samples::Columns, unfused::Unfused};
use crate::{
    kernel::host::{Real, dot_product, loss::LossRows, sum, vectorised},
    loss::{ClosedTerm, ContextPart, Objective},
};

/// The terms of an objective at one point of training, or some of them.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    all: Vec<ClosedTerm>,
    /// The outputs of the policy of which the terms are evaluated.
    outputs: &'static [ContextPart],
}

/// The outputs of an actor, of a critic, and of both.
pub(super) const OF_ACTOR: &[ContextPart] = &[ContextPart::LogProbs, ContextPart::Entropies];
pub(super) const OF_CRITIC: &[ContextPart] = &[ContextPart::Values];
pub(super) const OF_BOTH: &[ContextPart] = &[ContextPart::LogProbs, ContextPart::Entropies, ContextPart::Values];

/// Sums over samples: the losses of the terms, then the numbers that they report, in turn.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    values: Vec<f64>,
}

impl Sums {
    #[cfg(feature = "cube")]
    pub fn of(values: Vec<f64>) -> Self {
        Self { values }
    }

    pub fn clear(&mut self) {
        self.values.clear();
    }
}

/// Memory of [`Terms::evaluate`], which is reused.
#[derive(Debug, Clone, Default)]
pub(super) struct TermRows<T> {
    losses: Vec<T>,
    derivatives: Vec<T>,
    metrics: [Vec<T>; 2],
    /// The derivatives of the objective with respect to log-probabilities, entropies and values. Empty if it does not
    /// depend on them.
    pub gradients: Columns<T>,
}

impl Terms {
    pub fn new(objective: &Objective, progress: f64) -> Result<Self, Unfused> {
        let all = objective.closed_forms(progress).map_err(|term| Unfused::Term { term })?;
        Ok(Self { all, outputs: OF_BOTH })
    }

    /// Returns the terms that depend on these outputs of the policy. Their sums have the places of all terms.
    pub fn of(&self, outputs: &'static [ContextPart]) -> Self {
        Self { all: self.all.clone(), outputs }
    }

    /// True if there are terms to evaluate.
    pub fn any(&self) -> bool {
        self.evaluated().next().is_some()
    }

    /// The terms that are evaluated.
    fn evaluated(&self) -> impl Iterator<Item = &ClosedTerm> {
        self.all.iter().filter(|term| self.outputs.contains(&term.form.parts()[0]))
    }

    /// True if a term reads a part of the context.
    pub fn read(&self, part: ContextPart) -> bool {
        self.evaluated().any(|term| term.form.parts().contains(&part))
    }

    /// True if everything that the terms read besides outputs of the policy is given.
    pub fn are_given(&self, given: impl Fn(ContextPart) -> bool) -> bool {
        self.evaluated().all(|term| term.form.parts()[1..].iter().all(|&part| given(part)))
    }

    /// Computes the terms of samples, and the derivatives of the objective with respect to the outputs of the policy.
    /// `mass` is that of the whole minibatch.
    pub fn evaluate<T: Real>(&self, columns: &Columns<T>, mass: f64, rows: &mut TermRows<T>, sums: &mut Sums) {
        let weights = &columns[ContextPart::Weights as usize];
        let TermRows { losses, derivatives, metrics, gradients } = rows;
        gradients.iter_mut().for_each(Vec::clear);
        sums.values.resize(self.names().count(), 0.0);
        let (of_losses, of_metrics) = sums.values.split_at_mut(self.all.len());
        let mut of_metrics = of_metrics.iter_mut();
        for (ClosedTerm { weight, form, .. }, of_loss) in self.all.iter().zip(of_losses) {
            let of_term = of_metrics.by_ref().take(form.metrics().len());
            if !self.outputs.contains(&form.parts()[0]) {
                of_term.for_each(drop);
                continue;
            }
            let len = columns[form.parts()[0] as usize].len();
            losses.resize(len, T::zero());
            derivatives.resize(len, T::zero());
            for metric in &mut *metrics {
                metric.resize(len, T::zero());
            }
            let [first, second] = metrics.each_mut();
            let results = LossRows { losses, derivatives, metrics: [first, second] };
            form.evaluate(results, |part| &columns[part as usize]);
            *of_loss += weighted_sum(losses, weights);
            for (metric, sum) in metrics.iter().zip(of_term) {
                *sum += weighted_sum(metric, weights);
            }
            // A term of weight 0 is left out, because 0 times a derivative that is not finite would be NaN.
            if *weight > 0.0 {
                let gradient = &mut gradients[form.parts()[0] as usize];
                gradient.resize(len, T::zero());
                let each = T::of(*weight) / T::of(mass);
                match weights.is_empty() {
                    true => add_scaled(each, derivatives, gradient),
                    false => add_weighted(each, weights, derivatives, gradient),
                }
            }
        }
    }

    /// Returns the metrics of a minibatch with this mass and this sum of weights, from the sums over its parts: the losses
    /// of the terms, their weighted sum as `loss`, and the other numbers.
    pub fn metrics<'a>(
        &self,
        parts: impl Iterator<Item = &'a Sums>,
        mass: f64,
        weight: f64,
    ) -> Vec<(&'static str, f64)> {
        let mut total = vec![0.0; self.names().count()];
        for part in parts {
            total.iter_mut().zip(&part.values).for_each(|(total, value)| *total += value);
        }
        let (losses, others) = total.split_at_mut(self.all.len());
        for loss in &mut *losses {
            *loss /= mass;
        }
        // If all samples are masked, the sums are 0 and so are the means.
        for value in others {
            *value /= weight.max(f64::from(f32::MIN_POSITIVE));
        }
        let weighted = self.all.iter().zip(&*losses).filter(|(term, _)| term.weight > 0.0);
        let loss = weighted.map(|(term, loss)| term.weight * loss).sum();
        let mut metrics: Vec<_> = self.names().zip(total).collect();
        metrics.insert(self.all.len(), ("loss", loss));
        metrics
    }

    /// All terms.
    #[cfg(feature = "cube")]
    pub fn all(&self) -> &[ClosedTerm] {
        &self.all
    }

    /// Returns the names of the losses, and of the other numbers.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let losses = self.all.iter().map(|term| term.name);
        losses.chain(self.all.iter().flat_map(|term| term.form.metrics()).copied())
    }
}

/// Returns the sum of values, times weights if there are any.
fn weighted_sum<T: Real>(values: &[T], weights: &[T]) -> f64 {
    let sum = if weights.is_empty() { sum(values) } else { dot_product(values, weights) };
    sum.double()
}

vectorised! {
    fn add_scaled<'a, T>(factor: T, values: &'a [T], sums: &'a mut [T]) -> () {
        for (sum, &value) in sums.iter_mut().zip(values) {
            *sum += value * factor;
        }
    }

    fn add_weighted<'a, T>(factor: T, weights: &'a [T], values: &'a [T], sums: &'a mut [T]) -> () {
        for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * (factor * weight);
        }
    }
}
