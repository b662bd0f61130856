//! A rollout on the device, cut into minibatches.

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_pg_envs::EnvRng;

use super::Rollout;
use crate::{advantage::Targets, distribution::ActionTensor, policy::Observation};

/// B samples on a device.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Observations.
    pub observations: Observation,
    /// Actions. Shape `[B]`.
    pub actions: ActionTensor,
    /// Log-probabilities of the actions when they were taken. Shape `[B]`.
    pub log_probs: Tensor<1>,
    /// Values when the actions were taken. Shape `[B]`.
    pub values: Tensor<1>,
    /// Advantages. Shape `[B]`.
    pub advantages: Tensor<1>,
    /// Returns. Shape `[B]`.
    pub returns: Tensor<1>,
}

impl Batch {
    /// Uploads the valid steps of a rollout, with their targets.
    #[must_use]
    pub fn new(rollout: &Rollout, targets: &Targets, device: &Device) -> Self {
        let batch = Self::upload(rollout, targets, device);
        let valid = (0..).zip(&rollout.valid).filter(|(_, valid)| **valid).map(|(row, _)| row);
        match rollout.valid.contains(&false) {
            true => batch.select(&valid.collect::<Vec<u32>>()),
            false => batch,
        }
    }

    fn upload(rollout: &Rollout, targets: &Targets, device: &Device) -> Self {
        let len = rollout.len();
        Self {
            observations: Observation::upload(rollout.observations.clone(), &rollout.action_masks, len, device),
            actions: ActionTensor::upload(&rollout.actions, len, device),
            log_probs: vector(rollout.log_probs.clone(), device),
            values: vector(rollout.values.clone(), device),
            advantages: vector(to_f32(&targets.advantages), device),
            returns: vector(to_f32(&targets.returns), device),
        }
    }

    /// Number of samples, B.
    #[must_use]
    pub fn len(&self) -> usize {
        self.log_probs.dims()[0]
    }

    /// Are there no samples?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same samples in a random order.
    #[must_use]
    pub fn shuffled(&self, rng: &mut EnvRng) -> Self {
        let mut order: Vec<u32> = (0..).take(self.len()).collect();
        rng.shuffle(&mut order);
        self.select(&order)
    }

    /// The rows that `order` names, in that order.
    #[must_use]
    pub fn select(&self, order: &[u32]) -> Self {
        let order = indices(order.iter().copied(), &self.log_probs.device());
        let select = |column: &Tensor<1>| column.clone().select(0, order.clone());
        Self {
            observations: self.observations.select(order.clone()),
            actions: self.actions.select(order.clone()),
            log_probs: select(&self.log_probs),
            values: select(&self.values),
            advantages: select(&self.advantages),
            returns: select(&self.returns),
        }
    }

    /// Cuts the batch into runs of `size` samples; the last is shorter if `size` does not divide the batch.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> + '_ {
        (0..self.len()).step_by(size).map(move |start| {
            let length = size.min(self.len() - start);
            let narrow = |column: &Tensor<1>| column.clone().narrow(0, start, length);
            Self {
                observations: self.observations.narrow(start, length),
                actions: self.actions.narrow(start, length),
                log_probs: narrow(&self.log_probs),
                values: narrow(&self.values),
                advantages: narrow(&self.advantages),
                returns: narrow(&self.returns),
            }
        })
    }
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

fn indices(values: impl Iterator<Item = u32>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(i64::from).collect();
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

#[allow(clippy::cast_possible_truncation)] // targets are trained on in single precision
fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
