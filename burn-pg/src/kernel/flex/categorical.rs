//! Log-probabilities and entropies of categorical distributions, computed from logits.

use burn::tensor::{Int, Tensor};

use super::{
    primitive::{Primitive, Stored, by_float_type, integers},
    rows::Rows,
};
use crate::kernel::host::vectorised;

/// `logits[action] - log sum exp logits` for one action in each row.
pub fn log_prob(logits: &Tensor<2>, actions: &Tensor<1, Int>) -> Option<Tensor<1>> {
    let [_, width] = logits.dims();
    let logits = Primitive::of(logits.clone())?;
    let values = logits.values();
    let actions = integers(actions.clone())?;
    by_float_type!(values.dtype(), T => {
        let Softmax { mut shifted, mut exps, sums } = Softmax::new(T::elements(&values), width);
        let rows = exps.chunks_exact_mut(width).zip(shifted.chunks_exact_mut(width)).zip(&sums).zip(&actions);
        let log_probs = rows.map(|(((probs, shifted), &sum), &action)| {
            let action = usize::try_from(action).expect("no action is negative");
            for prob in &mut *probs {
                *prob = -*prob / sum;
            }
            probs[action] += 1.0;
            shifted[action] - sum.ln()
        });
        Rows { values: log_probs.collect(), derivatives: vec![exps] }.record(vec![logits])
    })
}

/// `-sum_k p_k log p_k`, where an impossible action contributes 0.
pub fn entropy(logits: &Tensor<2>) -> Option<Tensor<1>> {
    let [_, width] = logits.dims();
    let logits = Primitive::of(logits.clone())?;
    let values = logits.values();
    by_float_type!(values.dtype(), T => {
        let Softmax { shifted, mut exps, sums } = Softmax::new(T::elements(&values), width);
        let rows = exps.chunks_exact_mut(width).zip(shifted.chunks_exact(width)).zip(&sums);
        let entropies = rows.map(|((probs, shifted), &sum)| {
            let log_sum = sum.ln();
            let mut entropy = 0.0;
            for (prob, &shifted) in probs.iter_mut().zip(shifted) {
                *prob /= sum;
                entropy -= if *prob > 0.0 { *prob * (shifted - log_sum) } else { 0.0 };
            }
            for (prob, &shifted) in probs.iter_mut().zip(shifted) {
                *prob = if *prob > 0.0 { -*prob * (shifted - log_sum + entropy) } else { *prob * 0.0 };
            }
            entropy
        });
        Rows { values: entropies.collect(), derivatives: vec![exps] }.record(vec![logits])
    })
}

/// Intermediate results of the softmax of each row.
struct Softmax<T> {
    /// The logits minus the largest of their row.
    shifted: Vec<T>,
    exps: Vec<T>,
    /// The sum of each row of `exps`.
    sums: Vec<T>,
}

impl<T: Stored> Softmax<T> {
    fn new(logits: &[T], width: usize) -> Self {
        let mut shifted = logits.to_vec();
        shift(&mut shifted, width);
        let mut exps = shifted.clone();
        T::exp_all(&mut exps);
        let sums = exps.chunks_exact(width).map(|row| row.iter().fold(T::zero(), |sum, &exp| sum + exp)).collect();
        Self { shifted, exps, sums }
    }
}

vectorised! {
    /// Subtracts the largest value of each row from all of its values.
    fn shift<'a, T>(rows: &'a mut [T], width: usize) -> () {
        for row in rows.chunks_exact_mut(width) {
            let mut largest = T::neg_infinity();
            for &x in &*row {
                largest = if x > largest { x } else { largest };
            }
            for x in row {
                *x = *x - largest;
            }
        }
    }
}
