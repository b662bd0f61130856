//! Distributions over actions, forward and backward for a block of rows.

use std::ops::Range;

use super::samples::SampleRows;
use crate::{
    distribution::{impossible_logit, largest_log, squashed_entropy},
    kernel::{
        formula::{self, Dual},
        host::{Real, Softmax, add_rows, log_densities},
    },
    loss::ContextPart,
    policy::{FlatHead, LogStd},
};

/// Turns outputs of the actor into log-probabilities and entropies.
pub(super) struct Head<T> {
    kind: FlatHead,
    /// Logarithms of standard deviations that are parameters.
    log_std: Vec<T>,
    with_entropies: bool,
}

/// Derivatives of log-probabilities and entropies for a block of rows. Their memory is reused.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadRows<T> {
    softmax: Softmax<T>,
    /// Logits, with those of masked actions replaced; or the means of a Gaussian.
    outputs: Vec<T>,
    /// The logarithms of standard deviations. Shape `[rows, K]`.
    log_stds: Vec<T>,
    /// Their derivatives with respect to outputs of the actor.
    log_std_derivatives: Vec<T>,
    /// The derivatives of the objective with respect to them.
    log_std_gradient: Vec<T>,
    densities: Vec<T>,
    /// The logits of a component, and the derivatives with respect to them.
    component: [Vec<T>; 2],
    /// With respect to the logits or means.
    of_outputs: Derivatives<T>,
    /// With respect to the logarithms of standard deviations.
    of_log_stds: Derivatives<T>,
}

/// The derivatives of log-probabilities and of entropies.
type Derivatives<T> = [Vec<T>; 2];

impl<T: Real> Head<T> {
    pub fn new(kind: FlatHead, with_entropies: bool) -> Self {
        Self { kind, log_std: Vec::new(), with_entropies }
    }

    /// Sets the parameters, if there are some, from those of a range that has all of them or none.
    pub fn load(&mut self, range: &Range<usize>, parameters: &[T]) {
        if let FlatHead::Gaussian { log_std: LogStd::Parameters(place), .. } = &self.kind
            && range.contains(&place.start)
        {
            self.log_std.clear();
            self.log_std.extend_from_slice(&parameters[place.start - range.start..place.end - range.start]);
        }
    }

    /// Returns the place of the parameters, if there are some.
    pub fn range(&self) -> Option<Range<usize>> {
        match &self.kind {
            FlatHead::Gaussian { log_std: LogStd::Parameters(place), .. } => Some(place.clone()),
            _ => None,
        }
    }

    /// Sets the log-probabilities and entropies of samples from outputs of the actor.
    pub fn evaluate(&self, outputs: &[T], samples: &mut SampleRows<T>, rows: &mut HeadRows<T>) {
        let count = samples.count;
        let SampleRows { action_mask, indices, numbers, columns, .. } = samples;
        let [log_probs, entropies] = columns
            .get_disjoint_mut([ContextPart::LogProbs as usize, ContextPart::Entropies as usize])
            .expect("two columns");
        for (values, wanted) in [(&mut *log_probs, true), (&mut *entropies, self.with_entropies)] {
            values.clear();
            values.resize(if wanted { count } else { 0 }, T::zero());
        }
        match &self.kind {
            FlatHead::Logits(sizes) => {
                rows.outputs.clear();
                rows.outputs.extend_from_slice(outputs);
                let impossible = T::of(impossible_logit(T::DTYPE).into());
                for (logit, _) in rows.outputs.iter_mut().zip(&*action_mask).filter(|(_, possible)| !**possible) {
                    *logit = impossible;
                }
                evaluate_logits(sizes, indices, [log_probs, entropies], rows);
            }
            FlatHead::Bernoulli => evaluate_bernoulli(outputs, numbers, [log_probs, entropies], rows),
            FlatHead::Gaussian { log_std, squash } => {
                self.split(outputs, count, log_std, rows);
                evaluate_gaussian(*squash, numbers, [log_probs, entropies], rows);
            }
        }
    }

