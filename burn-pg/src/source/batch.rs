//! A rollout on the device, cut into minibatches.

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_pg_envs::EnvRng;

use super::{Rollout, host::Cut};
use crate::{
    advantage::Targets,
    distribution::{ActionTensor, Distribution},
    policy::{Observation, Policy, Rows, Sequences},
};

/// B samples on a device; for a policy that remembers, B steps of whole sequences, which are never taken apart.
///
/// What belongs to a sample is a vector. A column `[B, 1]` in its place would broadcast to a square; it does not compile:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, source::Batch};
/// fn with_returns(batch: Batch, returns: Tensor<2>) -> Batch {
///     Batch { returns, ..batch }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Batch {
    /// Observations.
    pub observations: Observation,
    /// Actions. Shape `[B]`.
    pub actions: ActionTensor,
    /// Log-probabilities of the actions when they were taken. Shape `[B]`.
    pub log_probs: Tensor<1>,
    /// Values when the actions were taken, if there is a critic. Shape `[B]`.
    pub values: Option<Tensor<1>>,
    /// Advantages. Shape `[B]`.
    pub advantages: Tensor<1>,
    /// Returns. Shape `[B]`.
    pub returns: Tensor<1>,
    /// Log-probabilities of the actions under a policy that is not trained, if there is one. Shape `[B]`.
    pub reference_log_probs: Option<Tensor<1>>,
    /// How much of training was over when they were collected, 0 to 1.
    pub progress: f64,
    /// The steps before each sequence, without autodiff, if what is remembered is to be computed afresh.
    pub burn_in: Option<Observation>,
    /// Samples to learn from, if not all of them are. Length B.
    pub valid: Option<Vec<bool>>,
}

impl Batch {
    /// Uploads a rollout, with its targets: the valid steps of it, or all of its sequences.
    #[must_use]
    pub fn new(rollout: &Rollout, targets: &Targets, device: &Device) -> Self {
        let batch = Self::upload(rollout, targets, device);
        let complete = !rollout.valid.contains(&false);
        let Some(cut) = Cut::new(rollout) else {
            let valid = (0..rollout.len()).filter(|&row| rollout.valid[row]);
            return if complete { batch } else { batch.rows(valid) };
        };
        let valid = (!complete).then(|| cut.rows().map(|row| rollout.valid[row]).collect());
        let burn_in = cut.burn_in(&device.clone().without_autodiff());
        let batch = batch.rows(cut.rows());
        Self { observations: batch.observations.with_sequences(cut.sequences(device)), burn_in, valid, ..batch }
    }

    /// The environments that the samples of [`new`](Self::new), or its sequences of samples, come from.
    pub(crate) fn envs(rollout: &Rollout) -> Vec<usize> {
        match Cut::new(rollout) {
            None => (0..rollout.len()).filter(|&row| rollout.valid[row]).map(|row| row % rollout.num_envs).collect(),
            Some(cut) => cut.starts().map(|(_, env)| env).collect(),
        }
    }

    fn upload(rollout: &Rollout, targets: &Targets, device: &Device) -> Self {
        let len = rollout.len();
        Self {
            observations: Observation::upload(rollout.observations.clone(), &rollout.action_masks, len, device),
            actions: ActionTensor::upload(&rollout.actions, len, device),
            log_probs: vector(rollout.log_probs.clone(), device),
            values: (!rollout.values.is_empty()).then(|| vector(rollout.values.clone(), device)),
            advantages: vector(to_f32(&targets.advantages), device),
            returns: vector(to_f32(&targets.returns), device),
            reference_log_probs: None,
            progress: 0.0,
            burn_in: None,
            valid: None,
        }
    }

