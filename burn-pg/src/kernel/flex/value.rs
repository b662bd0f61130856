//! The squared error of values.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    ValueLimit,
    formula::{self, Dual, Number},
    host::{Real, vectorised},
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
        let inputs = [T::elements(&new), T::elements(&returns), T::elements(&old)];
        let (mut errors, mut derivatives) = (vec![0.0; inputs[0].len()], vec![0.0; inputs[0].len()]);
        match limit {
            ValueLimit::None => unlimited(&mut errors, &mut derivatives, inputs),
            ValueLimit::Clipped(_, range) => clipped(&mut errors, &mut derivatives, inputs, T::of(*range)),
            ValueLimit::Larger(_, range) => larger(&mut errors, &mut derivatives, inputs, T::of(*range)),
        }
        Rows { values: errors, derivatives: vec![derivatives] }.record(vec![values])
    })
}

/// Loops over samples. The error of a sample is a formula of its value, target and old value.
macro_rules! each_sample {
    ($errors:ident, $derivatives:ident, $inputs:ident, |$value:ident, $target:ident, $old:ident| $error:expr) => {
        let [new, targets, old] = $inputs;
        let samples = new.iter().zip(targets).zip(old);
        for ((error, derivative), ((&value, &target), &old)) in $errors.iter_mut().zip($derivatives).zip(samples) {
            let $value = Dual::<T>::variable(value, 0);
            let [$target, $old] = [target, old].map(Dual::<T>::constant);
            let result = $error;
            (*error, *derivative) = (result.value, result.derivatives[0]);
        }
    };
}

vectorised! {
    fn unlimited<'a, T>(errors: &'a mut [T], derivatives: &'a mut [T], inputs: [&'a [T]; 3]) -> () {
        each_sample!(errors, derivatives, inputs, |value, target, _old| formula::value_error(&value, &target));
    }

    fn clipped<'a, T>(errors: &'a mut [T], derivatives: &'a mut [T], inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(errors, derivatives, inputs, |value, target, old| {
            formula::value_error(&formula::clipped_value(&value, &old, range), &target)
        });
    }

    fn larger<'a, T>(errors: &'a mut [T], derivatives: &'a mut [T], inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(errors, derivatives, inputs, |value, target, old| {
            let limited = formula::value_error(&formula::clipped_value(&value, &old, range), &target);
            formula::value_error(&value, &target).larger(limited)
        });
    }
}
