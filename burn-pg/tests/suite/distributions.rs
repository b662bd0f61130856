//! Distributions other than the categorical one, against 60-digit arithmetic and PyTorch; and sampling from each of
//! them.

use burn::tensor::{Int, Tensor, TensorData};
use burn_pg::{
    device::Backend,
    distribution::{
        ActionStream, ActionTensor, Bernoulli, Categorical, Distribution, Gaussian, MultiCategorical, SquashedGaussian,
        StateDependentGaussian,
    },
    envs::{ActionBuffer, EnvRng, Space},
};
use serde::Deserialize;

use crate::{
    categorical::{ABOUT_ONE, assert_near, assert_near_within, numbers},
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

/// What an output should be, and its gradients. Both may be what is left of summands of a size: 0 if nothing cancels.
struct Expectation<'a> {
    value: Number,
    summands: f64,
    /// With respect to each input.
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

/// The value alone.
fn check_value(precision: &Precision, output: &Tensor<1>, value: Number, summands: f64, what: &str) {
    check(precision, output, &Expectation { value, summands, gradients: &[] }, what);
}

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
            // Where the logarithm of a sigmoid is not an operation of its own, it is that of a sum that is 1 or more.
            let summands = if precision.backend == Backend::Flex { 0.0 } else { ABOUT_ONE };
            let gradients = [(&logits, &expected.grad_log_prob_wrt_logits[..], summands)];
            let log_prob = Expectation { value: expected.log_prob, summands, gradients: &gradients };
            check(&precision, &distribution.log_prob(&action), &log_prob, &case.name);
            check_value(&precision, &distribution.entropy(), expected.entropy, summands, &case.name);
            check_value(&precision, &distribution.kl(&distribution), Number(0.0), 0.0, &case.name);
        }
    }
}

/// `log(1 + e^x)`, minus the logarithm of the probability of the outcome that the log-odds `x` speak against.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[test]
fn entropy_and_divergence_of_coins_have_the_values_and_gradients_of_their_formulas() {
    let sigmoid = |logit: f64| 1.0 / (1.0 + (-logit).exp());
    let variance = |logit: f64| sigmoid(logit) * sigmoid(-logit);
    let (near, far) = ([0.5, -4.0, 2.0, 0.0, -8.0], [-1.25, -2.0, 7.0, 1.5, 3.0]);
    let (certain, opposite) = ([1e4, -1e4, 1e4, -1e4], [-1e4, 1e4, 1e4, 0.5]);
    // The logarithms of both outcomes are as large as the logits, and little of them may be left. Where one outcome is
    // certain nothing is: gradients are 0 or those of a probability.
    for (p, q, summands) in
        [(&near[..], &far[..], 40.0), (&far[..], &near[..], 40.0), (&certain[..], &opposite[..], ABOUT_ONE)]
    {
        let pairs = || p.iter().copied().zip(q.iter().copied());
        let sum = |of: &dyn Fn(f64, f64) -> f64| Number(pairs().map(|(p, q)| of(p, q)).sum());
        let each = |of: &dyn Fn(f64, f64) -> f64| pairs().map(|(p, q)| Number(of(p, q))).collect::<Vec<_>>();
        let entropy = sum(&|p, _| sigmoid(p) * softplus(-p) + sigmoid(-p) * softplus(p));
        let entropy_by_p = each(&|p, _| -p * variance(p));
        let of_true = |p: f64, q: f64| sigmoid(p) * (softplus(-q) - softplus(-p));
        let divergence = sum(&|p, q| of_true(p, q) + of_true(-p, -q));
        let divergence_by_p = each(&|p, q| (p - q) * variance(p));
        let divergence_by_q = each(&|p, q| sigmoid(q) - sigmoid(p));

        for precision in Precision::all() {
            let leaf = |logits: &[f64]| precision.tensor(logits.to_vec(), [1, logits.len()]).require_grad();
            let (by_p, by_q) = (leaf(p), leaf(q));
            let coins = |logits: &Tensor<2>| Bernoulli::new(logits.clone());
            let gradients = [(&by_p, &entropy_by_p[..], summands)];
            let expected = Expectation { value: entropy, summands, gradients: &gradients };
            check(&precision, &coins(&by_p).entropy(), &expected, &format!("entropy of {p:?}"));
            let gradients = [(&by_p, &divergence_by_p[..], summands), (&by_q, &divergence_by_q[..], summands)];
            let expected = Expectation { value: divergence, summands, gradients: &gradients };
            let what = format!("divergence of {p:?} from {q:?}");
            check(&precision, &coins(&by_p).kl(&coins(&by_q)), &expected, &what);
        }
    }
}

