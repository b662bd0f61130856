//! The squared error of values.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    ValueLimit,
    host::{
        Real,
        loss::{self, LossRows},
    },
};

/// Half the squared error of values from returns. Shape `[M]` each.
pub fn value_error(values: &Tensor<1>, returns: &Tensor<1>, limit: &ValueLimit) -> Option<Tensor<1>> {
    let values = Primitive::of(values.clone())?;
    let (new, returns) = (values.values(), Primitive::of(returns.clone())?.values());
    let old = match limit {
        ValueLimit::None => new.clone(),
        ValueLimit::Larger(old, _) | ValueLimit::Clipped(old, _) => Primitive::of(old.clone())?.values(),
    };
    by_float_type!(new.dtype(), T => {
        let [new, returns, old] = [T::elements(&new), T::elements(&returns), T::elements(&old)];
        let (mut errors, mut derivatives) = (vec![0.0; new.len()], vec![0.0; new.len()]);
        let rows = LossRows { losses: &mut errors, derivatives: &mut derivatives, metrics: [&mut [], &mut []] };
        match limit {
            ValueLimit::None => loss::value_error(rows, [new, returns]),
            ValueLimit::Clipped(_, range) => loss::clipped_value_error(rows, [new, returns, old], T::of(*range)),
            ValueLimit::Larger(_, range) => loss::larger_value_error(rows, [new, returns, old], T::of(*range)),
        }
        Rows { values: errors, derivatives: vec![derivatives] }.record(vec![values])
    })
}
