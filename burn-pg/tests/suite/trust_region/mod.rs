//! Trust regions: the Fisher matrix, a step within a region, and runs that take such steps.

mod products;
mod step;
mod training;

use burn::tensor::{Bool, Int, Tensor, TensorData};
use burn_pg::{
    TrustRegion, TrustRegionSpec,
    distribution::{ActionTensor, Distribution},
    envs::{EnvRng, EnvSpec, Space},
    loss::{Objective, Surrogate},
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::{ActorCritic, Exploration, NetworkSpec, Observation, Policy},
};

use crate::precision::{Precision, values};

/// Elements of an observation.
const OBSERVED: usize = 2;

/// Returns a tiny actor and critic with random weights.
fn policy(actions: &Space, exploration: Exploration, rng: &mut EnvRng, precision: &Precision) -> ActorCritic {
    let spec = EnvSpec::new("tiny", Space::symmetric(&[1.0; OBSERVED]), actions.clone());
    let shape = NetworkSpec { hidden_sizes: vec![3], exploration, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &shape, rng, &precision.device).unwrap();
    let [len] = flatten_parameters(&policy).dims();
    replace_parameters(policy, precision.vector(&random(len, rng)).inner())
}

fn random(len: usize, rng: &mut EnvRng) -> Vec<f64> {
    (0..len).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

fn rows(count: usize, rng: &mut EnvRng) -> Vec<Vec<f64>> {
    (0..count).map(|_| random(OBSERVED, rng)).collect()
}

/// Returns the gradient of a scalar of shape `[1]` with respect to the policy.
fn gradient_of(policy: &ActorCritic, number: &Tensor<1>) -> Vec<f64> {
    values(flatten_gradients(policy, &number.backward()))
}

/// A sum of outer products.
struct Matrix(Vec<Vec<f64>>);

impl Matrix {
    fn zeros(size: usize) -> Self {
        Self(vec![vec![0.0; size]; size])
    }

    /// Adds `weight v v^T`.
    fn add(&mut self, weight: f64, v: &[f64]) {
        for (row, &a) in self.0.iter_mut().zip(v) {
            row.iter_mut().zip(v).for_each(|(entry, &b)| *entry += weight * a * b);
        }
    }

    fn product(&self, v: &[f64]) -> Vec<f64> {
        self.0.iter().map(|row| dot(row, v)).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Returns some actions, one row each.
fn integers(rows: &[Vec<i64>], precision: &Precision) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), rows[0].len()]), &precision.device)
}

/// Returns every action of the space.
fn every_action(space: &Space, precision: &Precision) -> Vec<ActionTensor> {
    match space {
        Space::Discrete { n, .. } => {
            (0..i64::from(*n)).map(|a| ActionTensor::Discrete(precision.indices(&[a]))).collect()
        }
        Space::MultiDiscrete { sizes } => {
            let [first, second] = sizes[..] else { panic!("two components") };
            let pairs = (0..i64::from(first)).flat_map(|a| (0..i64::from(second)).map(move |b| vec![a, b]));
            pairs.map(|pair| ActionTensor::MultiDiscrete(integers(&[pair], precision))).collect()
        }
        Space::MultiBinary { n: 2 } => {
            let pairs = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
            pairs.map(|pair| ActionTensor::MultiBinary(precision.tensor(pair.to_vec(), [1, 2]))).into()
        }
        _ => panic!("{space} has infinitely many actions"),
    }
}

fn observation(rows: &[Vec<f64>], masks: Option<&[[bool; 3]]>, precision: &Precision) -> Observation {
    let mask = masks.map(|masks| {
        let data = TensorData::new(masks.concat(), [masks.len(), 3]);
        Tensor::<2, Bool>::from_data(data, &precision.device)
    });
    Observation { action_mask: mask, ..precision.matrix(rows).into() }
}

/// Returns `mean_s sum_a pi(a|s) grad log pi(a|s) grad log pi(a|s)^T`, over the possible actions.
fn enumerated(
    policy: &ActorCritic,
    space: &Space,
    states: &[Vec<f64>],
    masks: Option<&[[bool; 3]]>,
    precision: &Precision,
) -> Matrix {
    let [size] = flatten_parameters(policy).dims();
    let mut matrix = Matrix::zeros(size);
    for (s, state) in states.iter().enumerate() {
        let state = || observation(std::slice::from_ref(state), masks.map(|masks| &masks[s..=s]), precision);
        for (a, action) in every_action(space, precision).iter().enumerate() {
            if masks.is_none_or(|masks| masks[s][a]) {
                let log_prob = policy.forward(state()).distribution.log_prob(action);
                let weight = values(log_prob.clone())[0].exp() / states.len() as f64;
                matrix.add(weight, &gradient_of(policy, &log_prob));
            }
        }
    }
    matrix
}

fn region(spec: TrustRegionSpec) -> TrustRegion {
    TrustRegion { objective: Objective::new().with(1.0, Surrogate), spec, normalize_advantages: false }
}

/// Damping so small that the quadratic model of the KL divergence is far off for a large radius.
const DAMPING: f64 = 5e-3;

/// Enough iterations to solve the system of the tiny policy exactly.
fn exact(max_kl: f64) -> TrustRegionSpec {
    TrustRegionSpec { max_kl, cg_iterations: 60, cg_tolerance: 1e-9, damping: DAMPING, ..TrustRegionSpec::default() }
}