#[test]
fn the_divergence_of_coins_is_that_of_categoricals_with_two_actions() {
    for precision in Precision::all() {
        let (p, q) = ([0.3, -4.0, 2.0], [-1.0, -2.0, 7.0]);
        let coins = |logits: &[f64]| Bernoulli::new(precision.tensor(logits.to_vec(), [1, 3]));
        let ours = values(coins(&p).kl(&coins(&q)))[0];
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
            // As for each of its components.
            let MultiExpected { log_prob, entropy } = case.expected;
            check_value(&precision, &distribution.log_prob(&action), log_prob, ABOUT_ONE, &case.name);
            check_value(&precision, &distribution.entropy(), entropy, ABOUT_ONE, &case.name);
            check_value(&precision, &distribution.kl(&distribution), Number(0.0), 0.0, &case.name);
        }
    }
}

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

/// How large together the summands `z^2 / 2`, `log sigma` and `log(2 pi) / 2` of a log-density are.
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
            // Squares and logarithms of both signs; and z^2 - 1.
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
struct Divergence {
    p: Normal,
    q: Normal,
    expected: ExpectedDivergence,
}

#[derive(Deserialize)]
struct ExpectedDivergence {
    kl_p_q: Number,
}

#[derive(Deserialize)]
struct Divergences {
    kl: Vec<Divergence>,
}

