//! The categorical distribution.

use std::cell::OnceCell;

use burn::tensor::{Bool, DType, Tensor, activation::log_softmax};
use burn_pg_envs::{ActionBuffer, Space};

use super::{ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, action_tensor::misfit};
use crate::kernel::{categorical_entropy, categorical_log_prob};

/// Replaces the log-probability -inf of an impossible action. Finite in every float type, so that 0 times it is 0.
const LEAST_LOG_PROB: f64 = -1e4;

/// One of K actions, with probabilities `softmax(logits)`.
///
/// Log-probabilities are computed after subtracting the largest logit, so logits of 1e4 lose no precision. A logit of
/// minus infinity, or of at most -1e38 (-3e4 in half precision), makes an action impossible.
#[derive(Debug, Clone)]
pub struct Categorical {
    logits: Tensor<2>,
    /// Computed on first use.
    log_probs: OnceCell<Tensor<2>>,
}

impl Categorical {
    /// Creates the distribution from unnormalised log-probabilities of shape `[B, K]`.
    #[must_use]
    pub fn new(logits: Tensor<2>) -> Self {
        Self { logits, log_probs: OnceCell::new() }
    }

    /// Creates the distribution from unnormalised log-probabilities of shape `[B, K]`, with probability exactly 0 where
    /// `mask` (of the same shape) is false. Drawing an action from a row without a possible action is an error.
    ///
    /// Source: S. Huang, S. Ontañón, *A closer look at invalid action masking in policy gradient algorithms* (2022).
    /// Here the logit of a masked action is near the lowest value of the float type, below the logit of any possible
    /// action.
    #[must_use]
    pub fn masked(logits: Tensor<2>, mask: Tensor<2, Bool>) -> Self {
        Self::new(without_masked(logits, mask))
    }

    /// Returns the log-probabilities of all actions. Shape `[B, K]`.
    #[must_use]
    pub fn log_probs(&self) -> Tensor<2> {
        self.log_probs.get_or_init(|| log_softmax(self.logits.clone(), 1)).clone()
    }
}

impl Distribution for Categorical {
    fn parameters(&self) -> Tensor<2> {
        self.logits.clone()
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        let [_, actions] = self.logits.dims();
        let fits = matches!(space, Space::Discrete { n, .. } if *n as usize == actions);
        ActionMisfit::unless(fits, || format!("one of {actions} actions"), space)
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::Discrete(actions) = actions else { misfit("categorical") };
        categorical_log_prob(&self.logits, actions)
            .unwrap_or_else(|| self.log_probs().gather(1, actions.clone().unsqueeze_dim(1)).squeeze_dim(1))
    }

    /// `-sum_k p_k log p_k`, where an impossible action contributes 0.
    fn entropy(&self) -> Tensor<1> {
        categorical_entropy(&self.logits).unwrap_or_else(|| {
            let log_probs = self.log_probs();
            (log_probs.clone().exp() * log_probs.clamp_min(LEAST_LOG_PROB)).sum_dim(1).squeeze_dim(1).neg()
        })
    }

    /// `sum_k p_k (log p_k - log q_k)`, where an impossible action contributes 0. If `other` rules out a possible
    /// action, the result is infinite, or, if a mask rules it out, so large that all other contributions are
    /// negligible.
    fn kl(&self, other: &Self) -> Tensor<1> {
        let probs = self.log_probs().exp();
        let impossible = probs.clone().equal_elem(0);
        let log_prob = |of: &Self| of.log_probs().mask_fill(impossible.clone(), 0);
        let differences = log_prob(self) - log_prob(other);
        // The gradient, `p_k (d_k - KL)`, would be a small difference of large values. Therefore the KL divergence
        // itself, as a constant, is subtracted inside the sum and added outside, which is possible because the
        // probabilities add up to 1 (but not if it is infinite, which would give NaN).
        let divergence = (probs.clone() * differences.clone()).sum_dim(1).detach().clamp_max(f32::MAX);
        ((probs * (differences - divergence.clone())).sum_dim(1) + divergence).squeeze_dim(1)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::Discrete(actions) = actions else { misfit("categorical") };
        let [_, width] = self.logits.dims();
        check_logits(parameters, width, &[width], impossible_logit(self.logits.dtype()))?;
        for (logits, stream) in parameters.chunks_exact(width).zip(streams) {
            let (action, log_prob) = draw(logits, stream.rng.next_f64());
            actions.push(action);
            log_probs.push(rounded(log_prob));
        }
        Ok(())
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let ActionBuffer::Discrete(actions) = actions else { misfit("categorical") };
        let [_, width] = self.logits.dims();
        check_logits(parameters, width, &[width], impossible_logit(self.logits.dtype()))?;
        actions.extend(parameters.chunks_exact(width).map(most_probable));
        Ok(())
    }
}

