//! The Beta distribution over ±1, compared with 40-digit arithmetic.

use burn::tensor::Tensor;
use burn_pg::{
    distribution::{ActionStream, ActionTensor, Beta, Distribution},
    envs::{ActionBuffer, EnvRng, Space},
};
use proptest::prelude::*;

use crate::precision::{Precision, assert_close, values};

/// One component: the value of an action with `x = (a + 1) / 2`, with its derivatives with respect to `alpha` and `beta`.
struct Case {
    alpha: f64,
    beta: f64,
    x: f64,
    log_prob: [f64; 3],
    entropy: [f64; 3],
}

/// From mpmath with 40 digits: `loggamma`, `digamma`, and numerical derivatives (`diff`) of
/// `(alpha - 1) log x + (beta - 1) log(1 - x) - log B(alpha, beta) - log 2` and of
/// `log B - (alpha - 1) psi(alpha) - (beta - 1) psi(beta) + (alpha + beta - 2) psi(alpha + beta) + log 2`; the first entropy was
/// also integrated. All inputs are exact in single precision.
#[rustfmt::skip]
#[allow(clippy::excessive_precision, clippy::unreadable_literal)] // as printed
const CASES: [Case; 6] = [
    Case { alpha: 1.5, beta: 2.5, x: 0.25, log_prob: [-0.18995863340718095, -0.16666666666666667, 0.26527895533477636], entropy: [0.50454373307601215, 0.100244811201891, -0.16789072267612165] },
    Case { alpha: 1.6875, beta: 1.6875, x: 0.5, log_prob: [-0.3838239020163113, 0.16926081730473786, 0.16926081730473786], entropy: [0.61655752581032585, -0.076960744892977008, -0.076960744892977008] },
    Case { alpha: 1.0078125, beta: 3.0, x: 0.0009765625, log_prob: [0.36364046788903507, -5.1087017364082455, 0.33457122146818616], entropy: [0.26559024273164783, 0.55590467044364618, -0.22125761834630933] },
    Case { alpha: 40.0, beta: 7.5, x: 0.875, log_prob: [1.2916233009244963, 0.040307695787027737, -0.17603256347952923], entropy: [-0.86383482784735458, -0.019240458131430826, 0.041045263150344574] },
    Case { alpha: 2.0, beta: 1.0009765625, x: 0.9990234375, log_prob: [-0.0062818070304255186, 0.49940856468309708, -5.4326914368294404], entropy: [0.50038500898224384, -0.24976491418975808, 0.39356506145519432] },
    Case { alpha: 300.0, beta: 200.0, x: 0.59375, log_prob: [2.1626631962524106, -0.0098040406089316127, 0.017005936530890316], entropy: [-1.7098899686757899, -0.0013329594532198456, -0.0004949818131357353] },
];

/// `alpha` and `beta` of two distributions, their KL divergence, and its derivatives in this order; also from mpmath. The first
/// divergence was also integrated.
#[rustfmt::skip]
#[allow(clippy::excessive_precision, clippy::unreadable_literal)] // as printed
const DIVERGENCES: [([f64; 4], f64, [f64; 4]); 3] = [
    ([1.5, 2.5, 2.5, 1.5], 0.66666666666666667, [-0.93480220054467931, 0.49035775610023486, 0.66666666666666667, -0.66666666666666667]),
    ([40.0, 7.5, 38.0, 8.0], 0.04473130376243646, [0.018716517847013289, -0.10322163818392067, -0.019522803318105647, 0.10131800550612741]),
    ([1.0078125, 3.0, 1.25, 1.125], 0.56619950684029237, [-0.85629207812546523, 0.27809048931637787, 0.95537619102068778, -0.69288474697409646]),
];

/// Returns the tolerance for sums of logarithms of gamma functions of this size.
fn tolerance(precision: &Precision, concentration: f64) -> f64 {
    let rounding = if precision.is_double() { 4e-15 } else { 4e-7 };
    rounding * (20.0 + 10.0 * concentration)
}

#[track_caller]
fn check(output: &Tensor<1>, inputs: &[&Tensor<2>], expected: &[f64], tolerance: f64, what: &str) {
    assert_close(&values(output.clone()), &expected[..1], tolerance, what);
    let gradients = output.clone().backward();
    let ours: Vec<f64> = inputs.iter().flat_map(|input| values(input.grad(&gradients).unwrap())).collect();
    assert_close(&ours, &expected[1..], tolerance, &format!("{what}, gradient"));
}

#[test]
fn densities_and_entropies_are_exact_with_their_gradients() {
    for precision in Precision::all() {
        for Case { alpha, beta, x, log_prob, entropy } in CASES {
            let number = |value: f64| precision.tensor(vec![value], [1, 1]).require_grad();
            let what = format!("{alpha} {beta} {precision:?}");
            let tolerance = tolerance(&precision, alpha.max(beta));
            let (a, b) = (number(alpha), number(beta));
            let action = ActionTensor::Continuous(precision.tensor(vec![x], [1, 1]));
            check(&Beta::new(a.clone(), b.clone()).log_prob(&action), &[&a, &b], &log_prob, tolerance, &what);
            let (a, b) = (number(alpha), number(beta));
            check(&Beta::new(a.clone(), b.clone()).entropy(), &[&a, &b], &entropy, tolerance, &what);
        }
    }
}

#[test]
fn kl_divergences_are_exact_with_the_gradients_of_both_distributions() {
    for precision in Precision::all() {
        for (parameters, divergence, gradient) in DIVERGENCES {
            let inputs = parameters.map(|value| precision.tensor(vec![value], [1, 1]).require_grad());
            let [alpha, beta, other_alpha, other_beta] = inputs.clone();
            let (p, q) = (Beta::new(alpha, beta), Beta::new(other_alpha, other_beta));
            let expected = [&[divergence], &gradient[..]].concat();
            let tolerance = tolerance(&precision, parameters[0]);
            check(&p.kl(&q), &inputs.each_ref(), &expected, tolerance, &format!("{parameters:?} {precision:?}"));
            assert!(values(p.kl(&p))[0].abs() < tolerance);
        }
    }
}