    /// Splits outputs of the actor into means and logarithms of standard deviations.
    fn split(&self, outputs: &[T], count: usize, log_std: &LogStd, rows: &mut HeadRows<T>) {
        let HeadRows { outputs: means, log_stds, log_std_derivatives, .. } = rows;
        for values in [&mut *means, log_stds, log_std_derivatives] {
            values.clear();
        }
        match log_std {
            LogStd::Parameters(_) => {
                means.extend_from_slice(outputs);
                (0..count).for_each(|_| log_stds.extend_from_slice(&self.log_std));
            }
            LogStd::Outputs { offset } => {
                let (width, offset) = (outputs.len() / count, T::of(*offset));
                for row in outputs.chunks_exact(width) {
                    let (of_means, of_log_stds) = row.split_at(width / 2);
                    means.extend_from_slice(of_means);
                    for &output in of_log_stds {
                        let (log_std, derivative) = LogStd::of_output(output, offset);
                        log_stds.push(log_std);
                        log_std_derivatives.push(derivative);
                    }
                }
            }
        }
    }

    /// Multiplies changes of the outputs of the actor (shape `[rows, outputs]`), and of the parameters (`direction`, shape
    /// `[P]`), by the Fisher matrix of the distribution. `weights` are those of the rows. Adds the part that belongs to
    /// parameters to `sums` (shape `[P]`).
    pub fn curve(
        &self,
        outputs: &[T],
        mask: &[bool],
        weights: &[T],
        tangent: &mut [T],
        direction: &[T],
        sums: &mut [T],
    ) {
        let width = outputs.len() / weights.len();
        let rows = outputs.chunks_exact(width).zip(tangent.chunks_exact_mut(width)).zip(weights).enumerate();
        for (row, ((outputs, tangent), &weight)) in rows {
            match &self.kind {
                FlatHead::Logits(sizes) => {
                    let mask = mask.get(row * width..).map_or(&[][..], |mask| &mask[..width.min(mask.len())]);
                    let mut first = 0;
                    for &size in sizes {
                        let part = first..first + size;
                        curve_logits(
                            &outputs[part.clone()],
                            mask.get(part.clone()).unwrap_or_default(),
                            &mut tangent[part],
                        );
                        first += size;
                    }
                }
                FlatHead::Bernoulli => {
                    for (tangent, &logit) in tangent.iter_mut().zip(outputs) {
                        let small = (-logit.abs()).exp();
                        *tangent = *tangent * small / ((T::one() + small) * (T::one() + small));
                    }
                }
                FlatHead::Gaussian { log_std: LogStd::Parameters(place), .. } => {
                    for (k, (tangent, index)) in tangent.iter_mut().zip(place.clone()).enumerate() {
                        *tangent = *tangent * inverse_variance(self.log_std[k]);
                        sums[index] += weight * T::of(2.0) * direction[index];
                    }
                }
                FlatHead::Gaussian { log_std: LogStd::Outputs { offset }, .. } => {
                    let (means, log_stds) = tangent.split_at_mut(width / 2);
                    for ((mean, tangent), &output) in means.iter_mut().zip(log_stds).zip(&outputs[width / 2..]) {
                        let (log_std, derivative) = LogStd::of_output(output, T::of(*offset));
                        *mean = *mean * inverse_variance(log_std);
                        *tangent = *tangent * T::of(2.0) * derivative * derivative;
                    }
                }
            }
            for tangent in tangent {
                *tangent = *tangent * weight;
            }
        }
    }

