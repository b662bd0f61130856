//! Sampling: one noise matrix is used for several steps of an environment.

use std::num::NonZeroU32;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    distribution::{ActionStream, ActionTensor, Distribution, StateDependentGaussian},
    envs::{ActionBuffer, EnvRng},
    policy::{Observation, Policy, Prediction},
    source::Rollout,
};

use super::{basis, variances};
use crate::helpers::flex;
use crate::precision::{Precision, assert_close, values};

/// Reads the parameters of a distribution back.
#[allow(clippy::cast_possible_truncation)] // in single precision
fn read(distribution: &impl Distribution) -> Vec<f32> {
    values(distribution.parameters()).into_iter().map(|number| number as f32).collect()
}

/// Draws one action for each stream.
fn sample(distribution: &impl Distribution, streams: &mut [ActionStream]) -> (Vec<f64>, Vec<f32>) {
    let (mut actions, mut log_probs) = (ActionBuffer::Continuous(Vec::new()), Vec::new());
    distribution.sample(&read(distribution), streams, &mut actions, &mut log_probs).unwrap();
    let ActionBuffer::Continuous(actions) = actions else { panic!() };
    (actions.into_iter().map(f64::from).collect(), log_probs)
}

/// Returns the noise matrix `E` of two features and one action, from two states and the offsets of their actions.
fn solve(states: &[[f64; 2]], offsets: &[f64]) -> [f64; 2] {
    let [[a, b], [c, d]] = [states[0], states[1]];
    let determinant = a * d - b * c;
    [(d * offsets[0] - b * offsets[1]) / determinant, (a * offsets[1] - c * offsets[0]) / determinant]
}

#[test]
fn each_interval_has_its_own_noise_matrix() {
    let states = [[1.0, 0.5], [-0.5, 1.0], [0.25, 0.75], [-1.0, -0.25]];
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let mut stream = [ActionStream::from(EnvRng::new(4))];
        let mut hold = |steps: usize| {
            let offsets: Vec<f64> = (0..steps)
                .map(|step| {
                    let mean = 0.125 * step as f64;
                    let distribution = StateDependentGaussian::new(
                        precision.tensor(vec![mean], [1, 1]),
                        precision.tensor(states[step].to_vec(), [1, 2]),
                        precision.tensor(vec![-0.5, 0.25], [2, 1]),
                        NonZeroU32::new(4),
                    );
                    let mut modes = ActionBuffer::Continuous(Vec::new());
                    distribution.mode(&read(&distribution), &mut modes).unwrap();
                    #[allow(clippy::cast_possible_truncation)] // exact
                    let exact = vec![mean as f32];
                    assert_eq!(modes, ActionBuffer::Continuous(exact));
                    sample(&distribution, &mut stream).0[0] - mean
                })
                .collect();
            let matrix = solve(&states, &offsets);
            for (state, offset) in states.iter().zip(&offsets) {
                let linear = state[0] * matrix[0] + state[1] * matrix[1];
                assert!((linear - offset).abs() < 1e-6, "{offset} instead of {linear}");
            }
            if steps < 4 {
                stream[0].begin_rollout();
            }
            matrix
        };
        // Two whole intervals, one that the next rollout ends early, and one more.
        let matrices = [hold(4), hold(4), hold(3), hold(4)];
        for (i, one) in matrices.iter().enumerate() {
            for other in &matrices[..i] {
                assert!((one[0] - other[0]).abs() > 1e-3 && (one[1] - other[1]).abs() > 1e-3, "{one:?} {other:?}");
            }
        }
    }
}

