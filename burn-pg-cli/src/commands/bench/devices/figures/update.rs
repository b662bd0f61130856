//! Steps of the optimiser.

use anyhow::Result;
use burn_pg::{
    Config, Learner,
    algorithm::Recipe,
    burn::tensor::{Device, Int, Tensor, TensorData},
    distribution::ActionTensor,
    optim::OptimiserSpec,
    policy::Observation,
    source::Batch,
};

use super::{Size, Step, networks, random};

/// Small, so that the policy stays random however often the step is repeated.
const LEARNING_RATE: f64 = 1e-6;

/// Returns a step of PPO on one minibatch.
pub fn step(device: &Device, Size { envs: rows, width }: Size) -> Result<Step> {
    let device = device.clone().autodiff();
    let (spec, mut policy) = networks(&device, width)?;
    let batch = batch(rows, spec.observation_space.flat_len(), &device);
    let objective = Recipe::of(&Config::default().validate()?)?.objective;
    let learner = Learner::new(objective, OptimiserSpec::default().build());
    let mut learner = Learner { max_grad_norm: 0.5, normalize_advantages: true, ..learner };
    Ok(Box::new(move || {
        (policy, _) = learner.step(&policy, batch.clone(), LEARNING_RATE);
        Ok(())
    }))
}

/// Returns samples of a policy that chooses between two actions at random.
fn batch(rows: usize, observed: usize, device: &Device) -> Batch {
    let vector = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [rows]), device);
    let observations = TensorData::new(random(rows * observed), [rows, observed]);
    let actions: Vec<i64> = (0..).map(|row| row % 2).take(rows).collect();
    let actions = Tensor::<1, Int>::from_data(TensorData::new(actions, [rows]), device);
    let observations = Observation::from(Tensor::<2>::from_data(observations, device));
    let log_probs = vector(vec![0.5_f32.ln(); rows]);
    Batch {
        values: Some(vector(vec![0.0; rows])),
        advantages: Some(vector(random(rows))),
        returns: Some(vector(random(rows))),
        ..Batch::new(observations, ActionTensor::Discrete(actions), log_probs)
    }
}
