//! Weighted sums over samples.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::primitive::{Primitive, Stored, by_float_type, record, vector};
use crate::kernel::host::{dot_product, sum};

/// Largest number of losses that one operation adds up.
const MOST_LOSSES: usize = 6;

/// `sum_i w_i x_i / mass` of each vector, without gradient. Shape `[1]` each.
pub fn weighted_sums(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Option<Vec<Tensor<1>>> {
    let weights = values(weights).ok()?;
    vectors
        .iter()
        .map(|numbers| {
            let values = Primitive::of(numbers.clone())?.values();
            by_float_type!(values.dtype(), T => vector(vec![divided_sum::<T>(&values, weights.as_ref(), mass)]))
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

/// Returns the elements of the weights, if there are weights. An error means that they are on another backend.
fn values(weights: Option<&Tensor<1>>) -> Result<Option<FlexTensor>, ()> {
    weights.map(|weights| Ok(Primitive::of(weights.clone()).ok_or(())?.values())).transpose()
}

fn divided_sum<T: Stored>(vector: &FlexTensor, weights: Option<&FlexTensor>, mass: f64) -> T {
    let sum = match weights {
        None => sum(T::numbers(vector)),
        Some(weights) => dot_product(T::numbers(vector), T::numbers(weights)),
    };
    sum / T::of(mass)
}
