//! The categorical distribution, against 60-digit arithmetic: log-probabilities, entropies and their gradients.

use burn::tensor::Tensor;
use burn_pg::envs::EnvRng;
use burn_pg::{
    distribution::{ActionTensor, Categorical, Distribution},
    envs::ActionBuffer,
};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{Precision, values},
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    logits: Vec<Number>,
    action: i64,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    log_prob: Number,
    entropy: Number,
    grad_log_prob_wrt_logits: Vec<Number>,
    grad_entropy_wrt_logits: Vec<Number>,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    logits: Vec<Number>,
}

fn numbers(numbers: &[Number]) -> Vec<f64> {
    numbers.iter().map(|number| number.0).collect()
}

/// Relative to the larger of 1 and the expected size. What lies beyond the range of single precision has to be infinite
/// or as large as that type can say.
fn assert_near(precision: &Precision, ours: &[f64], expected: &[Number], what: &str) {
    let tolerance = if precision.is_double() { 1e-12 } else { 2e-6 };
    let largest = if precision.is_double() { f64::MAX } else { f64::from(f32::MAX) };
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (&ours, &Number(expected)) in ours.iter().zip(expected) {
        let beyond = expected.abs() >= largest && ours.abs() >= largest && ours.signum() == expected.signum();
        let near = (ours - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(beyond || near || ours == expected, "{precision:?} {what}: {ours} instead of {expected}");
    }
}

#[test]
fn log_probabilities_entropies_and_gradients_are_exact() {
    let file: File = golden("dist/categorical.json");
    assert!(!file.cases.is_empty());
    for precision in Precision::all() {
        for case in &file.cases {
            let logits = precision.tensor(numbers(&case.logits), [1, case.logits.len()]).require_grad();
            let distribution = Categorical::new(logits.clone());
            let action = ActionTensor::Discrete(precision.indices(&[case.action]));
            let check = |output: Tensor<1>, value: Number, gradient: &[Number], what: &str| {
                let what = format!("{} {what}", case.name);
                assert_near(&precision, &values(output.clone()), &[value], &what);
                let ours = logits.grad(&output.backward()).unwrap();
                assert_near(&precision, &values(ours), gradient, &format!("{what} gradient"));
            };
            let Expected { log_prob, entropy, .. } = case.expected;
            check(distribution.log_prob(&action), log_prob, &case.expected.grad_log_prob_wrt_logits, "log-probability");
            // A graph serves one backward pass.
            let distribution = Categorical::new(logits.clone());
            check(distribution.entropy(), entropy, &case.expected.grad_entropy_wrt_logits, "entropy");
        }
    }
}

#[test]
#[allow(clippy::cast_possible_truncation)] // the recorded logits are exact in single precision
fn logits_that_are_no_distribution_are_refused() {
    let file: File = golden("dist/categorical.json");
    let mut refused = 0;
    // Actions out of range are refused by the action space; here, what a network puts out.
    for case in file.invalid.iter().filter(|c| !c.name.starts_with("action") && !c.logits.is_empty()) {
        let logits: Vec<f32> = case.logits.iter().map(|number| number.0 as f32).collect();
        let mut actions = ActionBuffer::Discrete(Vec::new());
        let sampled = Categorical::sample(&logits, &mut [EnvRng::new(0)], &mut actions, &mut Vec::new());
        assert!(sampled.is_err(), "{}", case.name);
        refused += 1;
    }
    assert!(refused > 0);
}