    /// Turns the derivatives of the objective with respect to log-probabilities and entropies (each empty if it does not
    /// depend on them) into those with respect to outputs of the actor. Adds those with respect to the parameters of the
    /// head to `sums`.
    pub fn backward(
        &self,
        samples: &SampleRows<T>,
        derivatives: [&[T]; 2],
        rows: &mut HeadRows<T>,
        gradient: &mut Vec<T>,
        sums: &mut [T],
    ) {
        match &self.kind {
            FlatHead::Logits(_) | FlatHead::Bernoulli => {
                combine(derivatives, &rows.of_outputs, gradient);
                // Nothing changes the probability of an impossible action. Bernoulli components have no masks.
                let mask = if self.kind == FlatHead::Bernoulli { &[][..] } else { &samples.action_mask };
                for (value, _) in gradient.iter_mut().zip(mask).filter(|(_, possible)| !**possible) {
                    *value = T::zero();
                }
            }
            FlatHead::Gaussian { log_std, .. } => {
                combine(derivatives, &rows.of_outputs, gradient);
                combine(derivatives, &rows.of_log_stds, &mut rows.log_std_gradient);
                match log_std {
                    LogStd::Parameters(_) => add_rows(&rows.log_std_gradient, sums),
                    LogStd::Outputs { .. } => {
                        for (outer, &inner) in rows.log_std_gradient.iter_mut().zip(&rows.log_std_derivatives) {
                            *outer = *outer * inner;
                        }
                        let (width, means) = (gradient.len() / samples.count, std::mem::take(gradient));
                        for (means, log_stds) in
                            means.chunks_exact(width).zip(rows.log_std_gradient.chunks_exact(width))
                        {
                            gradient.extend_from_slice(means);
                            gradient.extend_from_slice(log_stds);
                        }
                    }
                }
            }
        }
    }
}

/// Multiplies a change of logits by the Fisher matrix of their softmax, `diag(p) - p p^T`. Masked logits do not change
/// anything.
fn curve_logits<T: Real>(logits: &[T], mask: &[bool], tangent: &mut [T]) {
    let possible = |k: usize| mask.get(k).copied().unwrap_or(true);
    let largest = (0..logits.len()).filter(|&k| possible(k)).fold(T::neg_infinity(), |most, k| most.max(logits[k]));
    let weight = |k: usize| if possible(k) { (logits[k] - largest).exp() } else { T::zero() };
    let (mut total, mut mean) = (T::zero(), T::zero());
    for (k, &tangent) in tangent.iter().enumerate() {
        total += weight(k);
        mean += weight(k) * tangent;
    }
    for (k, tangent) in tangent.iter_mut().enumerate() {
        *tangent = weight(k) / total * (*tangent - mean / total);
    }
}

/// `1 / sigma^2`
fn inverse_variance<T: Real>(log_std: T) -> T {
    let limit = T::of(largest_log(T::DTYPE));
    let inverse = formula::inverse_std(&Dual::<T, 0>::constant(log_std), limit).value;
    inverse * inverse
}

fn evaluate_logits<T: Real>(
    sizes: &[usize],
    actions: &[u32],
    [log_probs, entropies]: [&mut [T]; 2],
    rows: &mut HeadRows<T>,
) {
    let HeadRows { softmax, outputs, of_outputs, component: [logits, derivatives], .. } = rows;
    let width: usize = sizes.iter().sum();
    let of_component = |k: usize| actions.iter().skip(k).step_by(sizes.len()).map(|&action| action as usize);
    for derivatives in &mut *of_outputs {
        derivatives.resize(outputs.len(), T::zero());
    }
    let [of_log_probs, of_entropies] = of_outputs;
    if sizes.len() == 1 {
        softmax.load(outputs, width);
        softmax.log_probs(of_component(0), log_probs, of_log_probs);
        softmax.entropies(entropies, of_entropies);
        return;
    }
    let mut first = 0;
    for (k, &size) in sizes.iter().enumerate() {
        logits.clear();
        logits.extend(outputs.chunks_exact(width).flat_map(|row| &row[first..first + size]));
        derivatives.resize(logits.len(), T::zero());
        softmax.load(logits, size);
        let put = |derivatives: &[T], to: &mut [T]| {
            for (to, from) in to.chunks_exact_mut(width).zip(derivatives.chunks_exact(size)) {
                to[first..first + size].copy_from_slice(from);
            }
        };
        softmax.log_probs(of_component(k), log_probs, derivatives);
        put(derivatives, of_log_probs);
        softmax.entropies(entropies, derivatives);
        put(derivatives, of_entropies);
        first += size;
    }
}

