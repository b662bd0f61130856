//! The categorical distribution, compared with 60-digit arithmetic: log-probabilities, entropies and their gradients.

use burn::tensor::{Bool, Tensor, TensorData};
use burn_pg::{
    distribution::{ActionTensor, Categorical, Distribution, DistributionError},
    envs::{ActionBuffer, Actions, EnvRng, EnvSpec, Space},
};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{Precision, values},
};

/// The magnitude of summands that may cancel: a log-probability is a logit minus the logarithm of a sum of at least 1, and
/// the gradient of an almost certain action is 1 - p.
pub const ABOUT_ONE: f64 = 1.0;

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
    /// Log-probabilities of all actions; recorded if none is masked.
    #[serde(default)]
    log_softmax: Vec<Number>,
}

#[derive(Deserialize)]
struct Invalid {
    name: String,
    logits: Vec<Number>,
    action: Option<i64>,
}

pub fn numbers(numbers: &[Number]) -> Vec<f64> {
    numbers.iter().map(|number| number.0).collect()
}

/// Asserts that each value is within 1e-12 (2e-6 in single precision) of the expected one, relative to its size. Values
/// beyond the range of the float type must be infinite or the largest number, and those below its normal numbers as small.
#[track_caller]
pub fn assert_near(precision: &Precision, ours: &[f64], expected: &[Number], what: &str) {
    assert_near_within(precision, 0.0, ours, expected, what);
}

/// Like [`assert_near`], for differences of values as large as `summands`: the rounding errors of these, a few units in
/// their last place, are tolerated.
#[track_caller]
pub fn assert_near_within(precision: &Precision, summands: f64, ours: &[f64], expected: &[Number], what: &str) {
    let (tolerance, unit, largest, smallest) = match precision.is_double() {
        true => (1e-12, f64::EPSILON, f64::MAX, f64::MIN_POSITIVE),
        false => (2e-6, f32::EPSILON.into(), f32::MAX.into(), f32::MIN_POSITIVE.into()),
    };
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (&ours, &Number(expected)) in ours.iter().zip(expected) {
        let beyond = expected.abs() >= largest && ours.abs() >= largest && ours.signum() == expected.signum();
        // Shading languages do not guarantee a relative error of exponentials and logarithms.
        let least = if precision.backend.is_cpu() { 0.0 } else { tolerance };
        let bound = (tolerance * expected.abs()).max(least) + 4.0 * unit * summands + smallest;
        let near = (ours - expected).abs() <= bound;
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
                assert_near_within(&precision, ABOUT_ONE, &values(output.clone()), &[value], &what);
                let ours = logits.grad(&output.backward()).unwrap();
                assert_near_within(&precision, ABOUT_ONE, &values(ours), gradient, &format!("{what} gradient"));
            };
            let Expected { log_prob, entropy, .. } = case.expected;
            let all = &case.expected.log_softmax;
            assert_near_within(
                &precision,
                ABOUT_ONE,
                &values(distribution.log_probs()),
                all,
                &format!("{} log-probabilities", case.name),
            );
            check(distribution.log_prob(&action), log_prob, &case.expected.grad_log_prob_wrt_logits, "log-probability");
            // A graph allows one backward pass.
            let distribution = Categorical::new(logits.clone());
            check(distribution.entropy(), entropy, &case.expected.grad_entropy_wrt_logits, "entropy");
        }
    }
}

#[derive(Deserialize)]
struct KlCase {
    p_logits: Vec<Number>,
    q_logits: Vec<Number>,
    expected: ExpectedDivergence,
}

#[derive(Deserialize)]
struct ExpectedDivergence {
    kl_p_q: Number,
    grad_wrt_p_logits: Option<Vec<Number>>,
}

#[derive(Deserialize)]
struct KlCases {
    kl: Vec<KlCase>,
}

#[test]
fn kl_divergences_and_their_gradients_are_exact() {
    let file: KlCases = golden("dist/categorical.json");
    assert!(!file.kl.is_empty());
    for precision in Precision::all() {
        for (i, case) in file.kl.iter().enumerate() {
            let p = precision.tensor(numbers(&case.p_logits), [1, case.p_logits.len()]).require_grad();
            let q = precision.tensor(numbers(&case.q_logits), [1, case.q_logits.len()]);
            let kl = Categorical::new(p.clone()).kl(&Categorical::new(q));
            assert_near_within(
                &precision,
                ABOUT_ONE,
                &values(kl.clone()),
                &[case.expected.kl_p_q],
                &format!("KL divergence {i}"),
            );
            if let Some(gradient) = &case.expected.grad_wrt_p_logits {
                let ours = values(p.grad(&kl.backward()).unwrap());
                assert_near_within(&precision, ABOUT_ONE, &ours, gradient, &format!("gradient of KL divergence {i}"));
            }
        }
    }
}

