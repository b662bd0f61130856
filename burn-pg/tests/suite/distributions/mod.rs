//! Distributions other than the categorical one, compared with 60-digit arithmetic and PyTorch; and sampling from them.

mod beta;
mod discrete;
mod gaussian;
mod sampling;

use burn::tensor::Tensor;
use serde::Deserialize;

use crate::{
    categorical::{assert_near_within, numbers},
    golden::{Number, golden},
    precision::{Precision, values},
};

#[derive(Deserialize)]
struct File<C> {
    cases: Vec<C>,
}

fn cases<C: serde::de::DeserializeOwned>(file: &str) -> Vec<C> {
    let File { cases } = golden(file);
    assert!(!cases.is_empty());
    cases
}

fn row(precision: &Precision, values: &[Number]) -> Tensor<2> {
    precision.tensor(numbers(values), [1, values.len()])
}

/// The expected value of an output, and its gradients. `summands` is the magnitude of summands that cancel, or 0.
struct Expectation<'a> {
    value: Number,
    summands: f64,
    /// For each input: the input, the expected gradient, and the magnitude of its summands.
    gradients: &'a [(&'a Tensor<2>, &'a [Number], f64)],
}

fn check(precision: &Precision, output: &Tensor<1>, expected: &Expectation<'_>, what: &str) {
    assert_near_within(precision, expected.summands, &values(output.clone()), &[expected.value], what);
    if !expected.gradients.is_empty() {
        let found = output.clone().backward();
        for (input, gradient, summands) in expected.gradients {
            let ours = input.grad(&found).map_or_else(|| vec![0.0; gradient.len()], values);
            assert_near_within(precision, *summands, &ours, gradient, &format!("{what} gradient"));
        }
    }
}

/// Expects a value without gradients.
fn check_value(precision: &Precision, output: &Tensor<1>, value: Number, summands: f64, what: &str) {
    check(precision, output, &Expectation { value, summands, gradients: &[] }, what);
}