fn evaluate_bernoulli<T: Real>(
    outputs: &[T],
    actions: &[T],
    [log_probs, entropies]: [&mut [T]; 2],
    rows: &mut HeadRows<T>,
) {
    let width = outputs.len() / log_probs.len();
    for derivatives in &mut rows.of_outputs {
        derivatives.resize(outputs.len(), T::zero());
    }
    for (i, (&logit, &action)) in outputs.iter().zip(actions).enumerate() {
        let logit = Dual::<T>::variable(logit, 0);
        let sign = Dual::constant(action + action - T::one());
        let log_prob = formula::bernoulli_log_prob(&logit, &sign);
        log_probs[i / width] += log_prob.value;
        rows.of_outputs[0][i] = log_prob.derivatives[0];
        if let Some(total) = entropies.get_mut(i / width) {
            let entropy = formula::bernoulli_entropy(&logit);
            *total += entropy.value;
            rows.of_outputs[1][i] = entropy.derivatives[0];
        }
    }
}

fn evaluate_gaussian<T: Real>(
    squash: bool,
    actions: &[T],
    [log_probs, entropies]: [&mut [T]; 2],
    rows: &mut HeadRows<T>,
) {
    let HeadRows { outputs: means, log_stds, densities, of_outputs, of_log_stds, .. } = rows;
    let (len, width) = (means.len(), means.len() / log_probs.len());
    for values in of_outputs.iter_mut().chain(&mut *of_log_stds).chain([&mut *densities]) {
        values.resize(len, T::zero());
    }
    let limit = T::of(largest_log(T::DTYPE));
    log_densities(densities, [&mut of_outputs[0], &mut of_log_stds[0]], [actions, means, log_stds], limit);
    for (log_prob, densities) in log_probs.iter_mut().zip(densities.chunks_exact(width)) {
        *log_prob = densities.iter().fold(T::zero(), |sum, &density| sum + density);
    }
    if squash {
        for (i, &action) in actions.iter().enumerate() {
            let correction = formula::tanh_log_derivative(&Dual::<T, 0>::constant(action));
            log_probs[i / width] = log_probs[i / width] - correction.value;
        }
    }
    if entropies.is_empty() {
        return;
    }
    for i in 0..len {
        let (mean, log_std) = (Dual::<T, 2>::variable(means[i], 0), Dual::variable(log_stds[i], 1));
        let entropy = match squash {
            true => squashed_entropy(&mean, &log_std),
            false => formula::normal_entropy(&log_std),
        };
        entropies[i / width] += entropy.value;
        [of_outputs[1][i], of_log_stds[1][i]] = entropy.derivatives;
    }
}

/// Multiplies the derivatives of the objective with respect to log-probabilities and entropies (shape `[rows]`; each empty
/// if it does not depend on them) by those of log-probabilities and entropies (shape `[rows, width]`), and adds up both.
fn combine<T: Real>(outer: [&[T]; 2], inner: &Derivatives<T>, sums: &mut Vec<T>) {
    sums.clear();
    sums.resize(inner[0].len(), T::zero());
    for (outer, inner) in outer.into_iter().zip(inner).filter(|(outer, _)| !outer.is_empty()) {
        let width = inner.len() / outer.len();
        for ((sums, inner), &outer) in sums.chunks_exact_mut(width).zip(inner.chunks_exact(width)).zip(outer) {
            for (sum, &inner) in sums.iter_mut().zip(inner) {
                *sum = outer.mul_add(inner, *sum);
            }
        }
    }
}
