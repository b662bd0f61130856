//! Bernoulli and multi-categorical distributions.

use burn::tensor::{Int, Tensor, TensorData};
use burn_pg::{
    device::Backend,
    distribution::{ActionTensor, Bernoulli, Categorical, Distribution, MultiCategorical},
};
use serde::Deserialize;

use super::{Expectation, cases, check, check_value, row};
use crate::{
    categorical::ABOUT_ONE,
    golden::Number,
    precision::{Precision, values},
};

#[derive(Deserialize)]
struct BernoulliCase {
    name: String,
    logits: Vec<Number>,
    action: Vec<f64>,
    expected: BernoulliExpected,
}

#[derive(Deserialize)]
struct BernoulliExpected {
    log_prob: Number,
    entropy: Number,
    grad_log_prob_wrt_logits: Vec<Number>,
}

#[test]
fn bernoulli_is_exact() {
    for precision in Precision::all() {
        for case in cases::<BernoulliCase>("dist/bernoulli.json") {
            let logits = row(&precision, &case.logits).require_grad();
            let distribution = Bernoulli::new(logits.clone());
            let action = ActionTensor::MultiBinary(precision.tensor(case.action.clone(), [1, case.action.len()]));
            let expected = &case.expected;
            // Without its own operation, the logarithm of a sigmoid is that of a sum of at least 1.
            let summands = if precision.backend == Backend::Flex { 0.0 } else { ABOUT_ONE };
            let gradients = [(&logits, &expected.grad_log_prob_wrt_logits[..], summands)];
            let log_prob = Expectation { value: expected.log_prob, summands, gradients: &gradients };
            check(&precision, &distribution.log_prob(&action), &log_prob, &case.name);
            check_value(&precision, &distribution.entropy(), expected.entropy, summands, &case.name);
            check_value(&precision, &distribution.kl(&distribution), Number(0.0), 0.0, &case.name);
        }
    }
}

/// `log(1 + e^x)`: minus the log-probability of `false` with log-odds `x`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn bernoulli_entropy_and_kl_divergence_match_their_formulas() {
    let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let variance = |logit: f64| sigmoid(logit) * sigmoid(-logit);
    let (near, far) = ([0.5, -4.0, 2.0, 0.0, -8.0], [-1.25, -2.0, 7.0, 1.5, 3.0]);
    let (certain, opposite) = ([1e4, -1e4, 1e4, -1e4], [-1e4, 1e4, 1e4, 0.5]);
    // The log-probabilities are as large as the logits and may nearly cancel; they cancel fully where one outcome is certain.
    // Gradients are then 0 or those of a probability.
    for (p, q, summands) in
        [(&near[..], &far[..], 40.0), (&far[..], &near[..], 40.0), (&certain[..], &opposite[..], ABOUT_ONE)]
    {
        let pairs = || p.iter().copied().zip(q.iter().copied());
        let sum = |of: &dyn Fn(f64, f64) -> f64| Number(pairs().map(|(p, q)| of(p, q)).sum());
        let each = |of: &dyn Fn(f64, f64) -> f64| pairs().map(|(p, q)| Number(of(p, q))).collect::<Vec<_>>();
        let entropy = sum(&|p, _| sigmoid(p) * softplus(-p) + sigmoid(-p) * softplus(p));
        let entropy_by_p = each(&|p, _| -p * variance(p));
        let of_true = |p: f64, q: f64| sigmoid(p) * (softplus(-q) - softplus(-p));
        let kl = sum(&|p, q| of_true(p, q) + of_true(-p, -q));
        let divergence_by_p = each(&|p, q| (p - q) * variance(p));
        let divergence_by_q = each(&|p, q| sigmoid(q) - sigmoid(p));

        for precision in Precision::all() {
            let leaf = |logits: &[f64]| precision.tensor(logits.to_vec(), [1, logits.len()]).require_grad();
            let (by_p, by_q) = (leaf(p), leaf(q));
            let bernoulli = |logits: &Tensor<2>| Bernoulli::new(logits.clone());
            let gradients = [(&by_p, &entropy_by_p[..], summands)];
            let expected = Expectation { value: entropy, summands, gradients: &gradients };
            check(&precision, &bernoulli(&by_p).entropy(), &expected, &format!("entropy of {p:?}"));
            let gradients = [(&by_p, &divergence_by_p[..], summands), (&by_q, &divergence_by_q[..], summands)];
            let expected = Expectation { value: kl, summands, gradients: &gradients };
            let what = format!("KL divergence of {p:?} from {q:?}");
            check(&precision, &bernoulli(&by_p).kl(&bernoulli(&by_q)), &expected, &what);
        }
    }
}

#[test]
fn bernoulli_kl_divergence_equals_that_of_categoricals_with_two_actions() {
    for precision in Precision::all() {
        let (p, q) = ([0.3, -4.0, 2.0], [-1.0, -2.0, 7.0]);
        let bernoulli = |logits: &[f64]| Bernoulli::new(precision.tensor(logits.to_vec(), [1, 3]));
        let ours = values(bernoulli(&p).kl(&bernoulli(&q)))[0];
        let pair = |logit: f64| Categorical::new(precision.tensor(vec![logit, 0.0], [1, 2]));
        let theirs: f64 = p.iter().zip(q).map(|(&p, q)| values(pair(p).kl(&pair(q)))[0]).sum();
        assert!((ours - theirs).abs() < if precision.is_double() { 1e-12 } else { 1e-5 }, "{ours} {theirs}");
    }
}

#[derive(Deserialize)]
struct MultiCase {
    name: String,
    nvec: Vec<usize>,
    logits: Vec<Number>,
    action: Vec<i64>,
    expected: MultiExpected,
}

#[derive(Deserialize)]
struct MultiExpected {
    log_prob: Number,
    entropy: Number,
}

#[test]
fn multi_categorical_is_exact() {
    for precision in Precision::all() {
        for case in cases::<MultiCase>("dist/multidiscrete.json") {
            let distribution = MultiCategorical::new(row(&precision, &case.logits), &case.nvec);
            let data = TensorData::new(case.action.clone(), [1, case.action.len()]);
            let action = ActionTensor::MultiDiscrete(Tensor::<2, Int>::from_data(data, &precision.device));
            // The same tolerance as for each component.
            let MultiExpected { log_prob, entropy } = case.expected;
            check_value(&precision, &distribution.log_prob(&action), log_prob, ABOUT_ONE, &case.name);
            check_value(&precision, &distribution.entropy(), entropy, ABOUT_ONE, &case.name);
            check_value(&precision, &distribution.kl(&distribution), Number(0.0), 0.0, &case.name);
        }
    }
}
