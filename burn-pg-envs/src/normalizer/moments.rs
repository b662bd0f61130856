//! Mean and variance of a stream of vectors.

use serde::{Deserialize, Serialize};

use crate::Gather;

/// Running mean and variance of vectors of D elements, updated one batch at a time.
///
/// Equal to Stable-Baselines3's `RunningMeanStd`: it starts as if it had seen 1e-4 vectors of mean 0 and variance 1.
/// Source: T. Chan, G. Golub, R. LeVeque, *Algorithms for computing the sample variance* (1983).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningMoments {
    /// Mean of each dimension. Shape `[D]`.
    pub mean: Vec<f64>,
    /// Variance of each dimension (of the population). Shape `[D]`.
    pub variance: Vec<f64>,
    /// Number of vectors seen, plus 1e-4.
    pub count: f64,
}

impl RunningMoments {
    /// Creates the moments of vectors of `len` elements, before the first vector.
    #[must_use]
    pub fn new(len: usize) -> Self {
        Self { mean: vec![0.0; len], variance: vec![1.0; len], count: 1e-4 }
    }

    /// True if the mean and the variance have `len` elements, all values are finite, and neither a variance nor the
    /// count is negative.
    #[must_use]
    pub fn is_sound(&self, len: usize) -> bool {
        let numbers = self.mean.iter().chain(&self.variance).chain([&self.count]);
        self.mean.len() == len
            && self.variance.len() == len
            && self.variance.iter().all(|&variance| variance >= 0.0)
            && numbers.into_iter().all(|number| number.is_finite())
            && self.count >= 0.0
    }

    /// Updates the moments with a batch of shape `[N, D]`, row-major. An empty batch changes nothing.
    ///
    /// # Panics
    /// If the length of the batch is not a multiple of D.
    pub fn update<T: Copy + Into<f64>>(&mut self, batch: &[T]) {
        let len = self.mean.len();
        assert!(batch.len().is_multiple_of(len), "{} numbers are not rows of {len}", batch.len());
        if batch.is_empty() {
            return;
        }
        let count = (batch.len() / len) as f64;
        for d in 0..len {
            let column = || batch.iter().skip(d).step_by(len).map(|&number| -> f64 { number.into() });
            let mean = column().sum::<f64>() / count;
            let variance = column().map(|number| (number - mean) * (number - mean)).sum::<f64>() / count;
            self.merge(d, mean, variance, count);
        }
        self.count += count;
    }

    /// Merges the moments of other vectors into these.
    ///
    /// # Panics
    /// If the vectors of `other` have another length.
    pub fn combine(&mut self, other: &Self) {
        assert_eq!(self.mean.len(), other.mean.len(), "vectors of one length");
        for d in 0..self.mean.len() {
            self.merge(d, other.mean[d], other.variance[d], other.count);
        }
        self.count += other.count;
    }

    /// Returns the moments of what came after `before`.
    fn since(&self, before: &Self) -> Self {
        let count = self.count - before.count;
        if count <= 0.0 {
            return Self { count: 0.0, ..Self::new(self.mean.len()) };
        }
        let of = |d: usize| {
            let mean = (self.mean[d] * self.count - before.mean[d] * before.count) / count;
            let delta = mean - before.mean[d];
            let between = delta * delta * before.count * count / self.count;
            let squares = self.variance[d] * self.count - before.variance[d] * before.count - between;
            (mean, (squares / count).max(0.0))
        };
        let (mean, variance) = (0..self.mean.len()).map(of).unzip();
        Self { mean, variance, count }
    }

    /// Combines what came after `before` with what came after it elsewhere, and sets `before` to the result. `gather` returns
    /// the numbers of all places, in one order.
    pub(crate) fn exchange(&mut self, before: &mut Self, gather: &mut Gather<'_>) {
        let Self { mean, variance, count } = self.since(before);
        let len = mean.len();
        let Some(all) = gather(&[mean, variance, vec![count]].concat()) else { return };
        for numbers in all.iter().filter(|numbers| numbers.len() == 2 * len + 1 && numbers[2 * len] > 0.0) {
            let (mean, variance) = (numbers[..len].to_vec(), numbers[len..2 * len].to_vec());
            before.combine(&Self { mean, variance, count: numbers[2 * len] });
        }
        self.clone_from(before);
    }

    fn merge(&mut self, d: usize, mean: f64, variance: f64, count: f64) {
        let total = self.count + count;
        let delta = mean - self.mean[d];
        let squares = self.variance[d] * self.count + variance * count + delta * delta * self.count * count / total;
        self.mean[d] += delta * count / total;
        self.variance[d] = squares / total;
    }
}
