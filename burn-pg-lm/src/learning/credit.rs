//! Credit: how scores of completions become advantages of tokens.

use burn_pg::advantage::{AdvantageEstimator, Gae, GrpoScale, Targets, Trajectory, grpo, rloo, rloo_normalized};
use serde::{Deserialize, Serialize};

/// How the scores of completions become advantages of their tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Credit {
    /// A completion is compared with the mean of the others of its prompt: see [`rloo`]. All of its tokens have the same advantage.
    Rloo {
        /// True to shift and scale the advantages of all prompts: see [`rloo_normalized`].
        normalize: bool,
    },
    /// A completion is compared with the mean of all of its prompt, divided by a standard deviation: see [`grpo`]. Without that divisor, the
    /// mean gradient is that of the expected reward times `(K - 1) / K` in groups of K, because the mean contains the completion itself.
    Grpo(GrpoScale),
    /// REINFORCE with a baseline: a completion is compared with the mean of all other completions, whatever their prompt.
    Mean,
    /// A critic predicts after each token what is still to come: see [`Gae`]. Every token is rewarded with its part of the KL
    /// divergence, and the last one with the score. A completion that was cut off has ended too: its score is for what there is, and
    /// nothing comes after it.
    Gae(Gae),
}

impl Credit {
    /// True if a critic is needed.
    #[must_use]
    pub fn needs_values(self) -> bool {
        matches!(self, Self::Gae(_))
    }

    /// Returns the advantage of each completion, or `None` with a critic. A score of NaN leaves its completion out: the advantage is 0.
    /// `penalties` are subtracted from the scores: the weighted KL divergence of each completion. GRPO divides only the scores by a standard
    /// deviation, so that the KL divergence keeps its weight.
    #[must_use]
    pub fn of_completions(self, scores: &[f64], penalties: &[f64], group_size: usize) -> Option<Vec<f64>> {
        let rewards = || -> Vec<f64> { scores.iter().zip(penalties).map(|(score, penalty)| score - penalty).collect() };
        match self {
            Self::Rloo { normalize: false } => Some(rloo(&rewards(), group_size)),
            Self::Rloo { normalize: true } => Some(rloo_normalized(&rewards(), group_size)),
            Self::Grpo(scale) => {
                // A completion that is left out is not in the mean of the penalties either.
                let of_penalty = |(score, penalty): (&f64, &f64)| if score.is_nan() { f64::NAN } else { -penalty };
                let penalties: Vec<f64> = scores.iter().zip(penalties).map(of_penalty).collect();
                let penalties = grpo(&penalties, group_size, GrpoScale::Unscaled);
                let scores = grpo(scores, group_size, scale);
                Some(scores.into_iter().zip(penalties).map(|(score, penalty)| score + penalty).collect())
            }
            Self::Mean => Some(rloo(&rewards(), scores.len())),
            Self::Gae(_) => None,
        }
    }
}

/// Where the KL divergence from the reference is subtracted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlPlace {
    /// In the rewards, as it was sampled (k1). The mean gradient is then that of the KL divergence of whole texts.
    #[default]
    Reward,
    /// In a term of the objective, for each token. Such a term knows how a token changes the divergence in its own place; what the
    /// token does to the divergence of later tokens is subtracted from its advantage. Together, both are the gradient of the KL
    /// divergence of whole texts.
    Term,
    /// In a term of the objective, for each token, and nowhere else, as GRPO was published. What a token does to the KL divergence of later
    /// tokens is left out, so that the gradient is not that of the KL divergence of whole texts. If a sample is a completion, this is the same as
    /// [`Term`](Self::Term).
    TermAlone,
}

