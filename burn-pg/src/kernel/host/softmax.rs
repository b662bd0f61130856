//! Log-probabilities and entropies of softmax distributions, with derivatives.

use super::{real::Real, vector::vectorised};

/// The softmax of rows of logits. Its memory is reused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Softmax<T> {
    width: usize,
    /// The logits minus the largest of their row.
    shifted: Vec<T>,
    exps: Vec<T>,
    /// The sum of each row of `exps`.
    sums: Vec<T>,
    /// The logarithms of `sums`.
    log_sums: Vec<T>,
}

impl<T: Real> Softmax<T> {
    /// Computes the softmax of rows of `width` logits.
    pub fn load(&mut self, logits: &[T], width: usize) {
        let Self { shifted, exps, sums, log_sums, .. } = self;
        shifted.clear();
        shifted.extend_from_slice(logits);
        shift(shifted, width);
        exps.clear();
        exps.extend_from_slice(shifted);
        T::exp_all(exps);
        sums.clear();
        sums.extend(exps.chunks_exact(width).map(|row| row.iter().fold(T::zero(), |sum, &exp| sum + exp)));
        log_sums.clear();
        log_sums.extend(sums.iter().map(|sum| sum.ln()));
        self.width = width;
    }

    /// Adds `log p(a)`, for one action of each row, to `log_probs`, and writes its derivatives with respect to the
    /// logits.
    pub fn log_probs(&self, actions: impl Iterator<Item = usize>, log_probs: &mut [T], derivatives: &mut [T]) {
        let rows = derivatives.chunks_exact_mut(self.width).zip(self.rows()).zip(log_probs).zip(actions);
        for (((derivatives, (shifted, exps, sum, log_sum)), log_prob), action) in rows {
            for (derivative, &exp) in derivatives.iter_mut().zip(exps) {
                *derivative = -exp / sum;
            }
            derivatives[action] += T::one();
            *log_prob += shifted[action] - log_sum;
        }
    }

    /// Adds the entropy of each row, `-sum_k p_k log p_k`, to `entropies`, and writes its derivatives with respect to
    /// the logits. An impossible action contributes 0.
    pub fn entropies(&self, entropies: &mut [T], derivatives: &mut [T]) {
        let zero = T::zero();
        for ((derivatives, (shifted, exps, sum, log_sum)), total) in
            derivatives.chunks_exact_mut(self.width).zip(self.rows()).zip(entropies)
        {
            let mut entropy = zero;
            for ((prob, &exp), &shifted) in derivatives.iter_mut().zip(exps).zip(shifted) {
                *prob = exp / sum;
                entropy += if *prob > zero { -(*prob * (shifted - log_sum)) } else { zero };
            }
            for (prob, &shifted) in derivatives.iter_mut().zip(shifted) {
                *prob = if *prob > zero { -*prob * (shifted - log_sum + entropy) } else { *prob * zero };
            }
            *total += entropy;
        }
    }

    /// Returns the shifted logits, exponentials, their sum and its logarithm for each row.
    fn rows(&self) -> impl Iterator<Item = (&[T], &[T], T, T)> {
        let rows = self.shifted.chunks_exact(self.width).zip(self.exps.chunks_exact(self.width));
        rows.zip(&self.sums)
            .zip(&self.log_sums)
            .map(|(((shifted, exps), &sum), &log_sum)| (shifted, exps, sum, log_sum))
    }
}

vectorised! {
    /// Subtracts the largest value of each row from all of its values.
    fn shift<'a, T>(rows: &'a mut [T], width: usize) -> () {
        for row in rows.chunks_exact_mut(width) {
            let mut largest = T::neg_infinity();
            for &x in &*row {
                largest = if x > largest { x } else { largest };
            }
            for x in row {
                *x = *x - largest;
            }
        }
    }
}
