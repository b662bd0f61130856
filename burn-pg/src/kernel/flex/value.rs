//! The squared error of values.

use burn::tensor::Tensor;

use super::{
    primitive::{Primitive, Stored, by_float_type},
    rows::Rows,
};
use crate::kernel::{
    ValueLimit,
    host::{Real, mean, vectorised},
};

/// `0.5 mean((V - R)^2)` for values and returns of shape `[M]`.
pub fn value_loss(values: &Tensor<1>, returns: &Tensor<1>, limit: ValueLimit<'_>) -> Option<Tensor<1>> {
    let values = Primitive::of(values.clone())?;
    let (new, returns) = (values.values(), Primitive::of(returns.clone())?.values());
    let old = match limit {
        ValueLimit::None => new.clone(),
        ValueLimit::Larger(old, _) | ValueLimit::Moved(old, _) => Primitive::of(old.clone())?.values(),
    };
    by_float_type!(new.dtype(), T => {
        let (new, old, returns) = (T::numbers(&new), T::numbers(&old), T::numbers(&returns));
        let (mut errors, mut slopes) = (vec![0.0; new.len()], vec![0.0; new.len()]);
        let share = T::of(1.0 / new.len() as f64);
        match limit {
            // Nothing has moved from where it is.
            ValueLimit::None => errors_of_moved(&mut errors, &mut slopes, new, old, returns, 0.0, share),
            ValueLimit::Moved(_, range) => {
                errors_of_moved(&mut errors, &mut slopes, new, old, returns, T::of(range), share);
            }
            ValueLimit::Larger(_, range) => {
                larger_errors(&mut errors, &mut slopes, new, old, returns, T::of(range), share);
            }
        }
        Rows { values: vec![T::of(0.5) * mean(&errors)], slopes: vec![slopes] }.record(vec![values])
    })
}

vectorised! {
    /// Errors, and slopes of half their mean, of which each is the `share`.
    fn errors_of_moved<'a, T>(
        errors: &'a mut [T],
        slopes: &'a mut [T],
        new: &'a [T],
        old: &'a [T],
        returns: &'a [T],
        range: T,
        share: T,
    ) -> () {
        let samples = new.iter().zip(old).zip(returns);
        for ((error, slope), ((&new, &old), &target)) in errors.iter_mut().zip(slopes).zip(samples) {
            let (moved, follows) = move_within(new, old, range);
            let difference = moved - target;
            *error = difference * difference;
            *slope = if follows { difference * share } else { T::zero() };
        }
    }

    fn larger_errors<'a, T>(
        errors: &'a mut [T],
        slopes: &'a mut [T],
        new: &'a [T],
        old: &'a [T],
        returns: &'a [T],
        range: T,
        share: T,
    ) -> () {
        let samples = new.iter().zip(old).zip(returns);
        for ((error, slope), ((&new, &old), &target)) in errors.iter_mut().zip(slopes).zip(samples) {
            let (moved, follows) = move_within(new, old, range);
            let (free, limited) = (new - target, moved - target);
            let (of_free, of_limited) = (free * free, limited * limited);
            let is_limited = of_limited > of_free;
            *error = if is_limited { of_limited } else { of_free };
            let limited = if follows { limited } else { T::zero() };
            *slope = if is_limited { limited } else { free } * share;
        }
    }
}

/// The value, or the end of the range around the old one that it has moved beyond; and whether it is the value.
#[inline(always)]
fn move_within<T: Real>(new: T, old: T, range: T) -> (T, bool) {
    let distance = new - old;
    let (above, below) = (distance > range, distance < -range);
    let ahead = if above { range } else { distance };
    (old + if below { -range } else { ahead }, !(above || below))
}