#[test]
#[allow(clippy::cast_possible_truncation)] // the recorded logits are exact in single precision
fn invalid_logits_are_refused() {
    let file: File = golden("dist/categorical.json");
    let precision = &Precision::all()[0];
    let mut refused = 0;
    // Invalid outputs of networks. Invalid numbers of actions are refused by the action space, see below.
    for case in file.invalid.iter().filter(|case| case.action.is_none() && !case.logits.is_empty()) {
        let logits: Vec<f32> = case.logits.iter().map(|number| number.0 as f32).collect();
        let distribution = Categorical::new(precision.tensor(numbers(&case.logits), [1, logits.len()]));
        let mut actions = ActionBuffer::Discrete(Vec::new());
        let sampled = distribution.sample(&logits, &mut [EnvRng::new(0).into()], &mut actions, &mut Vec::new());
        assert!(sampled.is_err(), "{}", case.name);
        assert!(distribution.mode(&logits, &mut actions).is_err());
        assert_eq!(actions, ActionBuffer::Discrete(Vec::new()));
        refused += 1;
    }
    assert!(refused > 0);
}

#[test]
fn spaces_without_actions_and_actions_out_of_range_are_refused() {
    let file: File = golden("dist/categorical.json");
    let (mut spaces_refused, mut actions_refused) = (0, 0);
    for case in &file.invalid {
        let space = Space::discrete(case.logits.len().try_into().unwrap());
        if case.logits.is_empty() {
            assert!(EnvSpec::new("Nothing", Space::symmetric(&[1.0]), space).check().is_err());
            spaces_refused += 1;
        } else if let Some(action) = case.action {
            // Negative actions cannot be represented.
            let checked = u32::try_from(action).map(|action| Actions::Discrete(&[action]).check(&space, 1));
            assert!(!matches!(checked, Ok(Ok(()))), "{action}");
            actions_refused += 1;
        }
    }
    assert!(spaces_refused > 0 && actions_refused > 0);
}

#[derive(Deserialize)]
struct MaskedFile {
    cases: Vec<MaskedCase>,
    invalid: Vec<InvalidMask>,
}

#[derive(Deserialize)]
struct MaskedCase {
    name: String,
    logits: Vec<Number>,
    mask_true_is_allowed: Vec<bool>,
    action: i64,
    expected: MaskedExpected,
}

#[derive(Deserialize)]
struct MaskedExpected {
    probs: Vec<Number>,
    #[serde(flatten)]
    rest: Expected,
}

#[derive(Deserialize)]
struct InvalidMask {
    name: String,
    logits: Vec<Number>,
    mask: Vec<bool>,
    action: Option<i64>,
}

fn mask(precision: &Precision, flags: &[bool]) -> Tensor<2, Bool> {
    Tensor::from_data(TensorData::new(flags.to_vec(), [1, flags.len()]), &precision.device)
}