    /// Number of samples to learn from.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.valid {
            None => self.num_rows(),
            Some(valid) => valid.iter().filter(|&&valid| valid).count(),
        }
    }

    /// Are there no samples to learn from?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of samples, B.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.log_probs.dims()[0]
    }

    /// Samples that stay together: the steps of a sequence, or 1.
    #[must_use]
    pub fn unit(&self) -> usize {
        self.observations.sequences.as_ref().map_or(1, Sequences::steps)
    }

    /// The same samples, or sequences of samples, in a random order.
    #[must_use]
    pub fn shuffled(&self, rng: &mut EnvRng) -> Self {
        let mut order: Vec<u32> = (0..).take(self.num_rows() / self.unit()).collect();
        rng.shuffle(&mut order);
        self.select(&order)
    }

    /// The samples, or sequences of samples, that `order` names, in that order.
    #[must_use]
    pub fn select(&self, order: &[u32]) -> Self {
        let (unit, order) = (self.unit(), order.iter().map(|&index| index as usize));
        let Some(sequences) = &self.observations.sequences else { return self.rows(order) };
        let rows: Vec<usize> = order.clone().flat_map(|index| index * unit..(index + 1) * unit).collect();
        let device = self.log_probs.device();
        let sequences = sequences.select(indices(order.clone(), &device));
        let burn_in = self.burn_in.as_ref().map(|burn_in| {
            let before = burn_in.sequences.as_ref().expect("a burn-in walks along sequences");
            let (steps, device) = (before.steps(), before.memory.device());
            let rows = order.clone().flat_map(|index| index * steps..(index + 1) * steps);
            burn_in.select_rows(&indices(rows, &device)).with_sequences(before.select(indices(order.clone(), &device)))
        });
        let valid = self.valid.as_ref().map(|valid| rows.iter().map(|&row| valid[row]).collect());
        let batch = self.rows(rows.into_iter());
        Self { observations: batch.observations.with_sequences(sequences), burn_in, valid, ..batch }
    }

    /// The rows that `order` names, in that order, out of their sequences.
    fn rows(&self, order: impl Iterator<Item = usize>) -> Self {
        let order = indices(order, &self.log_probs.device());
        let select = |column: &Tensor<1>| column.clone().select(0, order.clone());
        Self {
            observations: self.observations.select_rows(&order),
            actions: self.actions.select(order.clone()),
            log_probs: select(&self.log_probs),
            values: self.values.as_ref().map(select),
            advantages: select(&self.advantages),
            returns: select(&self.returns),
            reference_log_probs: self.reference_log_probs.as_ref().map(select),
            progress: self.progress,
            burn_in: None,
            valid: None,
        }
    }

    /// Cuts the batch into runs of `size` samples, or of the next whole number of sequences; the last is shorter if they do
    /// not divide the batch.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> + '_ {
        let size = size.next_multiple_of(self.unit());
        (0..self.num_rows()).step_by(size).map(move |start| self.run(start, size.min(self.num_rows() - start)))
    }

    /// The samples `start..start + length`: whole sequences.
    fn run(&self, start: usize, length: usize) -> Self {
        let unit = self.unit();
        let narrow = |column: &Tensor<1>| column.clone().narrow(0, start, length);
        let observations = self.observations.narrow_rows(start, length);
        Self {
            observations: match &self.observations.sequences {
                None => observations,
                Some(sequences) => observations.with_sequences(sequences.narrow(start / unit, length / unit)),
            },
            actions: self.actions.narrow(start, length),
            log_probs: narrow(&self.log_probs),
            values: self.values.as_ref().map(narrow),
            advantages: narrow(&self.advantages),
            returns: narrow(&self.returns),
            reference_log_probs: self.reference_log_probs.as_ref().map(narrow),
            progress: self.progress,
            burn_in: self.burn_in.as_ref().map(|burn_in| {
                let before = burn_in.sequences.as_ref().expect("a burn-in walks along sequences");
                let (first, count, steps) = (start / unit, length / unit, before.steps());
                burn_in.narrow_rows(first * steps, count * steps).with_sequences(before.narrow(first, count))
            }),
            valid: self.valid.as_ref().map(|valid| valid[start..start + length].to_vec()),
        }
    }

    /// What `policy` is to be shown: the observations, and what it remembers before them. After a burn-in that is what it
    /// would remember with its weights of now, and without one what it did remember.
    ///
    /// # Panics
    /// If the batch has a burn-in, and the policy does not remember.
    #[must_use]
    pub fn shown_to<P: Policy<Observation = Observation>>(&self, policy: &P) -> Observation {
        let observations = self.observations.clone();
        let (Some(burn_in), Some(sequences)) = (&self.burn_in, &self.observations.sequences) else {
            return observations;
        };
        let memory = policy.valid().forward(burn_in.clone()).memory.expect("a burn-in is for policies that remember");
        observations.with_sequences(Sequences { memory: Tensor::from_inner(memory), ..sequences.clone() })
    }

    /// The same samples, with what `reference`, on a device with autodiff, says of their actions. What a policy remembers
    /// before the sequences of the batch is remembered by the reference too.
    pub(crate) fn with_reference<P: Policy<Observation = Observation>>(self, reference: &P) -> Self {
        let distribution = reference.forward(self.shown_to(reference)).distribution;
        let log_probs = distribution.log_prob(&self.actions).detach();
        Self { reference_log_probs: Some(log_probs), ..self }
    }

    /// The rows to learn from, if not all of them are.
    pub(crate) fn valid_rows(&self) -> Option<Tensor<1, Int>> {
        let valid = self.valid.as_ref()?;
        Some(indices((0..valid.len()).filter(|&row| valid[row]), &self.log_probs.device()))
    }
}

fn vector(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

#[allow(clippy::cast_possible_wrap)] // rows of a batch
fn indices(values: impl Iterator<Item = usize>, device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.map(|index| index as i64).collect();
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}

#[allow(clippy::cast_possible_truncation)] // targets are trained on in single precision
fn to_f32(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}