#[test]
fn samples_have_the_moments_and_the_density_of_the_marginal() {
    let count = 20_000;
    let (mean, features, log_std) = ([0.5, -1.0], [0.5, -1.0, 0.25], [0.0, -1.0, -0.5, 0.25, 0.5, -2.0]);
    let vars = variances(&features, &log_std, 2);
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let batch = |row: &[f64]| precision.tensor(row.repeat(count), [count, row.len()]);
        let deviations = precision.tensor(log_std.to_vec(), [3, 2]);
        let at =
            |features: &[f64]| StateDependentGaussian::new(batch(&mean), batch(features), deviations.clone(), None);
        let mut streams: Vec<ActionStream> = (0..count as u64).map(|seed| EnvRng::new(seed).into()).collect();

        let distribution = at(&features);
        let (actions, log_probs) = sample(&distribution, &mut streams);
        for k in 0..2 {
            let offsets: Vec<f64> = actions.iter().skip(k).step_by(2).map(|action| action - mean[k]).collect();
            let moment = |power: i32| offsets.iter().map(|offset| offset.powi(power)).sum::<f64>() / count as f64;
            // Within five standard errors.
            assert!(moment(1).abs() < 5.0 * (vars[k] / count as f64).sqrt(), "{}", moment(1));
            let spread = vars[k] * (2.0 / count as f64).sqrt();
            assert!((moment(2) - vars[k]).abs() < 5.0 * spread, "{} {}", moment(2), vars[k]);
        }

        let pairs = actions.chunks_exact(2).map(|action| (action[0] - mean[0]) * (action[1] - mean[1]));
        let covariance = pairs.sum::<f64>() / count as f64;
        assert!(covariance.abs() < 5.0 * (vars[0] * vars[1] / count as f64).sqrt(), "{covariance}");

        let tensor = ActionTensor::Continuous(precision.tensor(actions.clone(), [count, 2]));
        let recorded: Vec<f64> = log_probs.into_iter().map(f64::from).collect();
        assert_close(&recorded, &values(distribution.log_prob(&tensor)), 2e-6, "recorded");

        // The same noise with negated features gives negated offsets.
        let (opposite, _) = sample(&at(&features.map(|feature| -feature)), &mut streams);
        for (i, (action, opposite)) in actions.iter().zip(&opposite).enumerate() {
            assert!((action + opposite - 2.0 * mean[i % 2]).abs() < 1e-5, "{action} {opposite}");
        }
    }
}

/// A policy whose features are the observations and whose means are 0: in [`Basis`], an action is an element of `E`.
#[derive(Module, Debug)]
struct Probe {
    log_std: Param<Tensor<2>>,
    #[module(skip)]
    resample_every: Option<NonZeroU32>,
}

impl Policy for Probe {
    type Observation = Observation;
    type Dist = StateDependentGaussian;

    fn forward(&self, observation: Observation) -> Prediction<StateDependentGaussian> {
        let features = observation.vector();
        let mean = features.clone().narrow(1, 0, 1).zeros_like();
        Prediction::new(StateDependentGaussian::new(mean, features, self.log_std.val(), self.resample_every))
    }
}

fn probe(resample_every: u32) -> Probe {
    let log_std = Param::from_tensor(Tensor::from_floats([[0.0], [1.0], [-1.0]], &flex()));
    Probe { log_std, resample_every: NonZeroU32::new(resample_every) }
}

/// Returns the elements of `E` in each interval of `interval` steps of an environment; asserts that they do not change in it.
fn matrices(rollout: &Rollout, env: usize, interval: usize) -> Vec<[f32; 3]> {
    let ActionBuffer::Continuous(actions) = &rollout.actions else { panic!() };
    let rows: Vec<usize> = (env..rollout.len()).step_by(rollout.num_envs).collect();
    let one = |rows: &[usize]| {
        let mut matrix = [None; 3];
        for &row in rows {
            let feature = rollout.observations.flat()[3 * row..3 * row + 3].iter().position(|&o| o == 1.0).unwrap();
            assert_eq!(*matrix[feature].get_or_insert(actions[row]), actions[row], "row {row}");
        }
        matrix.map(Option::unwrap)
    };
    rows.chunks(interval).map(one).collect()
}

#[test]
fn gsde_noise_is_held_for_a_rollout_or_an_interval_even_if_episodes_end() {
    for (resample_every, interval) in [(0, 12), (6, 6), (100, 12)] {
        let mut collector = basis(2);
        let probe = probe(resample_every);
        let mut found = Vec::new();
        for _ in 0..2 {
            let rollout = collector.collect(&probe).unwrap();
            assert!(rollout.truncated.contains(&true));
            for env in 0..2 {
                found.extend(matrices(rollout, env, interval));
            }
        }
        assert_eq!(found.len(), 4 * 12 / interval);
        for (i, one) in found.iter().enumerate() {
            assert!(found[..i].iter().all(|other| one.iter().zip(other).all(|(x, y)| x != y)), "{found:?}");
        }
    }
}

#[test]
fn gsde_noise_does_not_depend_on_the_number_of_environments() {
    let probe = probe(6);
    let of = |num_envs: usize| {
        let mut collector = basis(num_envs);
        let mut both = Vec::new();
        for _ in 0..2 {
            let rollout = collector.collect(&probe).unwrap();
            both.extend((0..2).flat_map(|env| matrices(rollout, env, 6)));
        }
        both
    };
    assert_eq!(of(2), of(5));
}