#[test]
fn masked_actions_have_probability_zero_and_everything_else_is_exact() {
    let file: MaskedFile = golden("dist/masked_categorical.json");
    assert!(!file.cases.is_empty());
    let of_actions = file.invalid.iter().filter(|case| case.action.is_some()).count();
    assert!(of_actions > 0 && of_actions < file.invalid.len(), "masked actions, and masks without a possible one");
    for precision in Precision::all() {
        for case in &file.cases {
            let logits = precision.tensor(numbers(&case.logits), [1, case.logits.len()]).require_grad();
            let masked = || Categorical::masked(logits.clone(), mask(&precision, &case.mask_true_is_allowed));
            let MaskedExpected { probs, rest } = &case.expected;
            let ours = values(masked().log_probs().exp());
            for (&ours, &prob) in ours.iter().zip(probs) {
                // The absolute rounding error of a log-probability is a relative one of the probability.
                let rounding = if prob.0 > 0.0 { -prob.0 * prob.0.ln() } else { 0.0 };
                assert_near_within(&precision, rounding, &[ours], &[prob], &format!("{} probability", case.name));
            }
            let masked_out = ours.iter().zip(&case.mask_true_is_allowed).filter(|(_, allowed)| !**allowed);
            assert!(masked_out.into_iter().all(|(&p, _)| p == 0.0), "{}", case.name);
            let action = ActionTensor::Discrete(precision.indices(&[case.action]));
            for (output, value, gradient, what) in [
                (masked().log_prob(&action), rest.log_prob, &rest.grad_log_prob_wrt_logits, "log-probability"),
                (masked().entropy(), rest.entropy, &rest.grad_entropy_wrt_logits, "entropy"),
            ] {
                let what = format!("{} {what}", case.name);
                assert_near_within(&precision, ABOUT_ONE, &values(output.clone()), &[value], &what);
                let ours = values(logits.grad(&output.backward()).unwrap());
                assert_near_within(&precision, ABOUT_ONE, &ours, gradient, &format!("{what} gradient"));
            }
        }
        for case in &file.invalid {
            let logits = precision.tensor(numbers(&case.logits), [1, case.logits.len()]);
            let masked = Categorical::masked(logits, mask(&precision, &case.mask));
            match case.action {
                Some(action) => {
                    let log_prob = masked.log_prob(&ActionTensor::Discrete(precision.indices(&[action])));
                    let log_prob = values(log_prob)[0];
                    assert!(log_prob < -1e37 && log_prob.exp() == 0.0, "{}: {log_prob}", case.name);
                }
                None => {
                    #[allow(clippy::cast_possible_truncation)]
                    let read: Vec<f32> = values(masked.parameters()).into_iter().map(|v| v as f32).collect();
                    let mut actions = ActionBuffer::Discrete(Vec::new());
                    let sampled = masked.sample(&read, &mut [EnvRng::new(0).into()], &mut actions, &mut Vec::new());
                    assert_eq!(sampled, Err(DistributionError::NothingPossible { row: 0 }), "{}", case.name);
                }
            }
        }
    }
}

/// Shading languages may assume that no number is infinite or NaN.
#[test]
fn masks_need_no_infinite_numbers_on_the_device() {
    for precision in Precision::all() {
        let logits = precision.tensor(vec![1e4, -3.0, 2.0, -1e4, 0.0, 5.0], [2, 3]).require_grad();
        let flags = TensorData::new(vec![true, false, true, true, false, false], [2, 3]);
        let masked = || Categorical::masked(logits.clone(), Tensor::from_data(flags.clone(), &precision.device));
        let other = Categorical::masked(logits.clone().neg(), Tensor::from_data(flags.clone(), &precision.device));
        let action = ActionTensor::Discrete(precision.indices(&[2, 0]));
        assert!(values(masked().parameters()).iter().chain(&values(masked().log_probs())).all(|x| x.is_finite()));
        assert_eq!(values(masked().log_probs().exp()), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        for output in [masked().log_prob(&action), masked().entropy(), masked().kl(&other)] {
            let gradients = values(logits.grad(&output.clone().sum().backward()).unwrap());
            assert!(values(output).iter().chain(&gradients).all(|x| x.is_finite()));
            assert_eq!([gradients[1], gradients[4], gradients[5]], [0.0; 3]);
        }
    }
}

#[test]
#[allow(clippy::cast_possible_truncation)]
fn masked_actions_are_never_drawn_and_rows_without_a_possible_one_are_refused() {
    let precision = &Precision::all()[0];
    let masked = |flags: [bool; 3]| {
        Categorical::masked(precision.tensor(vec![-1e30, 1e30, 0.0], [1, 3]), mask(precision, &flags))
    };
    let sample = |flags| {
        let distribution = masked(flags);
        let read: Vec<f32> = values(distribution.parameters()).into_iter().map(|v| v as f32).collect();
        let mut actions = ActionBuffer::Discrete(Vec::new());
        let sampled = distribution.sample(&read, &mut [EnvRng::new(0).into()], &mut actions, &mut Vec::new());
        let mode = distribution.mode(&read, &mut actions);
        (sampled.and(mode), actions)
    };
    assert_eq!(sample([true, false, false]), (Ok(()), ActionBuffer::Discrete(vec![0, 0])));
    assert_eq!(sample([true, false, true]), (Ok(()), ActionBuffer::Discrete(vec![2, 2])));
    let refused = Err(DistributionError::NothingPossible { row: 0 });
    assert_eq!(sample([false; 3]), (refused, ActionBuffer::Discrete(Vec::new())));
}
