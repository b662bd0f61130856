//! Observations as input of a policy.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{Policy, Rows, Sequences, rows::rows_of_either, sequences::int};

/// One part of a batch of observations, flattened. A space has a single part, unless it is a dictionary.
#[derive(Debug, Clone)]
pub enum Input {
    /// Values of a [`Space::Box`](burn_pg_envs::Space::Box). Shape `[B, D]`.
    Floats(Tensor<2>),
    /// Bytes of a [`Space::Image`](burn_pg_envs::Space::Image). Shape `[B, C * H * W]`.
    Bytes(Tensor<2, Int>),
}

impl Input {
    /// Returns the values as floats. Shape `[B, D]`.
    #[must_use]
    pub fn floats(&self) -> Tensor<2> {
        match self {
            Self::Floats(values) => values.clone(),
            Self::Bytes(values) => values.clone().float(),
        }
    }

    /// Number of observations, B.
    #[must_use]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.dims()[0],
            Self::Bytes(values) => values.dims()[0],
        }
    }
}

rows_of_either!(Input: Floats, Bytes);

/// B observations on a device, with action masks if the environment has them.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The parts of the observation space, in their order: one, unless the space is a
    /// [`Space::Dict`](burn_pg_envs::Space::Dict).
    pub inputs: Vec<Input>,
    /// True for actions that are possible: one flag for each action of a discrete space, or for each action of each
    /// component of a multi-discrete space. Shape `[B, M]`.
    pub action_mask: Option<Tensor<2, Bool>>,
    /// The sequences that the observations form, for a recurrent policy.
    pub sequences: Option<Sequences>,
    /// The burn-in: the steps before the sequences, from which the recurrent state is computed again. For S sequences
    /// with K steps before each: `S * K` rows with sequences of their own, on a device without autodiff.
    pub burn_in: Option<Box<Self>>,
}

impl From<Tensor<2>> for Observation {
    /// Creates observations of a box from values of shape `[B, D]`.
    fn from(values: Tensor<2>) -> Self {
        vec![Input::Floats(values)].into()
    }
}

impl From<Vec<Input>> for Observation {
    /// Creates observations from the parts of their space.
    fn from(inputs: Vec<Input>) -> Self {
        Self { inputs, action_mask: None, sequences: None, burn_in: None }
    }
}

impl Observation {
    /// Uploads `batch` flat observations of a box and their action masks, which are empty if there are none.
    ///
    /// # Panics
    /// If `batch` is 0, or does not divide the number of values.
    #[must_use]
    pub fn upload(values: Vec<f32>, action_masks: &[bool], batch: usize, device: &Device) -> Self {
        let shape = [batch, values.len() / batch];
        Self::from(Tensor::from_data(TensorData::new(values, shape), device)).with_masks(action_masks, batch, device)
    }

    /// Concatenates all parts as floats: the input of a perceptron. Shape `[B, D]`.
    #[must_use]
    pub fn vector(&self) -> Tensor<2> {
        match &self.inputs[..] {
            [input] => input.floats(),
            inputs => Tensor::cat(inputs.iter().map(Input::floats).collect(), 1),
        }
    }

    /// Sets the action masks, of shape `[batch, M]`; none if `action_masks` is empty.
    #[must_use]
    pub fn with_masks(self, action_masks: &[bool], batch: usize, device: &Device) -> Self {
        let action_mask = (!action_masks.is_empty()).then(|| {
            let shape = [batch, action_masks.len() / batch];
            Tensor::from_data(TensorData::new(action_masks.to_vec(), shape), device)
        });
        Self { action_mask, ..self }
    }

    /// Sets the sequences that the observations form.
    #[must_use]
    pub fn with_sequences(self, sequences: Sequences) -> Self {
        Self { sequences: Some(sequences), ..self }
    }

    /// The device of the observations.
    #[must_use]
    pub fn device(&self) -> Device {
        match &self.inputs[0] {
            Input::Floats(values) => values.device(),
            Input::Bytes(values) => values.device(),
        }
    }

    /// The same observations without autodiff, and without sequences.
    pub(crate) fn inner(&self) -> Self {
        let inputs = self.inputs.iter().map(|input| match input {
            Input::Floats(values) => Input::Floats(values.clone().inner()),
            Input::Bytes(values) => Input::Bytes(values.clone().inner()),
        });
        let action_mask = self.action_mask.clone().map(Tensor::inner);
        Self { action_mask, ..inputs.collect::<Vec<_>>().into() }
    }

    /// Number of observations, B.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inputs.first().map_or(0, Input::len)
    }

    /// True if there are no observations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Rows for Observation {
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
        let sequences = self.sequences.as_ref().map(|sequences| sequences.indices(indices));
        Self {
            inputs: self.inputs.select_rows(indices),
            action_mask: self.action_mask.select_rows(indices),
            sequences: sequences.as_ref().and_then(|indices| self.sequences.select_rows(indices)),
            burn_in: self.burn_in.as_ref().zip(sequences).map(|(before, sequences)| {
                let (device, steps) = (before.device(), int(before.unit()));
                let of_each = Tensor::arange(0..steps, &device).unsqueeze_dim::<2>(0);
                let sequences = Tensor::<1, Int>::from_data(sequences.into_data(), &device);
                let rows = sequences.unsqueeze_dim::<2>(1).mul_scalar(steps) + of_each;
                Box::new(before.select_rows(&rows.flatten(0, 1)))
            }),
        }
    }

    fn narrow_rows(&self, start: usize, length: usize) -> Self {
        let (first, count) = (start / self.unit(), length / self.unit());
        Self {
            inputs: self.inputs.narrow_rows(start, length),
            action_mask: self.action_mask.narrow_rows(start, length),
            sequences: self.sequences.narrow_rows(first, count),
            burn_in: self.burn_in.as_ref().map(|before| {
                let steps = before.unit();
                Box::new(before.narrow_rows(first * steps, count * steps))
            }),
        }
    }

    /// The values and the action masks, unless there are images or sequences.
    fn vectors(&self) -> Option<(Tensor<2>, Option<Tensor<2, Bool>>)> {
        let are_floats = self.inputs.iter().all(|input| matches!(input, Input::Floats(_)));
        (are_floats && self.sequences.is_none()).then(|| (self.vector(), self.action_mask.clone()))
    }

    /// Steps of a sequence; 1 without sequences.
    fn unit(&self) -> usize {
        self.sequences.as_ref().map_or(1, Sequences::steps)
    }

    /// With a burn-in, replaces the recurrent state by the one that `policy` computes from the burn-in with its current
    /// weights. Without one, keeps the recurrent state from the time of collection.
    ///
    /// # Panics
    /// If there is a burn-in, but the policy is not recurrent.
    fn shown_to<P: Policy<Observation = Self>>(&self, policy: &P) -> Self {
        let (Some(sequences), Some(before)) = (&self.sequences, &self.burn_in) else { return self.clone() };
        let state = policy.valid().forward(*before.clone()).state.expect("a burn-in is for recurrent policies");
        let sequences = Sequences { state: Tensor::from_inner(state), ..sequences.clone() };
        Self { burn_in: None, ..self.clone() }.with_sequences(sequences)
    }
}