#[test]
fn divergences_of_gaussians_are_exact_squashed_or_not() {
    let file: Divergences = golden("dist/normal.json");
    assert!(!file.kl.is_empty());
    for precision in Precision::all() {
        for (i, case) in file.kl.iter().enumerate() {
            let row = |numbers: &[Number]| row(&precision, numbers);
            let plain = |n: &Normal| Gaussian::new(row(&n.mean), row(&n.log_std));
            let squashed = |n: &Normal| SquashedGaussian::new(row(&n.mean), row(&n.log_std));
            let expected = case.expected.kl_p_q;
            // The logarithm of the ratio of the deviations, and the rest.
            let log_ratios = case.p.log_std.iter().zip(&case.q.log_std).map(|(p, q)| (p.0 - q.0).abs());
            let summands = expected.0 + 2.0 * log_ratios.sum::<f64>();
            let what = format!("divergence {i}");
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
fn the_squashed_gaussian_is_exact_where_the_tangent_saturates_too() {
    for precision in Precision::all() {
        for case in cases::<TanhCase>("dist/tanh_normal.json") {
            let mean = row(&precision, &case.mean).require_grad();
            let log_std = row(&precision, &case.log_std).require_grad();
            let distribution = SquashedGaussian::new(mean.clone(), log_std.clone());
            let action = ActionTensor::Continuous(row(&precision, &case.pre_tanh));
            let expected = &case.expected;
            // Ours is the density of the tangent; that of an action with other bounds is scaled by their widths.
            let widths: f64 = case.low.iter().zip(&case.high).map(|(low, high)| ((high - low) / 2.0).ln()).sum();
            // Those of the Gaussian, and u and softplus(-2 u) of each tangent.
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
                let ours = case.low[i] + f64::midpoint(f64::from(*tangent), 1.0) * (case.high[i] - case.low[i]);
                let theirs = expected.action[i].0;
                // Relative to its size, near 0 too: there the tangent is as exact as elsewhere.
                assert!((ours - theirs).abs() <= 2e-6 * theirs.abs(), "{} action {i}: {ours} {theirs}", case.name);
            }
        }
    }
}

/// `-E[log p(a)]` by a fine sum over the Gaussian.
fn entropy_by_summation(mean: f64, std: f64) -> f64 {
    let (mut total, step) = (0.0, 1e-4);
    for i in -100_000..=100_000 {
        let z = f64::from(i) * step;
        let u: f64 = mean + std * z;
        let slope = 2.0 * (std::f64::consts::LN_2 - u.abs() - (-2.0 * u.abs()).exp().ln_1p());
        let log_density = -0.5 * z * z - std.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln();
        total -= step * (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt() * (log_density - slope);
    }
    total
}

#[test]
fn the_entropy_of_a_squashed_gaussian_is_that_of_a_fine_sum() {
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
fn the_entropy_of_a_squashed_gaussian_is_kept_in_single_precision_and_its_slope_is_that_of_differences() {
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
fn deviations_at_and_beyond_the_ends_of_the_float_type_make_nothing_nan() {
    for precision in Precision::all() {
        for log_std in [-1e4, -800.0, -100.0, -89.0, -87.0, -80.0, 80.0, 87.0, 100.0, 1e4] {
            let tensor = |value: f64| precision.tensor(vec![value], [1, 1]).require_grad();
            let density = |action: f64, slopes: bool| {
                let inputs = [tensor(0.5), tensor(log_std)];
                let gaussian = Gaussian::new(inputs[0].clone(), inputs[1].clone());
                let log_prob = gaussian.log_prob(&ActionTensor::Continuous(tensor(action)));
                let value = values(log_prob.clone())[0];
                if slopes {
                    let gradients = log_prob.backward();
                    let slopes = inputs.map(|input| values(input.grad(&gradients).unwrap())[0]);
                    assert_eq!(slopes, [0.0, -1.0], "{precision:?} {log_std}");
                }
                value
            };
            // The mean itself.
            let expected = -log_std - 0.5 * (2.0 * std::f64::consts::PI).ln();
            assert_near(&precision, &[density(0.5, true)], &[Number(expected)], "log-density of the mean");
            let beside = density(0.75, false);
            assert!(!beside.is_nan() && (beside < 0.0 || log_std > 0.0), "{precision:?} {log_std}: {beside}");
            let narrow = Gaussian::new(tensor(0.5), tensor(log_std));
            assert_near(&precision, &values(narrow.kl(&narrow)), &[Number(0.0)], "divergence from itself");
        }
    }
    // On the host as on the device.
    let precision = &Precision::all()[0];
    let gaussian = Gaussian::new(precision.tensor(vec![0.5], [1, 1]), precision.tensor(vec![-1e4], [1, 1]));
    let (mut actions, mut log_probs) = (ActionBuffer::Continuous(Vec::new()), Vec::new());
    gaussian.sample(&[0.5, -1e4], &mut [EnvRng::new(0).into()], &mut actions, &mut log_probs).unwrap();
    assert_eq!(actions, ActionBuffer::Continuous(vec![0.5]));
    assert!((log_probs[0] - 1e4).abs() < 1.0, "{log_probs:?}");
}

/// Draws many times from one row of parameters: the log-probabilities that come with the actions are those of the
/// distribution, and their mean is minus the entropy.
fn samples_agree<D: Distribution>(precision: &Precision, space: &Space, make: impl Fn(Tensor<2>) -> D, row: &[f64]) {
    let count = 20_000;
    let distribution = make(precision.tensor(row.repeat(count), [count, row.len()]));
    #[allow(clippy::cast_possible_truncation)] // read back in single precision
    let parameters: Vec<f32> = values(distribution.parameters()).into_iter().map(|v| v as f32).collect();
    let mut streams: Vec<ActionStream> = (0..count as u64).map(|seed| EnvRng::new(seed).into()).collect();
    let (mut actions, mut log_probs) = (ActionBuffer::new(space), Vec::new());
    distribution.sample(&parameters, &mut streams, &mut actions, &mut log_probs).unwrap();

    let uploaded = ActionTensor::upload(&actions, count, &precision.device);
    let again = values(distribution.log_prob(&uploaded));
    for (drawn, computed) in log_probs.iter().zip(&again) {
        assert!((f64::from(*drawn) - computed).abs() < 2e-5 * computed.abs().max(1.0), "{space}: {drawn} {computed}");
    }
    let mean = again.iter().sum::<f64>() / count as f64;
    let variance = again.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / count as f64;
    let entropy = values(distribution.entropy())[0];
    // Five standard errors.
    assert!((mean + entropy).abs() < 5.0 * (variance / count as f64).sqrt() + 1e-5, "{space}: {mean} {entropy}");

    let mut modes = ActionBuffer::new(space);
    distribution.mode(&parameters[..parameters.len() / count], &mut modes).unwrap();
    let one = make(precision.tensor(row.to_vec(), [1, row.len()]));
    let density = values(one.log_prob(&ActionTensor::upload(&modes, 1, &precision.device)))[0];
    assert!(density.is_finite());

    let mut broken = parameters.clone();
    broken[1] = f32::NAN;
    let before = actions.clone();
    assert!(distribution.sample(&broken, &mut streams, &mut actions, &mut log_probs).is_err());
    assert!(distribution.mode(&broken, &mut actions).is_err());
    assert_eq!(actions, before, "nothing was appended");
}

#[test]
fn samples_follow_their_distribution() {
    for precision in Precision::all().into_iter().filter(|precision| !precision.is_double()) {
        samples_agree(&precision, &Space::discrete(3), Categorical::new, &[0.3, -1.0, 2.0]);
        let sizes = [2, 3];
        let space = Space::MultiDiscrete { sizes: vec![2, 3] };
        samples_agree(&precision, &space, |l| MultiCategorical::new(l, &sizes), &[0.5, -0.5, 0.0, 1.0, -3.0]);
        samples_agree(&precision, &Space::MultiBinary { n: 3 }, Bernoulli::new, &[0.3, -2.0, 5.0]);
        let split = |row: Tensor<2>| (row.clone().narrow(1, 0, 2), row.narrow(1, 2, 2));
        let plain = |row| {
            let (mean, log_std) = split(row);
            Gaussian::new(mean, log_std)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), plain, &[0.5, -2.0, -1.0, 0.3]);
        let squashed = |row| {
            let (mean, log_std) = split(row);
            SquashedGaussian::new(mean, log_std)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), squashed, &[0.5, -1.0, -1.0, 0.3]);
        let held = |row: Tensor<2>| {
            let log_std = precision.tensor(vec![0.0, -1.0, -0.5, 0.25], [2, 2]);
            let (mean, features) = split(row);
            StateDependentGaussian::new(mean, features, log_std, None)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), held, &[0.5, -1.0, -1.0, 0.3]);
        let squashed = |row| SquashedGaussian::from(held(row));
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), squashed, &[0.5, -1.0, -1.0, 0.3]);
    }
}
