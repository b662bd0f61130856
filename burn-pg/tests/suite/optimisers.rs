//! Optimisers and the global gradient norm, compared with PyTorch.

use burn::tensor::Tensor;
use burn_pg::optim::{
    AdamSpec, AdamWSpec, HyperparameterError, OptimiserSpec, OptimiserState, OptimiserStateError, RmsPropSpec, SgdSpec,
    clip_global_norm,
};
use serde::Deserialize;

use crate::{
    golden::{Array, golden},
    precision::{Precision, assert_close, values},
};

#[derive(Deserialize)]
struct File<C> {
    cases: Vec<C>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    weights_before: Vec<Array>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    grads: Vec<Array>,
    clip_global_norm: Option<f64>,
    global_norm_before_clip: f64,
    set_lr: Option<f64>,
    weights_after: Vec<Array>,
}

/// Returns the optimiser of a recording, and the learning rate before its first `set_lr`.
fn recorded_optimiser(name: &str) -> (OptimiserSpec, f64) {
    let adam = |epsilon, weight_decay| AdamSpec { epsilon, weight_decay, ..AdamSpec::default() };
    match name {
        "adam_eps_1e-5" => (OptimiserSpec::Adam(AdamSpec::default()), 2.5e-4),
        "adam_eps_1e-8" => (OptimiserSpec::Adam(adam(1e-8, 0.0)), 1e-3),
        "adam_l2_0.01" => (OptimiserSpec::Adam(adam(1e-5, 0.01)), 1e-3),
        "adamw_0.01" => (OptimiserSpec::AdamW(AdamWSpec { epsilon: 1e-5, ..AdamWSpec::default() }), 1e-3),
        "rmsprop_alpha.99_eps_1e-5" => {
            (OptimiserSpec::RmsProp(RmsPropSpec { epsilon: 1e-5, ..RmsPropSpec::default() }), 7e-4)
        }
        "sgd" => (OptimiserSpec::Sgd(SgdSpec::default()), 1e-2),
        "sgd_momentum" => (OptimiserSpec::Sgd(SgdSpec { momentum: 0.9, ..SgdSpec::default() }), 1e-2),
        other => panic!("no optimiser for the recording `{other}`"),
    }
}

/// In single precision, each of at most ten steps rounds weights of order 1 to 6e-8. Global norms of order 20 are compared
/// relative to their size.
fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-12 } else { 6e-7 }
}

fn flat(arrays: &[Array]) -> Vec<f64> {
    arrays.iter().flat_map(Array::flat).collect()
}

#[test]
fn steps_match_pytorch() {
    let file: File<Case> = golden("update/optimizers.json");
    assert!(!file.cases.is_empty());
    for (case, precision) in file.cases.iter().flat_map(|case| Precision::all().into_iter().map(move |p| (case, p))) {
        let (spec, mut learning_rate) = recorded_optimiser(&case.name);
        spec.validate().unwrap();
        let mut optimiser = spec.build();
        let mut weights = precision.vector(&flat(&case.weights_before)).inner();
        for (i, step) in case.steps.iter().enumerate() {
            let what = format!("{precision:?} {} step {i}", case.name);
            learning_rate = step.set_lr.unwrap_or(learning_rate);
            let gradient = precision.vector(&flat(&step.grads)).inner();
            let (gradient, norm) = clip_global_norm(gradient, step.clip_global_norm.unwrap_or(f64::from(f32::MAX)));
            assert_close(&values(norm), &[step.global_norm_before_clip], tolerance(&precision), &what);
            weights = optimiser.step(learning_rate, weights, gradient);
            assert_close(&values(weights.clone()), &flat(&step.weights_after), tolerance(&precision), &what);
        }
    }
}

#[derive(Deserialize)]
struct Options {
    spec: OptimiserSpec,
    weights_before: Vec<f64>,
    steps: Vec<OptionsStep>,
}

#[derive(Deserialize)]
struct OptionsStep {
    learning_rate: f64,
    gradient: Vec<f64>,
    weights_after: Vec<f64>,
}

#[test]
fn every_option_matches_pytorch_and_a_state_is_complete() {
    let file: File<Options> = serde_json::from_str(include_str!("../recorded/optimizer_options.json")).unwrap();
    assert_eq!(file.cases.len(), 10);
    for (case, precision) in file.cases.iter().flat_map(|case| Precision::all().into_iter().map(move |p| (case, p))) {
        case.spec.validate().unwrap();
        let mut optimiser = case.spec.build();
        let mut weights = precision.vector(&case.weights_before).inner();
        for (i, step) in case.steps.iter().enumerate() {
            let what = format!("{precision:?} {:?} step {i}", case.spec);
            let gradient = precision.vector(&step.gradient).inner();
            weights = optimiser.step(step.learning_rate, weights, gradient);
            assert_close(&values(weights.clone()), &step.weights_after, tolerance(&precision), &what);
            // A new optimiser continues from the saved state after each step.
            let state = optimiser.state();
            assert_eq!(state.steps, i as u64 + 1, "{what}");
            optimiser = case.spec.build();
            assert!(optimiser.state().tensors.is_empty(), "{what}");
            optimiser.set_state(state).unwrap();
        }
    }
}

