//! The three estimators of the KL divergence from a reference: values and gradients of samples, and exact expectations.

use burn_pg::loss::{KlEstimator, KlToReference, LossTerm};
use serde::Deserialize;

use crate::{
    golden::golden,
    precision::{Precision, assert_close, values},
    samples::Samples,
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    exact_expectations: Vec<Exact>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    logp: Vec<f64>,
    ref_logp: Vec<f64>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    k1: Vec<f64>,
    grad_k1: Vec<f64>,
    k2: Vec<f64>,
    grad_k2: Vec<f64>,
    k3: Vec<f64>,
    grad_k3: Vec<f64>,
}

#[derive(Deserialize)]
struct Exact {
    logits_p: Vec<f64>,
    logits_ref: Vec<f64>,
    expected: ExactExpected,
}

#[derive(Deserialize)]
#[allow(non_snake_case)] // as recorded
struct ExactExpected {
    kl: f64,
    grad_kl_wrt_logits: Vec<f64>,
    E_k1: f64,
    E_k2: f64,
    E_k3: f64,
    expected_gradient_of_k1_sample_loss: Vec<f64>,
    expected_gradient_of_k2_sample_loss: Vec<f64>,
    expected_gradient_of_k3_sample_loss: Vec<f64>,
}

fn samples(log_probs: &[f64], reference: &[f64]) -> Samples {
    let zeros = vec![0.0; log_probs.len()];
    Samples { reference_log_probs: reference.to_vec(), ..Samples::with_log_ratios(log_probs, &zeros) }
}

/// Returns loss, metric and gradient of a single sample, which are averaged over a minibatch.
fn one(estimator: KlEstimator, log_prob: f64, reference: f64, precision: &Precision) -> [f64; 3] {
    let (term, sample) = (KlToReference { estimator }, samples(&[log_prob], &[reference]));
    let output = term.compute(&sample.context(precision));
    let [(name, metric)] = output.metrics.try_into().unwrap();
    assert_eq!(name, "reference_kl");
    [values(output.loss)[0], values(metric)[0], sample.derivatives(&term, precision).log_probs[0]]
}

#[test]
fn values_and_gradients_of_samples_match_trl_and_verl() {
    let file: File = golden("rlhf/kl_estimators.json");
    assert!(!file.cases.is_empty());
    for (case, precision) in file.cases.iter().flat_map(|case| Precision::all().into_iter().map(move |p| (case, p))) {
        let what = format!("{precision:?} {}", case.name);
        let tolerance = if precision.is_double() { 1e-9 } else { 1e-5 };
        let expected = &case.expected;
        for i in 0..case.logp.len() {
            let one = |estimator| one(estimator, case.logp[i], case.ref_logp[i], &precision);
            let [k1, _, gradient_1] = one(KlEstimator::K1);
            assert_close(&[k1, gradient_1], &[expected.k1[i], expected.grad_k1[i]], tolerance, &what);
            let [k2, metric, gradient_2] = one(KlEstimator::K2);
            assert_close(&[k2, gradient_2], &[expected.k2[i], expected.grad_k2[i]], tolerance, &what);
            let [k3, same_metric, gradient_3] = one(KlEstimator::K3);
            // Beyond e^40 the exponential is clamped, because single precision overflows for the largest of these.
            if precision.is_double() || expected.k1[i] > -40.0 {
                let theirs = [expected.k3[i], expected.k3[i], expected.k3[i], expected.grad_k3[i]];
                assert_close(&[k3, metric, same_metric, gradient_3], &theirs, tolerance, &what);
            } else {
                assert!(k3.is_finite() && k3 > 1e17 && gradient_3.is_finite() && gradient_3 < -1e17, "{what}");
            }
        }
        // A minibatch gives their mean.
        let [all, mean] = [KlEstimator::K1, KlEstimator::K2]
            .map(|estimator| samples(&case.logp, &case.ref_logp).loss(&KlToReference { estimator }, &precision));
        let count = expected.k1.len() as f64;
        let theirs = [&expected.k1, &expected.k2].map(|k| k.iter().sum::<f64>() / count);
        assert_close(&[all, mean], &theirs, tolerance, &what);
    }
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
    logits.iter().map(|logit| logit - log_sum).collect()
}

/// The gradient of KL(p || q) with respect to the logits of q.
fn gradient_by_second(p: &[f64], q: &[f64]) -> Vec<f64> {
    p.iter().zip(q).map(|(p, q)| q - p).collect()
}

#[test]
fn only_k2_has_the_gradient_of_the_kl_divergence_and_only_its_value_is_biased() {
    let file: File = golden("rlhf/kl_estimators.json");
    assert!(!file.exact_expectations.is_empty());
    // Two equal policies would show no bias.
    let is_biased = |exact: &Exact| (exact.expected.E_k2 - exact.expected.kl).abs() > 1e-3;
    assert!(file.exact_expectations.iter().any(is_biased));
    for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
        for Exact { logits_p, logits_ref, expected } in &file.exact_expectations {
            let (log_probs, reference) = (log_softmax(logits_p), log_softmax(logits_ref));
            let probs: Vec<f64> = log_probs.iter().map(|log_prob| log_prob.exp()).collect();
            // The mean over all actions, weighted by probability, and the mean gradient with respect to the logits.
            let expectation = |estimator| {
                let (mut mean, mut gradient) = (0.0, vec![0.0; probs.len()]);
                for (action, &prob) in probs.iter().enumerate() {
                    let [value, _, derivative] = one(estimator, log_probs[action], reference[action], precision);
                    mean += prob * value;
                    for (logit, gradient) in gradient.iter_mut().enumerate() {
                        let indicator = if logit == action { 1.0 } else { 0.0 };
                        *gradient += prob * derivative * (indicator - probs[logit]);
                    }
                }
                (mean, gradient)
            };
            let (k1, gradient) = expectation(KlEstimator::K1);
            assert_close(&[k1, k1], &[expected.E_k1, expected.kl], 1e-9, "k1 is unbiased");
            assert_close(&gradient, &expected.expected_gradient_of_k1_sample_loss, 1e-9, "gradient of k1");
            assert_close(&gradient, &vec![0.0; probs.len()], 1e-9, "k1 trains nothing");

            let (k2, gradient) = expectation(KlEstimator::K2);
            assert_close(&[k2], &[expected.E_k2], 1e-9, "k2");
            assert_close(&gradient, &expected.expected_gradient_of_k2_sample_loss, 1e-9, "gradient of k2");
            assert_close(&gradient, &expected.grad_kl_wrt_logits, 1e-9, "gradient of k2");

            let (k3, gradient) = expectation(KlEstimator::K3);
            assert_close(&[k3, k3], &[expected.E_k3, expected.kl], 1e-9, "k3 is unbiased");
            assert_close(&gradient, &expected.expected_gradient_of_k3_sample_loss, 1e-9, "gradient of k3");
            let reference: Vec<f64> = reference.iter().map(|log_prob| log_prob.exp()).collect();
            let reverse = gradient_by_second(&reference, &probs);
            assert_close(&gradient, &reverse, 1e-9, "k3 trains on KL(reference || policy)");
        }
    }
}