/// Returns the logit of a masked action. In every float type, its probability is exactly 0 if any action has a larger
/// logit. It is finite, since shading languages may assume that no value is infinite, and the largest logit of a row
/// can be subtracted from it without overflow.
pub(crate) fn impossible_logit(dtype: DType) -> f32 {
    match dtype {
        DType::F16 => -3e4,
        _ => -1e38,
    }
}

/// Replaces the logits where `mask` is false by [`impossible_logit`].
pub(super) fn without_masked(logits: Tensor<2>, mask: Tensor<2, Bool>) -> Tensor<2> {
    let impossible = impossible_logit(logits.dtype());
    logits.mask_fill(mask.bool_not(), impossible)
}

/// Refuses NaN, plus infinity, and components in which every action is impossible (no logit is above `impossible`).
/// Rows are `width` wide and consist of components of `sizes`.
pub(super) fn check_logits(
    logits: &[f32],
    width: usize,
    sizes: &[usize],
    impossible: f32,
) -> Result<(), DistributionError> {
    for (row, logits) in logits.chunks_exact(width).enumerate() {
        let bad = |&logit: &f32| logit.is_nan() || logit == f32::INFINITY;
        if let Some(index) = logits.iter().position(bad) {
            let value = logits[index];
            return Err(DistributionError::NotANumber { row, index, value });
        }
        if components(logits, sizes).any(|component| component.iter().all(|&logit| logit <= impossible)) {
            return Err(DistributionError::NothingPossible { row });
        }
    }
    Ok(())
}

/// Splits a row of logits into components of `sizes`.
pub(super) fn components<'a>(mut row: &'a [f32], sizes: &'a [usize]) -> impl Iterator<Item = &'a [f32]> {
    sizes.iter().map(move |&size| row.split_off(..size).expect("a row has all components"))
}

/// Returns the first of the actions with the largest logit.
pub(super) fn most_probable(logits: &[f32]) -> u32 {
    let larger = |best: (u32, f32), (action, &logit)| if logit > best.1 { (action, logit) } else { best };
    (0..).zip(logits).fold((0, f32::NEG_INFINITY), larger).0
}

/// Rounds a value that was computed in double precision to single precision, in which it is stored.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn rounded(log_prob: f64) -> f32 {
    log_prob as f32
}

/// Returns the action at `uniform` (in `[0, 1)`) of the cumulative distribution, and its log-probability.
pub(super) fn draw(logits: &[f32], uniform: f64) -> (u32, f64) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - largest).exp();
    let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut left = uniform * total;
    // Because of rounding, `left` may be a little beyond the last action; the last possible action is chosen then.
    let mut chosen = 0;
    for (action, &logit) in (0..).zip(logits) {
        let weight = weight(logit);
        if weight > 0.0 {
            chosen = action;
            if left < weight {
                break;
            }
            left -= weight;
        }
    }
    (chosen, f64::from(logits[chosen as usize] - largest) - total.ln())
}

#[cfg(test)]
mod tests {
    use burn_pg_envs::EnvRng;

    use super::*;

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.1_f32.ln(), 0.7_f32.ln(), 0.2_f32.ln()];
        let (mut rng, mut counts) = (EnvRng::new(1), [0.0_f64; 3]);
        for _ in 0..100_000 {
            let (action, log_prob) = draw(&logits, rng.next_f64());
            counts[action as usize] += 1e-5;
            assert!((log_prob - f64::from(logits[action as usize])).abs() < 1e-6);
        }
        // The standard error is at most 0.0015; the tolerance is five of them.
        for (share, expected) in counts.iter().zip([0.1, 0.7, 0.2]) {
            assert!((share - expected).abs() < 0.0075, "{counts:?}");
        }
    }

    #[test]
    fn an_impossible_action_is_never_drawn() {
        let logits = [-1e4, 0.0, f32::NEG_INFINITY];
        for uniform in [0.0, 0.5, 1.0_f64.next_down()] {
            assert_eq!(draw(&logits, uniform), (1, 0.0));
        }
    }

    #[test]
    fn the_mode_is_the_first_of_the_largest() {
        assert_eq!(most_probable(&[0.0, 2.0, 1.0]), 1);
        assert_eq!(most_probable(&[3.0, 3.0, 3.0]), 0);
    }

    #[test]
    fn logits_that_define_no_distribution_are_refused() {
        let infinity = f32::INFINITY;
        for (row, message) in [
            ([0.0, f32::NAN], "parameter 1 is NaN"),
            ([infinity, 0.0], "parameter 0 is inf"),
            ([-infinity, -infinity], "every action is impossible"),
        ] {
            let parameters = [0.0, 1.0, row[0], row[1]];
            let error = check_logits(&parameters, 2, &[2], -1e38).unwrap_err();
            assert_eq!((error.row(), error.to_string().as_str()), (1, message));
        }
        // A component without a possible action makes the row impossible.
        assert!(check_logits(&[0.0, -infinity, -1e38], 3, &[1, 2], -1e38).is_err());
        assert!(check_logits(&[0.0, -infinity, 1.0], 3, &[1, 2], -1e38).is_ok());
    }
}
