//! Gaussian and squashed Gaussian distributions.

use burn_pg::{
    distribution::{ActionTensor, Distribution, Gaussian, SquashedGaussian},
    envs::{ActionBuffer, EnvRng},
};
use serde::Deserialize;

use super::{Expectation, cases, check, check_value, row};
use crate::{
    categorical::{assert_near, numbers},
    golden::{Number, golden},
    precision::{Precision, values},
};

#[derive(Deserialize)]
struct NormalCase {
    name: String,
    mean: Vec<Number>,
    log_std: Vec<Number>,
    action: Vec<Number>,
    expected: NormalExpected,
}

#[derive(Deserialize)]
struct NormalExpected {
    log_prob: Number,
    entropy: Number,
    grad_log_prob_wrt_mean: Vec<Number>,
    grad_log_prob_wrt_log_std: Vec<Number>,
    grad_entropy_wrt_log_std: Vec<Number>,
}

/// Returns the sum of the magnitudes of the summands `z^2 / 2`, `log sigma` and `log(2 pi) / 2` of a log-density.
fn log_density_summands(mean: &[Number], log_std: &[Number], action: &[Number]) -> f64 {
    let components = mean.iter().zip(log_std).zip(action);
    components
        .map(|((mean, log_std), action)| {
            let z = (action.0 - mean.0) * (-log_std.0).exp();
            0.5 * z * z + log_std.0.abs() + 1.0
        })
        .sum()
}

#[test]
fn the_gaussian_is_exact() {
    for precision in Precision::all() {
        for case in cases::<NormalCase>("dist/normal.json") {
            let mean = row(&precision, &case.mean).require_grad();
            let log_std = row(&precision, &case.log_std).require_grad();
            let distribution = Gaussian::new(mean.clone(), log_std.clone());
            let action = ActionTensor::Continuous(row(&precision, &case.action));
            let expected = &case.expected;
            // Squares and logarithms may cancel; and z^2 - 1.
            let summands = log_density_summands(&case.mean, &case.log_std, &case.action);
            let gradients = [
                (&mean, &expected.grad_log_prob_wrt_mean[..], 0.0),
                (&log_std, &expected.grad_log_prob_wrt_log_std[..], summands),
            ];
            let log_prob = Expectation { value: expected.log_prob, summands, gradients: &gradients };
            check(&precision, &distribution.log_prob(&action), &log_prob, &case.name);
            let distribution = Gaussian::new(mean.clone(), log_std.clone());
            let gradients = [(&log_std, &expected.grad_entropy_wrt_log_std[..], 0.0)];
            let entropy = Expectation { value: expected.entropy, summands, gradients: &gradients };
            check(&precision, &distribution.entropy(), &entropy, &case.name);
        }
    }
}

#[derive(Deserialize)]
struct Normal {
    mean: Vec<Number>,
    log_std: Vec<Number>,
}

#[derive(Deserialize)]
struct KlCase {
    p: Normal,
    q: Normal,
    expected: ExpectedDivergence,
}

#[derive(Deserialize)]
struct ExpectedDivergence {
    kl_p_q: Number,
}

#[derive(Deserialize)]
struct KlCases {
    kl: Vec<KlCase>,
}

#[test]
fn kl_divergences_of_gaussians_are_exact_squashed_or_not() {
    let file: KlCases = golden("dist/normal.json");
    assert!(!file.kl.is_empty());
    for precision in Precision::all() {
        for (i, case) in file.kl.iter().enumerate() {
            let row = |numbers: &[Number]| row(&precision, numbers);
            let plain = |n: &Normal| Gaussian::new(row(&n.mean), row(&n.log_std));
            let squashed = |n: &Normal| SquashedGaussian::new(row(&n.mean), row(&n.log_std));
            let expected = case.expected.kl_p_q;
            // The logarithm of the ratio of the standard deviations, and the rest.
            let log_ratios = case.p.log_std.iter().zip(&case.q.log_std).map(|(p, q)| (p.0 - q.0).abs());
            let summands = expected.0 + 2.0 * log_ratios.sum::<f64>();
            let what = format!("KL divergence {i}");
            check_value(&precision, &plain(&case.p).kl(&plain(&case.q)), expected, summands, &what);
            check_value(&precision, &squashed(&case.p).kl(&squashed(&case.q)), expected, summands, &what);
        }
    }
}

