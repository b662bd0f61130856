//! What a source of texts does.

use burn_pg::loss::Averaging;

use super::super::{Credit, KlPlace, KlWeight, Sample};
use crate::generate::Limit;

/// What a [`TextSource`](super::TextSource) does for each update.
#[derive(Debug, Clone, PartialEq)]
pub struct TextSourceSpec {
    /// Prompts for each update, at least 1.
    pub prompts: usize,
    /// Completions of each prompt, at least 1; at least 2 if they are compared with each other.
    pub group_size: usize,
    /// When a completion ends.
    pub limit: Limit,
    /// How scores become advantages.
    pub credit: Credit,
    /// Weight of the KL divergence from the reference, 0 or more; needs a reference if it is not 0.
    pub kl_weight: KlWeight,
    /// Where the KL divergence is subtracted.
    pub kl_place: KlPlace,
    /// True to measure the divergence over the whole vocabulary too (the metric `kl_exact`); needs a reference.
    pub measure_kl: bool,
    /// Subtracted from the score of a completion that was cut off, 0 or more.
    pub missing_end: f64,
    /// True to scale the rewards of tokens to a standard deviation of 1; only with a critic.
    pub whiten_rewards: bool,
    /// True to shift and scale the advantages of all samples (tokens, or completions) to mean 0 and a standard deviation of 1.
    pub whiten_advantages: bool,
    /// What a sample is; [`Sample::Token`] with a critic.
    pub sample: Sample,
    /// How losses of tokens are averaged.
    pub averaging: Averaging,
    /// Completions that the reference reads at once, at least 1: fewer take less memory. Without effect on results.
    pub rows_at_once: usize,
    /// Seeds the order of the prompts, and the random numbers of each completion.
    pub seed: u64,
}

impl TextSourceSpec {
    /// A source of groups without a KL divergence and without extras.
    #[must_use]
    pub fn new(prompts: usize, group_size: usize, limit: Limit, credit: Credit) -> Self {
        Self {
            prompts,
            group_size,
            limit,
            credit,
            kl_weight: KlWeight::Fixed(0.0),
            kl_place: KlPlace::Reward,
            measure_kl: false,
            missing_end: 0.0,
            whiten_rewards: false,
            whiten_advantages: false,
            sample: Sample::Token,
            averaging: Averaging::Token,
            rows_at_once: 64,
            seed: 0,
        }
    }

    /// Number of completions for each update.
    pub(super) fn completions(&self) -> usize {
        self.prompts * self.group_size
    }
}
