//! The categorical distribution.

use burn::tensor::{Tensor, activation::log_softmax};
use burn_pg_envs::{ActionBuffer, EnvRng};

use super::{ActionTensor, Distribution, DistributionError, action_tensor::misfit};

/// In place of the log-probability -inf of an impossible action: finite in any float type, so that 0 times it is 0.
const LEAST_LOG_PROB: f64 = -1e4;

/// One of K actions, with probabilities `softmax(logits)`.
///
/// Works with log-probabilities that are shifted by the largest logit, so logits of 1e4 lose nothing. A logit of minus
/// infinity makes an action impossible.
#[derive(Debug, Clone)]
pub struct Categorical {
    logits: Tensor<2>,
    log_probs: Tensor<2>,
}

impl Categorical {
    /// From unnormalised log-probabilities of shape `[B, K]`.
    #[must_use]
    pub fn new(logits: Tensor<2>) -> Self {
        Self { log_probs: log_softmax(logits.clone(), 1), logits }
    }
}

impl Distribution for Categorical {
    fn parameters(&self) -> Tensor<2> {
        self.logits.clone()
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::Discrete(actions) = actions else { misfit("categorical") };
        self.log_probs.clone().gather(1, actions.clone().unsqueeze_dim(1)).squeeze_dim(1)
    }

    /// `-sum_k p_k log p_k`, where an impossible action contributes 0.
    fn entropy(&self) -> Tensor<1> {
        let log_probs = self.log_probs.clone();
        (log_probs.clone().exp() * log_probs.clamp_min(LEAST_LOG_PROB)).sum_dim(1).squeeze_dim(1).neg()
    }

    fn sample(
        parameters: &[f32],
        streams: &mut [EnvRng],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::Discrete(actions) = actions else { misfit("categorical") };
        let width = parameters.len() / streams.len();
        check_rows(parameters, width)?;
        for (logits, stream) in parameters.chunks_exact(width).zip(streams) {
            let (action, log_prob) = draw(logits, stream.next_f64());
            actions.push(action);
            log_probs.push(log_prob);
        }
        Ok(())
    }

    fn mode(parameters: &[f32], batch: usize, actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let ActionBuffer::Discrete(actions) = actions else { misfit("categorical") };
        let width = parameters.len() / batch;
        check_rows(parameters, width)?;
        let best = |logits: &[f32]| {
            (0..).zip(logits).fold(
                (0, f32::NEG_INFINITY),
                |best, (action, &logit)| {
                    if logit > best.1 { (action, logit) } else { best }
                },
            )
        };
        actions.extend(parameters.chunks_exact(width).map(|logits| best(logits).0));
        Ok(())
    }
}

/// Refuses NaN, plus infinity, and rows in which every action is impossible.
fn check_rows(logits: &[f32], width: usize) -> Result<(), DistributionError> {
    for (row, logits) in logits.chunks_exact(width).enumerate() {
        let bad = |&logit: &f32| logit.is_nan() || logit == f32::INFINITY;
        if let Some(index) = logits.iter().position(bad) {
            let value = logits[index];
            return Err(DistributionError::NotANumber { row, index, value });
        }
        if logits.iter().all(|&logit| logit == f32::NEG_INFINITY) {
            return Err(DistributionError::NothingPossible { row });
        }
    }
    Ok(())
}

/// The action at `uniform` (in `[0, 1)`) of the cumulative distribution, and its log-probability.
#[allow(clippy::cast_possible_truncation)] // computed in f64, kept in f32
fn draw(logits: &[f32], uniform: f64) -> (u32, f32) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: f32| f64::from(logit - largest).exp();
    let total: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut left = uniform * total;
    // Rounding may leave a little beyond the last action; then it is the last possible one.
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
    let log_prob = f64::from(logits[chosen as usize] - largest) - total.ln();
    (chosen, log_prob as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_follow_the_probabilities() {
        let logits = [0.1_f32.ln(), 0.7_f32.ln(), 0.2_f32.ln()];
        let (mut rng, mut counts) = (EnvRng::new(1), [0.0_f64; 3]);
        for _ in 0..100_000 {
            let (action, log_prob) = draw(&logits, rng.next_f64());
            counts[action as usize] += 1e-5;
            assert!((log_prob - logits[action as usize]).abs() < 1e-6);
        }
        // Standard errors at most 0.0015: five of them.
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
        let mut actions = ActionBuffer::Discrete(Vec::new());
        Categorical::mode(&[0.0, 2.0, 1.0, 3.0, 3.0, 3.0], 2, &mut actions).unwrap();
        assert_eq!(actions, ActionBuffer::Discrete(vec![1, 0]));
    }

    #[test]
    fn logits_that_define_no_distribution_are_refused() {
        let mut actions = ActionBuffer::Discrete(Vec::new());
        let mut streams = [EnvRng::new(0), EnvRng::new(1)];
        let infinity = f32::INFINITY;
        for (row, message) in [
            ([0.0, f32::NAN], "row 1: parameter 1 is NaN"),
            ([infinity, 0.0], "row 1: parameter 0 is inf"),
            ([-infinity, -infinity], "row 1: every action is impossible"),
        ] {
            let parameters = [0.0, 1.0, row[0], row[1]];
            let mut log_probs = Vec::new();
            let error = Categorical::sample(&parameters, &mut streams, &mut actions, &mut log_probs);
            assert_eq!(error.unwrap_err().to_string(), message);
            assert!(Categorical::mode(&parameters, 2, &mut actions).is_err());
            assert_eq!(actions, ActionBuffer::Discrete(Vec::new()));
        }
    }
}
