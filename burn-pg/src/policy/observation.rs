//! What a policy sees.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::Sequences;

/// B observations on a device, each with the actions that are possible in it, if the environment says so.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The observations, flattened. Shape `[B, D]`.
    pub values: Tensor<2>,
    /// Which actions are possible: one flag for each element of a discrete space, or of each of the components of a
    /// multi-discrete one in turn. Shape `[B, M]`.
    pub action_mask: Option<Tensor<2, Bool>>,
    /// How they follow one another, for a policy that remembers.
    pub sequences: Option<Sequences>,
}

impl From<Tensor<2>> for Observation {
    fn from(values: Tensor<2>) -> Self {
        Self { values, action_mask: None, sequences: None }
    }
}

impl Observation {
    /// Uploads `batch` observations, flat, and the masks that belong to them, or none.
    ///
    /// # Panics
    /// If `batch` is 0, or does not divide the numbers.
    #[must_use]
    pub fn upload(values: Vec<f32>, action_masks: &[bool], batch: usize, device: &Device) -> Self {
        let shape = [batch, values.len() / batch];
        let mask = (!action_masks.is_empty()).then(|| {
            let shape = [batch, action_masks.len() / batch];
            Tensor::from_data(TensorData::new(action_masks.to_vec(), shape), device)
        });
        Self { action_mask: mask, ..Self::from(Tensor::from_data(TensorData::new(values, shape), device)) }
    }

    /// The same observations as steps of sequences.
    #[must_use]
    pub fn with_sequences(self, sequences: Sequences) -> Self {
        Self { sequences: Some(sequences), ..self }
    }

    /// Number of observations, B.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.dims()[0]
    }

    /// Are there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows that `indices` name, in that order, out of their sequences.
    #[must_use]
    pub fn select(&self, indices: Tensor<1, Int>) -> Self {
        Self {
            values: self.values.clone().select(0, indices.clone()),
            action_mask: self.action_mask.clone().map(|mask| mask.select(0, indices)),
            sequences: None,
        }
    }

    /// The rows `start..start + length`, out of their sequences.
    #[must_use]
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        Self {
            values: self.values.clone().narrow(0, start, length),
            action_mask: self.action_mask.clone().map(|mask| mask.narrow(0, start, length)),
            sequences: None,
        }
    }
}
