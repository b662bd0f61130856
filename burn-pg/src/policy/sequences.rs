//! Sequences of observations in time.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::Rows;

/// S sequences of L steps each, for a recurrent policy: row `s * L + l` of a batch is step l of sequence s.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// The recurrent state before the first step of each sequence. Shape `[S, M]`.
    pub state: Tensor<2>,
    /// True for steps that begin an episode: the recurrent state before them is 0. Shape `[S, L]`.
    pub begins: Tensor<2, Bool>,
}

impl Sequences {
    /// Uploads the flat recurrent states and flags of `sequences` sequences.
    ///
    /// # Panics
    /// If `sequences` is 0, or does not divide the number of elements.
    #[must_use]
    pub fn upload(state: Vec<f32>, begins: Vec<bool>, sequences: usize, device: &Device) -> Self {
        let shape = |len: usize| [sequences, len / sequences];
        let (state_shape, begins_shape) = (shape(state.len()), shape(begins.len()));
        Self {
            state: Tensor::from_data(TensorData::new(state, state_shape), device),
            begins: Tensor::from_data(TensorData::new(begins, begins_shape), device),
        }
    }

    /// Number of steps of each sequence, L.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.begins.dims()[1]
    }

    /// Returns the indices of the sequences that `rows` consist of: each run of L rows is a whole sequence.
    pub(super) fn indices(&self, rows: &Tensor<1, Int>) -> Tensor<1, Int> {
        let ([rows_len], steps) = (rows.dims(), self.steps());
        let first = rows.clone().reshape([rows_len / steps, steps]).narrow(1, 0, 1);
        first.squeeze_dim::<1>(1).div_scalar(int(steps))
    }
}

impl Rows for Sequences {
    /// Here a row is a sequence.
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
        Self { state: self.state.select_rows(indices), begins: self.begins.select_rows(indices) }
    }

    fn narrow_rows(&self, start: usize, length: usize) -> Self {
        Self { state: self.state.narrow_rows(start, length), begins: self.begins.narrow_rows(start, length) }
    }
}

#[allow(clippy::cast_possible_wrap)] // steps of a rollout
pub(super) fn int(steps: usize) -> i64 {
    steps as i64
}