#[derive(Deserialize)]
struct TanhCase {
    name: String,
    mean: Vec<Number>,
    log_std: Vec<Number>,
    pre_tanh: Vec<Number>,
    low: Vec<f64>,
    high: Vec<f64>,
    expected: TanhExpected,
}

#[derive(Deserialize)]
struct TanhExpected {
    log_prob: Number,
    action: Vec<Number>,
    grad_log_prob_wrt_mean: Vec<Number>,
    grad_log_prob_wrt_log_std: Vec<Number>,
}

#[test]
#[allow(clippy::cast_possible_truncation)] // actions are single precision
fn the_squashed_gaussian_is_exact_even_where_tanh_saturates() {
    for precision in Precision::all() {
        for case in cases::<TanhCase>("dist/tanh_normal.json") {
            let mean = row(&precision, &case.mean).require_grad();
            let log_std = row(&precision, &case.log_std).require_grad();
            let distribution = SquashedGaussian::new(mean.clone(), log_std.clone());
            let action = ActionTensor::Continuous(row(&precision, &case.pre_tanh));
            let expected = &case.expected;
            // Ours is the density of `tanh(u)`; the density of an action with other bounds is scaled by their widths.
            let widths: f64 = case.low.iter().zip(&case.high).map(|(low, high)| ((high - low) / 2.0).ln()).sum();
            // The summands of the Gaussian, and `u` and `softplus(-2 u)` of each component.
            let tangents: f64 = case.pre_tanh.iter().map(|u| 1.0 + 6.0 * u.0.abs()).sum();
            let summands = log_density_summands(&case.mean, &case.log_std, &case.pre_tanh);
            let gradients = [
                (&mean, &expected.grad_log_prob_wrt_mean[..], 0.0),
                (&log_std, &expected.grad_log_prob_wrt_log_std[..], summands),
            ];
            let value = Number(expected.log_prob.0 + widths);
            let log_prob = Expectation { value, summands: summands + tangents, gradients: &gradients };
            check(&precision, &distribution.log_prob(&action), &log_prob, &case.name);

            let before = numbers(&case.pre_tanh).into_iter().map(|u| u as f32).collect();
            let mut taken = ActionBuffer::Continuous(before);
            distribution.to_env(&mut taken);
            let ActionBuffer::Continuous(taken) = taken else { panic!() };
            for (i, tangent) in taken.iter().enumerate() {
                // The recorded action is scaled to its bounds, which loses digits near 0. So `tanh(u)` itself is compared,
                // relative to its size.
                let (low, high, theirs) = (case.low[i], case.high[i], case.pre_tanh[i].0.tanh());
                let scaled = low + f64::midpoint(theirs, 1.0) * (high - low);
                let of_bounds = low.abs().max(high.abs());
                assert!(
                    (scaled - expected.action[i].0).abs() <= 1e-14 * of_bounds,
                    "{} action {i}: {scaled}",
                    case.name
                );
                let ours = f64::from(*tangent);
                assert!((ours - theirs).abs() <= 2e-6 * theirs.abs(), "{} tangent {i}: {ours} {theirs}", case.name);
            }
        }
    }
}

/// Returns `-E[log p(a)]` by numerical integration over the Gaussian.
fn entropy_by_summation(mean: f64, std: f64) -> f64 {
    let (mut total, step) = (0.0, 1e-4);
    for i in -100_000..=100_000 {
        let z = f64::from(i) * step;
        let u: f64 = mean + std * z;
        let log_derivative = 2.0 * (std::f64::consts::LN_2 - u.abs() - (-2.0 * u.abs()).exp().ln_1p());
        let log_density = -0.5 * z * z - std.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
        total -= step * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * (log_density - log_derivative);
    }
    total
}

