//! Weighted sums over samples.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::primitive::{Primitive, Stored, by_float_type, metric, record};
use crate::kernel::host::{dot_product, sum};

/// Largest number of losses that one operation adds up.
const MOST_LOSSES: usize = 6;

/// `sum_i w_i x_i / mass` of each vector, without gradient. Shape `[1]` each.
pub fn weighted_sums(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Option<Vec<Tensor<1>>> {
    let weights = values(weights).ok()?;
    vectors
        .iter()
        .map(|vector| {
            let vector = Primitive::of(vector.clone())?.values();
            by_float_type!(vector.dtype(), T => metric(divided_sum::<T>(&vector, weights.as_ref(), mass)))
        })
        .collect()
}

/// `sum_k c_k sum_i w_i l_ki / mass` as one operation, which carries gradients to up to [`MOST_LOSSES`] losses.
/// Shape `[1]`.
pub fn weighted_total(summands: &[(f64, Tensor<1>)], weights: Option<&Tensor<1>>, mass: f64) -> Option<Tensor<1>> {
    if summands.len() > MOST_LOSSES {
        return None;
    }
    let weights = values(weights).ok()?;
    let losses: Vec<Primitive> =
        summands.iter().map(|(_, losses)| Primitive::of(losses.clone())).collect::<Option<_>>()?;
    by_float_type!(losses.first()?.values().dtype(), T => total::<T>(summands, losses, weights, mass))
}

fn total<T: Stored>(
    summands: &[(f64, Tensor<1>)],
    losses: Vec<Primitive>,
    weights: Option<FlexTensor>,
    mass: f64,
) -> Tensor<1> {
    let factors: Vec<T> = summands.iter().map(|(factor, _)| T::of(*factor)).collect();
    let sums = losses.iter().map(|losses| divided_sum::<T>(&losses.values(), weights.as_ref(), mass));
    let total = factors.iter().zip(sums).fold(T::zero(), |total, (&factor, sum)| total + factor * sum);
    let len = losses[0].shape().num_elements();
    record(losses, T::tensor(vec![total], &[1]), move |outer, wanted| {
        let outer = T::numbers(outer)[0];
        let gradient = |(&factor, _): (&T, _)| {
            let each = outer * (factor / T::of(mass));
            let gradient = match &weights {
                None => vec![each; len],
                Some(weights) => T::numbers(weights).iter().map(|&weight| each * weight).collect(),
            };
            T::tensor(gradient, &[len])
        };
        factors.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(gradient).collect()
    })
}

/// The error for weights on another backend.
struct Elsewhere;

/// Returns the elements of the weights, if there are weights.
fn values(weights: Option<&Tensor<1>>) -> Result<Option<FlexTensor>, Elsewhere> {
    weights.map(|weights| Ok(Primitive::of(weights.clone()).ok_or(Elsewhere)?.values())).transpose()
}

fn divided_sum<T: Stored>(vector: &FlexTensor, weights: Option<&FlexTensor>, mass: f64) -> T {
    let sum = match weights {
        None => sum(T::numbers(vector)),
        Some(weights) => dot_product(T::numbers(vector), T::numbers(weights)),
    };
    sum / T::of(mass)
}
