//! Samples as a step sees them.

use burn::tensor::Tensor;

use crate::{
    distribution::Distribution,
    loss::{LossContext, normalize, normalize_by},
    policy::Prediction,
    source::Batch,
};

/// The samples with advantages that are shifted and scaled to mean 0 and deviation 1 over all of them.
pub(crate) fn normalize_advantages(mut samples: Batch) -> Batch {
    let counted: Tensor<1> = match samples.valid_rows() {
        None => {
            samples.advantages = normalize(samples.advantages);
            return samples;
        }
        Some(rows) => samples.advantages.clone().select(0, rows),
    };
    samples.advantages = normalize_by(samples.advantages, counted);
    samples
}

/// What a policy says of samples, beside what was said when they were collected.
pub(crate) fn context<D: Distribution>(prediction: Prediction<D>, samples: Batch) -> LossContext {
    let Prediction { distribution, values, .. } = prediction;
    let valid = samples.valid_rows();
    let context = LossContext {
        log_probs: distribution.log_prob(&samples.actions),
        entropies: distribution.entropy(),
        values,
        old_log_probs: samples.log_probs,
        old_values: samples.values,
        advantages: samples.advantages,
        returns: samples.returns,
        reference_log_probs: samples.reference_log_probs,
        progress: samples.progress,
    };
    match valid {
        None => context,
        Some(rows) => context.select(&rows),
    }
}
