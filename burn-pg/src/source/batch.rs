//! A rollout on the device, cut into minibatches.

use std::rc::Rc;

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{Batch, FlatSamples, Origins, Rollout, Samples, columns::Upload, host::Cut, observations::picked};
use crate::{
    device::readback::read,
    distribution::{ActionTensor, Distribution},
    loss::{Averaging, ContextPart, LossContext, normalize, normalize_weighted},
    policy::{Observation, Policy, Prediction, Rows},
    ranks::Ranks,
};

impl Batch {
    /// Moves a rollout to a device: its valid steps or, for a recurrent policy, all of its sequences. This empties the
    /// uploaded columns of the rollout, unless their rows had to be selected or reordered.
    #[must_use]
    pub fn upload(rollout: &mut Rollout, device: &Device) -> Self {
        let order = Order::of(rollout);
        let observations = order.observations(rollout, device);
        order.batch(rollout, observations, device)
    }
}

/// The order of a rollout's rows in a batch.
pub(super) struct Order {
    /// Rows of the rollout in the order of the batch; `None` for all rows in the order of the rollout.
    rows: Option<Vec<usize>>,
    /// True for the samples to learn from; `None` for all samples.
    valid: Option<Vec<bool>>,
    origins: Origins,
}

impl Order {
    /// Returns the valid rows of a rollout; for a recurrent policy all rows, sequence by sequence.
    pub fn of(rollout: &Rollout) -> Self {
        let (num_envs, complete) = (rollout.num_envs, !rollout.valid.contains(&false));
        let in_turn = Origins::InTurn(num_envs);
        if let Some(cut) = Cut::new(rollout) {
            let rows: Vec<usize> = cut.rows().collect();
            let valid = (!complete).then(|| rows.iter().map(|&row| rollout.valid[row]).collect());
            return Self { rows: Some(rows), valid, origins: in_turn };
        }
        if complete {
            return Self { rows: None, valid: None, origins: in_turn };
        }
        let rows: Vec<usize> = (0..rollout.len()).filter(|&row| rollout.valid[row]).collect();
        let envs = rows.iter().map(|row| u32::try_from(row % num_envs).expect("fewer than 2^32 environments"));
        let origins = Origins::Listed(envs.collect());
        Self { rows: Some(rows), valid: None, origins }
    }

    /// Moves the observations to a device.
    pub fn observations(&self, rollout: &mut Rollout, device: &Device) -> Observation {
        let cut = Cut::new(rollout);
        let sequences = cut.as_ref().map(|cut| cut.sequences(device));
        let burn_in = cut.and_then(|cut| cut.burn_in(&device.clone().without_autodiff())).map(Box::new);
        let (total, rows) = (rollout.len(), self.rows.as_deref());
        let masks = picked(&mut rollout.action_masks, total, rows);
        let inputs = rollout.observations.upload(rows, device);
        let batch = rows.map_or(total, <[usize]>::len);
        Observation { inputs, action_mask: None, sequences, burn_in }.with_masks(&masks, batch, device)
    }

    /// Copies the actions to a device.
    pub fn actions(&self, rollout: &Rollout, device: &Device) -> ActionTensor {
        let total = rollout.len();
        rollout.actions.clone().upload(self.rows.as_deref(), total, device)
    }

    /// Writes `values`, which are in the order of the batch, to their rows in a column of the rollout.
    pub fn put_back(&self, values: Vec<f32>, column: &mut [f32]) {
        match &self.rows {
            None => column.copy_from_slice(&values),
            Some(rows) => rows.iter().zip(values).for_each(|(&row, value)| column[row] = value),
        }
    }

    /// Moves the other columns to a device.
    pub fn batch(self, rollout: &mut Rollout, observations: Observation, device: &Device) -> Batch {
        let batch = rollout.upload(observations, self.rows.as_deref(), device);
        Batch { valid: self.valid, origins: self.origins, ..batch }
    }
}

impl<O: Rows> Batch<O> {
    /// Number of samples, B.
    #[must_use]
    pub fn num_rows(&self) -> usize {
        self.log_probs.dims()[0]
    }

