//! Weighted sums over samples.

use burn::{backend::flex::FlexTensor, tensor::Tensor};

use super::primitive::{Primitive, Stored, by_float_type, record, vector};
use crate::kernel::host::{dot_product, sum};

/// Largest number of losses that one operation adds up.
const MOST_LOSSES: usize = 6;

/// Computes `sum_i w_i x_i / mass` (shape `[1]`) of each vector x of shape `[M]`, without gradient.
pub fn weighted_sums(vectors: &[Tensor<1>], weights: Option<&Tensor<1>>, mass: f64) -> Option<Vec<Tensor<1>>> {
    let weights = values(weights).ok()?;
    vectors
        .iter()
        .map(|tensor| {
            let values = Primitive::of(tensor.clone())?.values();
            by_float_type!(values.dtype(), T => vector(vec![divided_sum::<T>(&values, weights.as_ref(), mass)]))
        })
        .collect()
}

/// Computes `sum_k c_k sum_i w_i l_ki / mass` (shape `[1]`), with gradients to the losses. `None` if there are more
/// than [`MOST_LOSSES`] losses.
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
    record(losses, T::tensor(vec![total], &[1]), move |output_gradient, wanted| {
        let output_gradient = T::elements(output_gradient)[0];
        let gradient = |(&factor, _): (&T, _)| {
            let each = output_gradient * (factor / T::of(mass));
            let gradient = match &weights {
                None => vec![each; len],
                Some(weights) => T::elements(weights).iter().map(|&weight| each * weight).collect(),
            };
            T::tensor(gradient, &[len])
        };
        factors.iter().zip(wanted).filter(|(_, wanted)| **wanted).map(gradient).collect()
    })
}

/// Returns the elements of the weights, if there are any.
///
/// # Errors
/// If the weights are on another backend.
fn values(weights: Option<&Tensor<1>>) -> Result<Option<FlexTensor>, ()> {
    weights.map(|weights| Ok(Primitive::of(weights.clone()).ok_or(())?.values())).transpose()
}

fn divided_sum<T: Stored>(vector: &FlexTensor, weights: Option<&FlexTensor>, mass: f64) -> T {
    let sum = match weights {
        None => sum(T::elements(vector)),
        Some(weights) => dot_product(T::elements(vector), T::elements(weights)),
    };
    sum / T::of(mass)
}
