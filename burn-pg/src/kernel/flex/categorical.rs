//! Log-probabilities and entropies of categorical distributions, computed from logits.

use burn::tensor::{Int, Tensor};

use super::{
    primitive::{Primitive, Stored, by_float_type, integers},
    rows::Rows,
};
use crate::kernel::host::Softmax;

/// Evaluates `$run` with the softmax of each row, and with slices for one value of each row and its derivatives.
macro_rules! by_rows {
    ($logits:expr, |$softmax:ident, $values:ident, $derivatives:ident| $run:expr) => {{
        let [rows, width] = $logits.dims();
        let logits = Primitive::of($logits.clone())?;
        let elements = logits.values();
        by_float_type!(elements.dtype(), T => {
            let mut $softmax = Softmax::default();
            $softmax.load(T::elements(&elements), width);
            let (mut values, mut derivatives) = (vec![0.0; rows], vec![0.0; rows * width]);
            let ($values, $derivatives) = (&mut values, &mut derivatives);
            $run;
            Rows { values, derivatives: vec![derivatives] }.record(vec![logits])
        })
    }};
}

/// `logits[action] - log sum exp logits` for one action in each row.
pub fn log_prob(logits: &Tensor<2>, actions: &Tensor<1, Int>) -> Option<Tensor<1>> {
    let actions = integers(actions.clone())?;
    let actions = actions.into_iter().map(|action| usize::try_from(action).expect("no action is negative"));
    by_rows!(logits, |softmax, values, derivatives| softmax.log_probs(actions, values, derivatives))
}

/// `-sum_k p_k log p_k`, where an impossible action contributes 0.
pub fn entropy(logits: &Tensor<2>) -> Option<Tensor<1>> {
    by_rows!(logits, |softmax, values, derivatives| softmax.entropies(values, derivatives))
}
