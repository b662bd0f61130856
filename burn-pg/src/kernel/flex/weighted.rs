//! Weighted sums over samples.

use std::{marker::PhantomData, sync::Arc};

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            checkpoint::base::Checkpointer,
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops},
        },
        flex::FlexTensor,
    },
    tensor::Tensor,
};

use super::primitive::{Primitive, Stored, by_float_type, metric, plain, record};
use crate::kernel::host::{dot_product, sum};

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

/// `sum_k c_k sum_i w_i l_ki / mass` as one operation, which carries gradients to up to six losses. Shape `[1]`.
pub fn weighted_total(summands: &[(f64, Tensor<1>)], weights: Option<&Tensor<1>>, mass: f64) -> Option<Tensor<1>> {
    let weights = values(weights).ok()?;
    let losses: Vec<Primitive> =
        summands.iter().map(|(_, losses)| Primitive::of(losses.clone())).collect::<Option<_>>()?;
    by_float_type!(losses.first()?.values().dtype(), T => total::<T>(summands, losses, weights, mass)).flatten()
}

fn total<T: Stored>(
    summands: &[(f64, Tensor<1>)],
    losses: Vec<Primitive>,
    weights: Option<FlexTensor>,
    mass: f64,
) -> Option<Tensor<1>> {
    let factors: Vec<T> = summands.iter().map(|(factor, _)| T::of(*factor)).collect();
    let sums = losses.iter().map(|losses| divided_sum::<T>(&losses.values(), weights.as_ref(), mass));
    let total = factors.iter().zip(sums).fold(T::zero(), |total, (&factor, sum)| total + factor * sum);
    let total = T::tensor(vec![total], &[1]);
    if losses.iter().all(|losses| matches!(losses, Primitive::Plain(_))) {
        return Some(plain(total));
    }
    let len = losses[0].shape().num_elements();
    let factors = factors.into_iter().map(|factor| factor / T::of(mass)).collect();
    let kept = Arc::new(Kept { factors, len, weights: weights.map(|weights| T::numbers(&weights).to_vec()) });
    let guards: Vec<NodeGuard> = losses.into_iter().map(|losses| losses.into_autodiff().node()).collect();
    let step = Step::<T>(PhantomData);
    let output = match guards.len() {
        1 => record::<_, 1>(step, guards, kept, total),
        2 => record::<_, 2>(step, guards, kept, total),
        3 => record::<_, 3>(step, guards, kept, total),
        4 => record::<_, 4>(step, guards, kept, total),
        5 => record::<_, 5>(step, guards, kept, total),
        6 => record::<_, 6>(step, guards, kept, total),
        _ => return None,
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
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

#[derive(Debug)]
struct Kept<T> {
    /// `c_k / mass`
    factors: Vec<T>,
    /// Samples, M.
    len: usize,
    weights: Option<Vec<T>>,
}

#[derive(Debug)]
struct Step<T>(PhantomData<T>);

impl<T: Stored, const N: usize> Backward<Flex, N> for Step<T> {
    type State = Arc<Kept<T>>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let outer = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let outer = T::numbers(&outer)[0];
        let Kept { factors, len, weights } = &*ops.state;
        for (parent, &factor) in ops.parents.into_iter().zip(factors) {
            let Some(node) = parent else { continue };
            let each = outer * factor;
            let gradient = match weights {
                None => vec![each; *len],
                Some(weights) => weights.iter().map(|&weight| each * weight).collect(),
            };
            gradients.register::<Flex>(node.id, T::tensor(gradient, &[*len]));
        }
    }
}