    /// Number of samples to learn from.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.valid {
            None => self.num_rows(),
            Some(valid) => valid.iter().filter(|&&valid| valid).count(),
        }
    }

    /// True if there are no samples to learn from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of samples that stay together: the steps of a sequence, or 1.
    #[must_use]
    pub fn unit(&self) -> usize {
        self.observations.unit()
    }

    /// Returns the samples, or whole sequences, with the indices `order`, in that order.
    ///
    /// # Panics
    /// If an index is out of range.
    #[must_use]
    pub fn select(&self, order: &[u32]) -> Self {
        let (unit, order) = (self.unit(), order.iter().map(|&index| index as usize));
        let rows: Vec<usize> = order.flat_map(|index| index * unit..(index + 1) * unit).collect();
        let valid = self.valid.as_ref().map(|valid| rows.iter().map(|&row| valid[row]).collect());
        Self { valid, ..self.select_columns(&indices(&rows, &self.device())) }
    }

    /// Cuts the batch into minibatches of `size` samples, rounded up to whole sequences. The last minibatch is shorter
    /// if that size does not divide the batch.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> + '_ {
        let (size, rows) = (size.next_multiple_of(self.unit()), self.num_rows());
        (0..rows).step_by(size).map(move |start| {
            let length = size.min(rows - start);
            let valid = self.valid.as_ref().map(|valid| valid[start..start + length].to_vec());
            Self { valid, ..self.narrow_columns(start, length) }
        })
    }

    /// Sets the weights that average losses as `averaging` says, over consecutive sequences with the given lengths.
    /// Existing weights are multiplied by these. The mass of a minibatch is proportional to its number of rows.
    ///
    /// # Panics
    /// If the lengths do not add up to the number of rows.
    #[must_use]
    pub fn averaged(mut self, averaging: Averaging, lengths: &[usize]) -> Self {
        let rows = lengths.iter().sum::<usize>();
        assert_eq!(rows, self.num_rows(), "the lengths of the sequences must add up to the number of rows");
        let (weights, mass) = averaging.weigh(lengths);
        if let Some(weights) = weights {
            let options = (&self.device(), self.log_probs.dtype());
            let weights = Tensor::from_data(TensorData::new(weights, [rows]), options);
            self.weights = Some(match self.weights {
                None => weights,
                Some(before) => before * weights,
            });
        }
        Self { mass_per_row: mass / rows as f64, ..self }
    }

    fn mass(&self) -> f64 {
        self.len() as f64 * self.mass_per_row
    }

    /// Indices of the rows to learn from; `None` for all rows.
    fn valid_rows(&self) -> Option<Tensor<1, Int>> {
        let valid = self.valid.as_ref()?;
        let rows: Vec<usize> = (0..valid.len()).filter(|&row| valid[row]).collect();
        Some(indices(&rows, &self.device()))
    }

    /// Returns the weight of each row in a mean over the samples, 0 for rows that are not learnt from; `None` if all
    /// weights are equal.
    pub(crate) fn weights_in_means(&self) -> Option<Tensor<1>> {
        let Some(valid) = &self.valid else { return self.weights.clone() };
        let valid: Vec<f32> = valid.iter().map(|&valid| f32::from(u8::from(valid))).collect();
        let len = valid.len();
        let valid = Tensor::from_data(TensorData::new(valid, [len]), (&self.device(), self.log_probs.dtype()));
        Some(match &self.weights {
            None => valid,
            Some(weights) => valid * weights.clone(),
        })
    }

    /// Returns the input of loss terms, from the prediction of a policy for the samples.
    pub(crate) fn context_of<'a, D: Distribution + 'a>(&'a self, prediction: Prediction<D>) -> LossContext<'a> {
        let Prediction { distribution, values, .. } = prediction;
        let distribution = Rc::new(distribution);
        let (of_actions, entropies) = (distribution.clone(), distribution);
        let log_probs = move || of_actions.log_prob(&self.actions);
        let context = LossContext::new(self.mass(), self.progress)
            .with(ContextPart::LogProbs, log_probs)
            .with(ContextPart::Entropies, move || entropies.entropy())
            .of_rows(self.valid_rows());
        let context = match values {
            None => context,
            Some(values) => context.with_tensor(ContextPart::Values, values),
        };
        self.add_columns_to(context)
    }

    fn device(&self) -> Device {
        self.log_probs.device()
    }
}

impl<P: Policy> Samples<P> for Batch<P::Observation> {
    fn num_rows(&self) -> usize {
        self.num_rows()
    }

    fn unit(&self) -> usize {
        self.unit()
    }

    fn select(&self, order: &[u32]) -> Self {
        self.select(order)
    }

    fn minibatches(&self, size: usize) -> impl Iterator<Item = Self> {
        self.minibatches(size)
    }

    /// The number of samples to learn from, times [`mass_per_row`](Batch::mass_per_row).
    fn mass(&self) -> f64 {
        self.mass()
    }

    fn lacks(&self, part: ContextPart) -> bool {
        self.lacks_column(part)
    }

    fn with_advantages_normalized_over(mut self, ranks: &Ranks) -> Self {
        let weights = self.weights_in_means();
        self.advantages = self.advantages.take().map(|advantages| match &weights {
            _ if !ranks.is_alone() => normalize_over(ranks, advantages, weights),
            None => normalize(advantages),
            Some(weights) => normalize_weighted(advantages, weights),
        });
        self
    }

    fn context<'a>(&'a self, policy: &P) -> LossContext<'a> {
        self.context_of(policy.forward(self.observations.shown_to(policy)))
    }

    fn flat(&self) -> Option<FlatSamples> {
        if self.valid.is_some() {
            return None;
        }
        let (observations, action_mask) = self.observations.vectors()?;
        let columns = self.add_columns_to(LossContext::new(self.mass(), self.progress));
        Some(FlatSamples { observations, action_mask, actions: self.actions.clone(), columns })
    }

    fn in_turn(&self) -> Option<usize> {
        match self.origins {
            Origins::InTurn(num_envs) => Some(num_envs),
            Origins::Unknown | Origins::Listed(_) => None,
        }
    }

    fn origin(&self, unit: usize) -> Option<usize> {
        self.origins.of(unit)
    }
}

/// Normalises advantages on the host, over all ranks. They become NaN if they cannot be read.
fn normalize_over(ranks: &Ranks, advantages: Tensor<1>, weights: Option<Tensor<1>>) -> Tensor<1> {
    let options = (&advantages.device(), advantages.dtype());
    let [len] = advantages.dims();
    let weights = weights.map(|weights| read([weights]).map_or_else(|_| vec![f32::NAN; len], |[weights]| weights));
    let mut values = read([advantages]).map_or_else(|_| vec![f32::NAN; len], |[values]| values);
    ranks.normalize(&mut values, &weights.unwrap_or_default());
    Tensor::from_data(TensorData::new(values, [len]), options)
}

#[allow(clippy::cast_possible_wrap)] // rows of a batch
fn indices(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&index| index as i64).collect();
    let len = rows.len();
    Tensor::from_data(TensorData::new(rows, [len]), device)
}
