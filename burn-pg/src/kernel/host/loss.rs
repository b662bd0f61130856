//! Losses of samples, with derivatives: [formulas](formula) in loops over samples.

use super::vector::vectorised;
use crate::kernel::formula::{self, Dual};

/// Results for each sample.
pub(crate) struct LossRows<'a, T> {
    pub losses: &'a mut [T],
    /// The derivatives of the losses with respect to the first input.
    pub derivatives: &'a mut [T],
    /// Numbers to report; only as many as the function computes are written.
    pub metrics: [&'a mut [T]; 2],
}

/// Loops over samples. `$term` gives the loss, which is a function of the first input, and up to two numbers to report.
macro_rules! each_sample {
    ($rows:ident, $inputs:ident => $term:expr) => {
        let LossRows { losses, derivatives, metrics } = $rows;
        let len = losses.len();
        let derivatives = &mut derivatives[..len];
        let inputs = $inputs.map(|input| &input[..len]);
        for i in 0..len {
            let mut values = inputs.map(|input| Dual::<T>::constant(input[i]));
            values[0] = Dual::variable(inputs[0][i], 0);
            let [loss, reported @ ..] = $term(&values);
            (losses[i], derivatives[i]) = (loss.value, loss.derivatives[0]);
            for k in 0..reported.len() {
                metrics[k][i] = reported[k].value;
            }
        }
    };
}

// The inputs are those of the terms in `formula`, one array each.
vectorised! {
    pub(crate) fn policy_gradient<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2]) -> () {
        each_sample!(rows, inputs => formula::policy_gradient_term);
    }

    pub(crate) fn surrogate<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64) -> () {
        each_sample!(rows, inputs => |inputs| formula::surrogate_term(inputs, limit));
    }

    pub(crate) fn clipped_surrogate<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64, bounds: [T; 3]) -> () {
        each_sample!(rows, inputs => |inputs| formula::clipped_surrogate_term(inputs, limit, bounds));
    }

    /// Reports the weight of the penalty too.
    pub(crate) fn kl_penalty<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64, weight: T) -> () {
        each_sample!(rows, inputs => |inputs| {
            let [loss, kl] = formula::kl_penalty_term(inputs, limit, weight);
            [loss, kl, Dual::constant(weight)]
        });
    }

    pub(crate) fn reference_k1<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs => |inputs| formula::reference_k1_term(inputs, limit));
    }

    pub(crate) fn reference_k2<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs => |inputs| formula::reference_k2_term(inputs, limit));
    }

    pub(crate) fn reference_k3<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs => |inputs| formula::reference_k3_term(inputs, limit));
    }

    pub(crate) fn value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2]) -> () {
        each_sample!(rows, inputs => formula::value_term);
    }

    pub(crate) fn clipped_value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(rows, inputs => |inputs| formula::clipped_value_term(inputs, range));
    }

    pub(crate) fn larger_value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(rows, inputs => |inputs| formula::larger_value_term(inputs, range));
    }

    pub(crate) fn entropy_bonus<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 1]) -> () {
        each_sample!(rows, inputs => formula::entropy_term);
    }
}
