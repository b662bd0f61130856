//! Adam, the global norm and the decay of the learning rate, against PyTorch.

use burn_pg::optim::{Adam, Schedule, clip_global_norm};
use serde::Deserialize;

use crate::{
    golden::{Array, golden},
    precision::{Precision, assert_close, values},
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
    linear_lr: Vec<Decay>,
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

#[derive(Deserialize)]
struct Decay {
    iteration: u64,
    num_iterations: u64,
    lr0: f64,
    expected: f64,
}

fn flat(arrays: &[Array]) -> Vec<f64> {
    arrays.iter().flat_map(Array::flat).collect()
}

#[test]
fn steps_over_all_parameters_are_pytorchs() {
    let file: File = golden("update/optimizers.json");
    for precision in Precision::all() {
        // Single precision: each step rounds weights of order 1 to 6e-8, eight steps in all.
        let tolerance = if precision.is_double() { 1e-12 } else { 5e-7 };
        // Name, epsilon, and the learning rate before the first `set_lr` of the recording.
        for (name, epsilon, mut learning_rate) in [("adam_eps_1e-5", 1e-5, 2.5e-4), ("adam_eps_1e-8", 1e-8, 1e-3)] {
            let case = file.cases.iter().find(|case| case.name == name).unwrap();
            let mut adam = Adam::new(epsilon);
            let mut weights = precision.vector(&flat(&case.weights_before)).inner();
            for (i, step) in case.steps.iter().enumerate() {
                let what = format!("{precision:?} {name} step {i}");
                learning_rate = step.set_lr.unwrap_or(learning_rate);
                let gradient = precision.vector(&flat(&step.grads)).inner();
                let (gradient, norm) = clip_global_norm(gradient, step.clip_global_norm.unwrap_or(f64::from(f32::MAX)));
                assert_close(&values(norm), &[step.global_norm_before_clip], tolerance, &what);
                weights = adam.step(learning_rate, weights, gradient);
                assert_close(&values(weights.clone()), &flat(&step.weights_after), tolerance, &what);
            }
        }
    }
}

#[test]
fn the_learning_rate_falls_as_in_cleanrl() {
    let file: File = golden("update/optimizers.json");
    assert!(!file.linear_lr.is_empty());
    for decay in file.linear_lr {
        let schedule = Schedule::LinearDecay { start: decay.lr0 };
        let ours = schedule.at(decay.iteration - 1, decay.num_iterations);
        assert_close(&[ours], &[decay.expected], 1e-15, "learning rate");
    }
    assert_eq!(Schedule::Constant { value: 0.5 }.at(7, 10), 0.5);
}
