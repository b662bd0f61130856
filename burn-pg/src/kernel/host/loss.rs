//! Losses of samples, with derivatives: [formulas](formula) in loops over samples.

use super::vector::vectorised;
use crate::kernel::formula::{self, Dual, Number};

/// Results for each sample.
pub(crate) struct LossRows<'a, T> {
    pub losses: &'a mut [T],
    /// The derivatives of the losses with respect to the first input.
    pub derivatives: &'a mut [T],
    /// Numbers to report; only as many as the function computes are written.
    pub metrics: [&'a mut [T]; 2],
}

/// Loops over samples. `$formula` gives the loss, which is a function of the first input, and up to two numbers to report.
macro_rules! each_sample {
    ($rows:ident, $inputs:ident, [$variable:ident $(, $constant:ident)*] => $formula:block) => {
        let LossRows { losses, derivatives, metrics } = $rows;
        let len = losses.len();
        let derivatives = &mut derivatives[..len];
        let [$variable $(, $constant)*] = $inputs.map(|input| &input[..len]);
        for i in 0..len {
            let $variable = Dual::<T>::variable($variable[i], 0);
            $(let $constant = Dual::<T>::constant($constant[i]);)*
            let [loss, reported @ ..] = $formula;
            (losses[i], derivatives[i]) = (loss.value, loss.derivatives[0]);
            for k in 0..reported.len() {
                metrics[k][i] = reported[k].value;
            }
        }
    };
}

vectorised! {
    /// Inputs: log-probabilities, advantages.
    pub(crate) fn policy_gradient<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2]) -> () {
        each_sample!(rows, inputs, [log_prob, advantage] => {
            [formula::policy_gradient(&log_prob, &advantage)]
        });
    }

    /// Inputs: log-probabilities, old ones, advantages. Reports k3. Beyond a log-ratio of `limit`, ratios follow the tangent of
    /// the exponential.
    pub(crate) fn surrogate<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64) -> () {
        each_sample!(rows, inputs, [log_prob, old, advantage] => {
            let log_ratio = log_prob - old;
            let ratio = formula::ratio(&log_ratio, limit);
            [formula::surrogate(&ratio, &advantage), formula::k3(&ratio, &log_ratio)]
        });
    }

    /// As [`surrogate`], clipped. Reports k3, and 1 where the ratio is outside the bounds.
    pub(crate) fn clipped_surrogate<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64, bounds: [T; 2]) -> () {
        each_sample!(rows, inputs, [log_prob, old, advantage] => {
            let log_ratio = log_prob - old;
            let ratio = formula::ratio(&log_ratio, limit);
            [formula::clipped_surrogate(&ratio, &advantage, bounds), formula::k3(&ratio, &log_ratio), formula::outside(&ratio, bounds)]
        });
    }

    /// As [`surrogate`], with a penalty. Reports k3, and the weight of the penalty.
    pub(crate) fn kl_penalty<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], limit: f64, weight: T) -> () {
        each_sample!(rows, inputs, [log_prob, old, advantage] => {
            let log_ratio = log_prob - old;
            let ratio = formula::ratio(&log_ratio, limit);
            let kl = formula::k3(&ratio, &log_ratio);
            [formula::kl_penalty(&ratio, &kl, &advantage, weight), kl, Dual::constant(weight)]
        });
    }

    /// Inputs: log-probabilities, those of a reference. The estimator k1 of the KL divergence. Reports k3.
    pub(crate) fn reference_k1<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs, [log_prob, reference] => {
            let difference = log_prob - reference;
            let kl = formula::k3(&formula::ratio(&-difference, limit), &-difference);
            [difference, kl]
        });
    }

    /// Inputs: log-probabilities, those of a reference. The estimator k2 of the KL divergence. Reports k3.
    pub(crate) fn reference_k2<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs, [log_prob, reference] => {
            let difference = log_prob - reference;
            let kl = formula::k3(&formula::ratio(&-difference, limit), &-difference);
            [formula::half_square(&difference), kl]
        });
    }

    /// Inputs: log-probabilities, those of a reference. The estimator k3 of the KL divergence. Reports k3.
    pub(crate) fn reference_k3<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2], limit: f64) -> () {
        each_sample!(rows, inputs, [log_prob, reference] => {
            let difference = log_prob - reference;
            let kl = formula::k3(&formula::ratio(&-difference, limit), &-difference);
            [kl, kl]
        });
    }

    /// Inputs: values, targets.
    pub(crate) fn value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 2]) -> () {
        each_sample!(rows, inputs, [value, target] => {
            [formula::value_error(&value, &target)]
        });
    }

    /// Inputs: values, targets, old values.
    pub(crate) fn clipped_value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(rows, inputs, [value, target, old] => {
            [formula::value_error(&formula::clipped_value(&value, &old, range), &target)]
        });
    }

    /// Inputs: values, targets, old values.
    pub(crate) fn larger_value_error<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 3], range: T) -> () {
        each_sample!(rows, inputs, [value, target, old] => {
            let clipped = formula::value_error(&formula::clipped_value(&value, &old, range), &target);
            [formula::value_error(&value, &target).larger(clipped)]
        });
    }

    /// Input: entropies. Reports them.
    pub(crate) fn entropy_bonus<'a, T>(rows: LossRows<'a, T>, inputs: [&'a [T]; 1]) -> () {
        each_sample!(rows, inputs, [entropy] => {
            [-entropy, entropy]
        });
    }
}