#[test]
fn centred_rmsprop_is_finite_with_constant_gradients() {
    let spec = RmsPropSpec { alpha: 0.5, centered: true, ..RmsPropSpec::default() };
    for precision in Precision::all() {
        let mut optimiser = OptimiserSpec::RmsProp(spec).build();
        let gradient: Vec<f64> = (1..=64).map(|i| 0.1 * f64::from(i)).collect();
        let mut weights = precision.vector(&[0.0; 64]).inner();
        for _ in 0..100 {
            weights = optimiser.step(1e-3, weights, precision.vector(&gradient).inner());
        }
        assert!(values(weights).iter().all(|weight| weight.is_finite()), "{precision:?}");
    }
}

#[test]
fn states_of_other_optimisers_are_refused() {
    let precision = &Precision::all()[0];
    let vector = |len: usize| precision.vector(&vec![1.0; len]).inner();
    let state = |steps, names: &[(&str, usize)]| {
        let tensors: Vec<(&str, Tensor<1>)> = names.iter().map(|&(name, len)| (name, vector(len))).collect();
        OptimiserState::new(steps, tensors.iter().map(|(name, tensor)| (*name, Some(tensor))))
    };
    let momentum = OptimiserSpec::Sgd(SgdSpec { momentum: 0.9, ..SgdSpec::default() });
    let mut optimiser = momentum.build();
    let _ = optimiser.step(0.1, vector(2), vector(2));

    let missing = OptimiserStateError::Missing { name: "velocity", steps: 4 };
    assert_eq!(optimiser.set_state(state(4, &[])), Err(missing));
    let unexpected = |steps| Err(OptimiserStateError::Unexpected { name: "velocity".into(), steps });
    assert_eq!(optimiser.set_state(state(0, &[("velocity", 2)])), unexpected(0));
    let mut plain = OptimiserSpec::Sgd(SgdSpec::default()).build();
    assert_eq!(plain.set_state(state(4, &[("velocity", 2)])), unexpected(4));
    let mut adam = OptimiserSpec::default().build();
    let length = OptimiserStateError::Length { name: "second_moment".into(), length: 3, expected: 2 };
    assert_eq!(adam.set_state(state(4, &[("first_moment", 2), ("second_moment", 3)])), Err(length));

    assert_eq!(optimiser.state().steps, 1, "as it was");
    optimiser.set_state(OptimiserState::default()).unwrap();
    assert!(optimiser.state().tensors.is_empty(), "as before the first step");
}

#[test]
fn specifications_have_pytorchs_defaults_and_are_checked() {
    let read = |text: &str| toml::from_str::<OptimiserSpec>(text);
    let adam = AdamSpec { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-5, weight_decay: 0.0 };
    let adamw = AdamWSpec { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
    let rms_prop = RmsPropSpec { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false, weight_decay: 0.0 };
    let sgd = SgdSpec { momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false };
    for (kind, spec) in [
        ("adam", OptimiserSpec::Adam(adam)),
        ("adamw", OptimiserSpec::AdamW(adamw)),
        ("rmsprop", OptimiserSpec::RmsProp(rms_prop)),
        ("sgd", OptimiserSpec::Sgd(sgd)),
    ] {
        assert_eq!(read(&format!("kind = '{kind}'")).unwrap(), spec);
        assert_eq!(read(&toml::to_string(&spec).unwrap()).unwrap(), spec);
        spec.validate().unwrap();
        let error = read(&format!("kind = '{kind}'\nbeta = 0.5")).unwrap_err().to_string();
        assert!(error.contains("unknown field `beta`"), "{error}");
    }
    for (text, message) in [
        ("kind = 'adam'\nbeta_1 = 1", "`beta_1` of adam is 1; it must be 0 or more and less than 1"),
        ("kind = 'adam'\nepsilon = 0.0", "`epsilon` of adam is 0; it must be more than 0"),
        ("kind = 'adamw'\nbeta_2 = -0.5", "`beta_2` of adamw is -0.5; it must be 0 or more and less than 1"),
        ("kind = 'adamw'\nweight_decay = inf", "`weight_decay` of adamw is inf; it must be 0 or more"),
        ("kind = 'rmsprop'\nalpha = nan", "`alpha` of rmsprop is NaN; it must be 0 or more and less than 1"),
        ("kind = 'rmsprop'\nmomentum = 1.0", "`momentum` of rmsprop is 1; it must be 0 or more and less than 1"),
        ("kind = 'sgd'\ndampening = 1.5", "`dampening` of sgd is 1.5; it must be between 0 and 1"),
    ] {
        assert_eq!(read(text).unwrap().validate().unwrap_err().to_string(), message);
    }
    for (momentum, dampening) in [(0.0, 0.0), (0.9, 0.5)] {
        let spec = SgdSpec { momentum, dampening, nesterov: true, ..SgdSpec::default() };
        assert_eq!(spec.validate(), Err(HyperparameterError::Nesterov { momentum, dampening }));
    }
}