/// The weight of the KL divergence from the reference, beta.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KlWeight {
    /// A constant.
    Fixed(f64),
    /// A weight that brings the divergence to a target: after each update it is multiplied by `1 + e n / horizon`, where n is the
    /// number of completions and e is how far the divergence exceeds the target, relative to it and limited to ±0.2.
    ///
    /// Source: D. Ziegler et al., *Fine-tuning language models from human preferences* (2019), section 2.2.
    Adaptive {
        /// The weight of the first update.
        start: f64,
        /// The target divergence of a completion, in nats.
        target: f64,
        /// Completions after which an error of 100 % has doubled the weight (it is limited to 20 %).
        horizon: f64,
    },
}

impl KlWeight {
    /// Returns the weight of the first update.
    #[must_use]
    pub fn start(self) -> f64 {
        match self {
            Self::Fixed(weight) => weight,
            Self::Adaptive { start, .. } => start,
        }
    }

    /// Returns the weight after an update, in which `completions` completions had a mean divergence of `divergence`.
    #[must_use]
    pub fn next(self, weight: f64, divergence: f64, completions: usize) -> f64 {
        match self {
            Self::Fixed(weight) => weight,
            Self::Adaptive { target, horizon, .. } => {
                let error = (divergence / target - 1.0).clamp(-0.2, 0.2);
                weight * (1.0 + error * completions as f64 / horizon)
            }
        }
    }
}

/// Returns the rewards of all tokens of completions: their parts of the KL divergence, times `-weight`, and for the last one the score
/// of the completion. All vectors have one completion after the other.
#[must_use]
pub fn token_rewards(scores: &[f64], divergences: &[f64], lengths: &[usize], weight: f64) -> Vec<f64> {
    let mut rewards: Vec<f64> = divergences.iter().map(|divergence| -weight * divergence).collect();
    let mut end = 0;
    for (score, length) in scores.iter().zip(lengths) {
        end += length;
        rewards[end - 1] += score;
    }
    rewards
}

/// Returns advantages and returns of all tokens of completions, each of which is an episode that ends with its last token. `values`
/// are those before each token.
#[must_use]
pub fn token_advantages(gae: Gae, rewards: &[f32], values: &[f32], lengths: &[usize]) -> Targets {
    let mut ends = vec![false; rewards.len()];
    let mut end = 0;
    for length in lengths {
        end += length;
        ends[end - 1] = true;
    }
    // The value after the last token is not read.
    let next_values: Vec<f32> = values.iter().skip(1).chain([&0.0]).copied().collect();
    let truncated = vec![false; rewards.len()];
    let trajectory = Trajectory {
        num_envs: 1,
        rewards,
        values,
        next_values: &next_values,
        terminated: &ends,
        truncated: &truncated,
        log_ratios: &[],
    };
    gae.estimate(&trajectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_of_scores_leaves_the_kl_divergence_its_weight() {
        let penalties = [0.02, 0.04, 0.06, 0.08];
        let of = |scores: &[f64], scale| Credit::Grpo(scale).of_completions(scores, &penalties, 4).unwrap();
        // Without spread of the scores, only the KL divergence tells completions apart, by its own amount.
        for scale in [GrpoScale::Group, GrpoScale::Batch, GrpoScale::Unscaled] {
            let advantages = of(&[3.0; 4], scale);
            let expected = [0.03, 0.01, -0.01, -0.03];
            assert!(advantages.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{advantages:?}");
        }
        let scores = [1.0, 2.0, 3.0, 6.0];
        let scaled = of(&scores, GrpoScale::Group);
        let alone = grpo(&scores, 4, GrpoScale::Group);
        for ((advantage, alone), penalty) in scaled.iter().zip(alone).zip(penalties) {
            assert!((advantage - (alone - penalty + 0.05)).abs() < 1e-12, "{scaled:?}");
        }
        // The penalty of a completion without a score does not count.
        let advantages = of(&[3.0, 3.0, 3.0, f64::NAN], GrpoScale::Group);
        assert!((advantages[0] - 0.02).abs() < 1e-12 && advantages[3] == 0.0, "{advantages:?}");
    }
}
