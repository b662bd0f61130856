//! Sequences of observations in time.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{Observation, Rows};

/// S sequences of L steps each, for a recurrent policy: row `s * L + l` of a batch is step l of sequence s.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// The recurrent state before the first step of each sequence. Shape `[S, M]`.
    pub state: Tensor<2>,
    /// True for steps that begin an episode: the recurrent state before them is 0. Shape `[S, L]`.
    pub begins: Tensor<2, Bool>,
    /// The K steps before each sequence, without autodiff, if the recurrent state is to be recomputed from them:
    /// `S * K` rows with sequences of their own.
    pub burn_in: Option<Box<Observation>>,
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
            burn_in: None,
        }
    }

    /// Sets the steps before each sequence.
    #[must_use]
    pub fn with_burn_in(self, steps: Option<Observation>) -> Self {
        Self { burn_in: steps.map(Box::new), ..self }
    }

    /// Number of steps of each sequence, L.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.begins.dims()[1]
    }

    /// Returns the sequences that `rows` consist of: each run of L rows is a whole sequence.
    pub(super) fn of_rows(&self, rows: &Tensor<1, Int>) -> Self {
        let ([rows_len], steps) = (rows.dims(), self.steps());
        let first = rows.clone().reshape([rows_len / steps, steps]).narrow(1, 0, 1);
        let indices: Tensor<1, Int> = first.squeeze_dim::<1>(1).div_scalar(count(steps));
        Self {
            state: self.state.clone().select(0, indices.clone()),
            begins: self.begins.clone().select(0, indices.clone()),
            burn_in: self.burn_in.as_ref().map(|before| {
                let steps = before.unit();
                let of_each = Tensor::arange(0..count(steps), &before.device()).unsqueeze_dim::<2>(0);
                // The burn-in is on a device without autodiff.
                let indices = Tensor::<1, Int>::from_data(indices.into_data(), &before.device());
                let rows = indices.unsqueeze_dim::<2>(1).mul_scalar(count(steps)) + of_each;
                Box::new(before.select_rows(&rows.flatten(0, 1)))
            }),
        }
    }

    /// Returns the sequences of the rows `start..start + length`.
    pub(super) fn of_run(&self, start: usize, length: usize) -> Self {
        let (first, count) = (start / self.steps(), length / self.steps());
        Self {
            state: self.state.clone().narrow(0, first, count),
            begins: self.begins.clone().narrow(0, first, count),
            burn_in: self.burn_in.as_ref().map(|before| {
                let steps = before.unit();
                Box::new(before.narrow_rows(first * steps, count * steps))
            }),
        }
    }
}

#[allow(clippy::cast_possible_wrap)] // steps of a rollout
fn count(steps: usize) -> i64 {
    steps as i64
}
