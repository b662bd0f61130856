//! PPO's clipped surrogate.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type, vector},
    rows::Rows,
};
use crate::kernel::{
    ClippedSurrogate,
    host::{
        Real,
        loss::{self, LossRows},
    },
};

/// Computes [`ClippedSurrogate`] from the current log-probabilities, the old ones, and the advantages, of shape `[M]`
/// each. Beyond a log-ratio of `limit`, ratios follow the tangent of the exponential.
pub fn clipped_surrogate(
    [new, old, advantages]: [&Tensor<1>; 3],
    bounds: [f64; 3],
    limit: f64,
) -> Option<ClippedSurrogate> {
    let log_probs = Primitive::of(new.clone())?;
    let new = log_probs.values();
    let old = Primitive::of(old.clone())?.values();
    let advantages = Primitive::of(advantages.clone())?.values();
    by_float_type!(new.dtype(), T => {
        let inputs = [T::elements(&new), T::elements(&old), T::elements(&advantages)];
        let zeros = || vec![0.0; inputs[0].len()];
        let (mut losses, mut derivatives, mut kl_estimates, mut clipped) = (zeros(), zeros(), zeros(), zeros());
        let metrics = [&mut kl_estimates[..], &mut clipped];
        let rows = LossRows { losses: &mut losses, derivatives: &mut derivatives, metrics };
        loss::clipped_surrogate(rows, inputs, limit, bounds.map(T::of));
        ClippedSurrogate {
            loss: Rows { values: losses, derivatives: vec![derivatives] }.record(vec![log_probs]),
            approx_kl: vector(kl_estimates),
            clipped: vector(clipped),
        }
    })
}
