//! Exported policies, read back and computed in double precision by code that is independent of the library.

pub mod graph;
mod imported;
mod inputs;
mod interpreter;
mod pytorch;
mod recorded;
mod refused;

use std::collections::BTreeMap;

use burn::module::Module;
use burn_pg::{
    Agent, Decision,
    envs::{
        ActionBuffer, EnvRng, EnvSpec, Space, spec,
        wrapper::{ObservationNormalizer, RunningMoments},
    },
    policy::{ActorCritic, NetworkSpec},
};
use safetensors::{Dtype, SafeTensors};

use crate::helpers::{AddNoise, flex};

fn agent(spec: &EnvSpec, shape: &NetworkSpec, normalizer: Option<ObservationNormalizer>) -> Agent {
    let policy = ActorCritic::new(spec, shape, &mut EnvRng::new(3), &flex()).unwrap();
    Agent::new(policy.map(&mut AddNoise(EnvRng::new(4))), spec.clone(), normalizer).unwrap()
}

/// Statistics with a mean that is large compared with its standard deviation, and with a variance of 0.
fn normalizer(len: usize) -> ObservationNormalizer {
    let mean = (0..len).map(|i| [0.3, 1000.1, -7.0][i % 3]).collect();
    let variance = (0..len).map(|i| [0.04, 1e-4, 0.0][i % 3]).collect();
    ObservationNormalizer { moments: RunningMoments { mean, variance, count: 100.0 }, clip: 5.0 }
}

/// Observations of every magnitude, and extremes: zeros, denormals, a million, and values near the means above.
fn observations(len: usize) -> Vec<f32> {
    let rng = &mut EnvRng::new(9);
    let extremes = [0.0, -0.0, 1e-45, -1e-40, f32::MIN_POSITIVE, 1e6, -1e6, 1.0, -1.0, 1000.1, 1000.107, -7.0];
    let mut rows: Vec<f32> = extremes.iter().flat_map(|&number| vec![number; len]).collect();
    #[allow(clippy::cast_possible_truncation)]
    rows.extend((0..200 * len).map(|_| (rng.normal() * 10.0_f64.powf(rng.uniform(-4.0, 2.0))) as f32));
    rows.extend((0..100 * len).map(|_| extremes[rng.below(12) as usize]));
    rows
}

/// Three actions: bounded below, above, and on both sides.
fn half_open() -> EnvSpec {
    let (low, high) = (vec![-0.1, f32::NEG_INFINITY, -0.5], vec![f32::INFINITY, 0.2, 2.0]);
    EnvSpec { action_space: Space::Box { low, high, shape: vec![3] }, ..spec("Pendulum-v1").unwrap() }
}

/// Asserts that an output agrees to 1e-5, relative to the larger of 1 and the largest value of the row. In at most one of
/// fifty rows the difference may be larger, up to `uncertain`.
#[track_caller]
fn assert_rows(ours: &[f32], expected: &[f64], uncertain: Option<&[f64]>, rows: usize, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let (width, mut beyond) = (ours.len() / rows, 0);
    for row in 0..rows {
        let columns = row * width..(row + 1) * width;
        let (ours, expected) = (&ours[columns.clone()], &expected[columns.clone()]);
        let finite = expected.iter().filter(|number| number.is_finite());
        let scale = finite.fold(1.0_f64, |most, number| most.max(number.abs()));
        let difference = |(&ours, &expected): (&f32, &f64)| {
            if f64::from(ours) == expected { 0.0 } else { (f64::from(ours) - expected).abs() }
        };
        let difference = ours.iter().zip(expected).map(difference).fold(0.0, f64::max);
        if difference.is_nan() || difference > 1e-5 * scale {
            beyond += 1;
            let uncertain = uncertain.map_or(0.0, |uncertain| uncertain[columns].iter().copied().fold(0.0, f64::max));
            assert!(difference <= uncertain, "{what}, row {row}: {ours:?} instead of {expected:?}, {uncertain:e}");
        }
    }
    assert!(beyond * 50 <= rows, "{what}: {beyond} of {rows} rows differ");
}

/// Asserts that the actions are those expected, except where two logits of a component are so close that rounding decides.
#[track_caller]
fn assert_actions(
    agent: &Agent,
    ours: &Decision,
    expected: &[f64],
    uncertain: Option<&[f64]>,
    rows: usize,
    what: &str,
) {
    let numbers: Vec<f32> = match &ours.actions {
        ActionBuffer::Continuous(actions) => return assert_rows(actions, expected, uncertain, rows, what),
        ActionBuffer::Discrete(actions) | ActionBuffer::MultiDiscrete(actions) => {
            actions.iter().map(|&action| action as f32).collect()
        }
        ActionBuffer::MultiBinary(flags) => flags.iter().map(|&flag| f32::from(u8::from(flag))).collect(),
    };
    let sizes = match &agent.spec().action_space {
        Space::Discrete { n, .. } => vec![*n as usize],
        Space::MultiDiscrete { sizes } => sizes.iter().map(|&size| size as usize).collect(),
        Space::MultiBinary { n } => vec![1; *n as usize],
        Space::Box { .. } | Space::Image { .. } | Space::Dict { .. } => unreachable!(),
    };
    let width: usize = sizes.iter().sum();
    let mut clear = 0;
    for row in 0..rows {
        let mut logits = &ours.parameters[row * width..(row + 1) * width];
        // Masked logits do not count.
        let scale = logits.iter().filter(|logit| logit.abs() < 1e37).fold(1.0_f32, |most, logit| most.max(logit.abs()));
        for (component, &size) in sizes.iter().enumerate() {
            let (of_component, rest) = logits.split_at(size);
            logits = rest;
            let mut sorted = if size == 1 { vec![0.0, of_component[0]] } else { of_component.to_vec() };
            sorted.sort_by(f32::total_cmp);
            let [second, first] = sorted[sorted.len() - 2..] else { unreachable!() };
            if first - second > 2e-5 * scale {
                clear += 1;
                let at = row * sizes.len() + component;
                assert_eq!(f64::from(numbers[at]), expected[at], "{what}, row {row}, component {component}");
            }
        }
    }
    assert!(clear * 10 > rows * sizes.len() * 9, "{what}: rounding decides too often, {clear}");
}

/// Returns shape and values (in double precision) of each tensor of a state dict, by name.
fn state_dict(file: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let file = SafeTensors::deserialize(file).unwrap();
    let numbers = |view: &safetensors::tensor::TensorView<'_>| match view.dtype() {
        Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
        Dtype::F64 => view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        other => panic!("{other:?}"),
    };
    file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), numbers(&view)))).collect()
}