#[test]
fn the_entropy_of_a_squashed_gaussian_equals_a_numerical_integral() {
    for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
        for (mean, std, tolerance) in
            [(0.0, 1.0_f64, 1e-6), (0.7, 0.3, 1e-6), (-2.0, 0.01, 1e-6), (5.0, 3.0, 1e-6), (1.0, 20.0, 2e-2)]
        {
            let tensor = |value: f64| precision.tensor(vec![value], [1, 1]);
            let ours = values(SquashedGaussian::new(tensor(mean), tensor(std.ln())).entropy())[0];
            let expected = entropy_by_summation(mean, std);
            assert!((ours - expected).abs() < tolerance, "{mean} {std}: {ours} instead of {expected}");
        }
    }
}

#[test]
fn the_entropy_of_a_squashed_gaussian_is_right_in_single_precision_and_its_gradient_equals_finite_differences() {
    for precision in Precision::all() {
        for (mean, log_std) in [(0.0, 0.0_f64), (0.7, -1.2), (-2.0, -4.0), (1.5, 1.0), (-6.0, 0.5)] {
            let tensor = |value: f64| precision.tensor(vec![value], [1, 1]).require_grad();
            let entropy =
                |mean: f64, log_std: f64| values(SquashedGaussian::new(tensor(mean), tensor(log_std)).entropy())[0];
            if !precision.is_double() {
                let expected = entropy_by_summation(mean, log_std.exp());
                let ours = entropy(mean, log_std);
                assert!((ours - expected).abs() < 1e-5 * expected.abs().max(1.0), "{mean} {log_std}: {ours}");
                continue;
            }
            let inputs = [tensor(mean), tensor(log_std)];
            let gradients = SquashedGaussian::new(inputs[0].clone(), inputs[1].clone()).entropy().backward();
            let ours = inputs.map(|input| values(input.grad(&gradients).unwrap())[0]);
            let step = 1e-5;
            let differences = [
                entropy(mean + step, log_std) - entropy(mean - step, log_std),
                entropy(mean, log_std + step) - entropy(mean, log_std - step),
            ];
            for (ours, difference) in ours.into_iter().zip(differences) {
                let expected = difference / (2.0 * step);
                assert!((ours - expected).abs() < 1e-8, "{mean} {log_std}: {ours} instead of {expected}");
            }
        }
    }
}

#[test]
fn extreme_standard_deviations_give_no_nan() {
    for precision in Precision::all() {
        for log_std in [-1e4, -800.0, -100.0, -89.0, -87.0, -80.0, 80.0, 87.0, 100.0, 1e4] {
            let tensor = |value: f64| precision.tensor(vec![value], [1, 1]).require_grad();
            let density = |action: f64, with_gradients: bool| {
                let inputs = [tensor(0.5), tensor(log_std)];
                let gaussian = Gaussian::new(inputs[0].clone(), inputs[1].clone());
                let log_prob = gaussian.log_prob(&ActionTensor::Continuous(tensor(action)));
                let value = values(log_prob.clone())[0];
                if with_gradients {
                    let gradients = log_prob.backward();
                    let found = inputs.map(|input| values(input.grad(&gradients).unwrap())[0]);
                    assert_eq!(found, [0.0, -1.0], "{precision:?} {log_std}");
                }
                value
            };
            // At the mean.
            let expected = -log_std - 0.5 * (2.0 * std::f64::consts::PI).ln();
            assert_near(&precision, &[density(0.5, true)], &[Number(expected)], "log-density of the mean");
            let beside = density(0.75, false);
            assert!(!beside.is_nan() && (beside < 0.0 || log_std > 0.0), "{precision:?} {log_std}: {beside}");
            let narrow = Gaussian::new(tensor(0.5), tensor(log_std));
            assert_near(&precision, &values(narrow.kl(&narrow)), &[Number(0.0)], "KL divergence from itself");
        }
    }
    // The host copy gives the same.
    let precision = &Precision::all()[0];
    let gaussian = Gaussian::new(precision.tensor(vec![0.5], [1, 1]), precision.tensor(vec![-1e4], [1, 1]));
    let (mut actions, mut log_probs) = (ActionBuffer::Continuous(Vec::new()), Vec::new());
    gaussian.sample(&[0.5, -1e4], &mut [EnvRng::new(0).into()], &mut actions, &mut log_probs).unwrap();
    assert_eq!(actions, ActionBuffer::Continuous(vec![0.5]));
    assert!((log_probs[0] - 1e4).abs() < 1.0, "{log_probs:?}");
}
