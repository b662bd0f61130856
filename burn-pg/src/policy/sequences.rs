//! How observations follow one another in time.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// S sequences of L steps each, for a policy that remembers: row `s * L + l` of a batch is step l of sequence s.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// What is remembered before the first step of each sequence. Shape `[S, M]`.
    pub memory: Tensor<2>,
    /// Steps with which an episode begins: nothing that came before is remembered there. Shape `[S, L]`.
    pub begins: Tensor<2, Bool>,
}

impl Sequences {
    /// Uploads `sequences` flat memories and flags.
    ///
    /// # Panics
    /// If `sequences` is 0, or does not divide the numbers.
    #[must_use]
    pub fn upload(memory: Vec<f32>, begins: Vec<bool>, sequences: usize, device: &Device) -> Self {
        let shape = |len: usize| [sequences, len / sequences];
        let (memory_shape, begins_shape) = (shape(memory.len()), shape(begins.len()));
        Self {
            memory: Tensor::from_data(TensorData::new(memory, memory_shape), device),
            begins: Tensor::from_data(TensorData::new(begins, begins_shape), device),
        }
    }

    /// Steps of each sequence, L.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.begins.dims()[1]
    }

    /// The sequences that `indices` name, in that order.
    #[must_use]
    pub fn select(&self, indices: Tensor<1, Int>) -> Self {
        Self { memory: self.memory.clone().select(0, indices.clone()), begins: self.begins.clone().select(0, indices) }
    }

    /// The sequences `start..start + length`.
    #[must_use]
    pub fn narrow(&self, start: usize, length: usize) -> Self {
        Self {
            memory: self.memory.clone().narrow(0, start, length),
            begins: self.begins.clone().narrow(0, start, length),
        }
    }
}