/// A product of components has the sum of their log-densities, entropies and KL divergences.
#[test]
fn components_are_independent() {
    for precision in Precision::on_cpus() {
        let matrix = |numbers: [f64; 4]| precision.tensor(numbers.to_vec(), [2, 2]);
        let of = |column: usize| {
            let part = |numbers: [f64; 4]| matrix(numbers).narrow(1, column, 1);
            (part([1.5, 3.0, 2.0, 9.0]), part([1.0, 2.5, 4.0, 1.25]), part([0.25, 0.5, 0.75, 0.875]))
        };
        let whole = Beta::new(matrix([1.5, 3.0, 2.0, 9.0]), matrix([1.0, 2.5, 4.0, 1.25]));
        let x = ActionTensor::Continuous(matrix([0.25, 0.5, 0.75, 0.875]));
        let parts = [0, 1].map(of);
        let sum = |each: fn(&Beta, &ActionTensor) -> Tensor<1>| {
            let [one, other] = parts
                .clone()
                .map(|(alpha, beta, x)| values(each(&Beta::new(alpha, beta), &ActionTensor::Continuous(x))));
            (0..2).map(|row| one[row] + other[row]).collect::<Vec<f64>>()
        };
        assert_close(&values(whole.log_prob(&x)), &sum(Beta::log_prob), 1e-5, "log-densities");
        assert_close(&values(whole.entropy()), &sum(|beta, _| beta.entropy()), 1e-5, "entropies");
    }
}

#[test]
fn concentrations_of_outputs_are_one_plus_softplus() {
    for precision in Precision::all() {
        let outputs = [0.0, 1.0, -3.0, 100.0, -100.0, 0.5];
        let beta = Beta::of_outputs(&precision.tensor(outputs.to_vec(), [1, 6]));
        let expected = outputs.map(|output: f64| 1.0 + output.max(0.0) + (-output.abs()).exp().ln_1p());
        let tolerance = if precision.is_double() { 1e-12 } else { 1e-5 };
        assert_close(&values(beta.parameters()), &expected, tolerance, "concentrations");
    }
}

#[test]
#[allow(clippy::cast_possible_truncation)]
fn samples_have_the_mean_and_the_variance_of_the_distribution() {
    let device = crate::helpers::flex();
    for (alpha, beta) in [(1.0_f64, 1.0_f64), (1.5, 4.0), (60.0, 20.0)] {
        let row = Tensor::from_floats([[alpha as f32, beta as f32]], &device);
        let distribution = Beta::new(row.clone().narrow(1, 0, 1), row.narrow(1, 1, 1));
        let count = 40_000;
        let mut streams: Vec<ActionStream> = (0..count as u64).map(|seed| EnvRng::new(seed).into()).collect();
        let (mut actions, mut log_probs) = (ActionBuffer::new(&Space::symmetric(&[1.0])), Vec::new());
        let parameters = [alpha as f32, beta as f32].repeat(count);
        distribution.sample(&parameters, &mut streams, &mut actions, &mut log_probs).unwrap();
        let ActionBuffer::Continuous(x) = &actions else { panic!() };
        assert!(x.iter().all(|&x| 0.0 < x && x < 1.0));
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / count as f64;
        let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count as f64;
        let sum = alpha + beta;
        let expected = [alpha / sum, alpha * beta / (sum * sum * (sum + 1.0))];
        // Within five standard errors; that of a variance is at most `variance sqrt(2 / n)` for these shapes.
        assert!((mean - expected[0]).abs() < 5.0 * (expected[1] / count as f64).sqrt(), "{mean} {expected:?}");
        assert!((variance / expected[1] - 1.0).abs() < 5.0 * (2.0 / count as f64).sqrt(), "{variance} {expected:?}");
        distribution.to_env(&mut actions);
        let ActionBuffer::Continuous(taken) = &actions else { panic!() };
        assert!(taken.iter().all(|&action| -1.0 < action && action < 1.0));
        let mut mode = ActionBuffer::new(&Space::symmetric(&[1.0]));
        distribution.mode(&parameters[..2], &mut mode).unwrap();
        let ActionBuffer::Continuous(mode) = &mode else { panic!() };
        assert_close(&[mode[0].into()], &expected[..1], 1e-6, "the mean is the greedy action");
    }
}

proptest! {
    /// The trapezoid rule in `u`, with `x = 1 / (1 + exp(-u))`: the integrand `2 p(a) x (1 - x)` falls off exponentially on both
    /// sides.
    #[test]
    fn the_density_integrates_to_one(alpha in 1.0..20.0_f64, beta in 1.0..20.0_f64) {
        for precision in Precision::on_cpus().into_iter().filter(Precision::is_double) {
            let step = 1.0 / 16.0;
            let points: Vec<f64> = (-512..=512).map(|i| 1.0 / (1.0 + (-step * f64::from(i)).exp())).collect();
            let column = |value: f64| precision.tensor(vec![value; points.len()], [points.len(), 1]);
            let actions = ActionTensor::Continuous(precision.tensor(points.clone(), [points.len(), 1]));
            let densities = values(Beta::new(column(alpha), column(beta)).log_prob(&actions));
            let integral: f64 = densities.iter().zip(&points).map(|(log, x)| 2.0 * log.exp() * x * (1.0 - x) * step).sum();
            prop_assert!((integral - 1.0).abs() < 1e-9, "{integral} {precision:?}");
        }
    }
}
