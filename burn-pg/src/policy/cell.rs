//! Recurrent layers.

use burn::{
    module::Module,
    nn::Linear,
    tensor::{Bool, Device, Tensor},
};
use burn_pg_envs::EnvRng;
use serde::{Deserialize, Serialize};

use super::init::{Initial, linear};

/// Bytes of the autodiff graph of one step, about thirty operations, besides the elements of its tensors: measured 21
/// to 24 KiB.
pub(super) const STEP_BYTES: u64 = 22 << 10;

/// The kind of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// The gated recurrent unit, as PyTorch defines it. With `x` for `input W + b` and `y` for `h V + c`,
    ///
    /// ```text
    /// r = sigmoid(x_r + y_r),  z = sigmoid(x_z + y_z),  n = tanh(x_n + r y_n),  h = n + z (h - n)
    /// ```
    ///
    /// Source: K. Cho and others, *Learning phrase representations using RNN encoder-decoder* (2014).
    Gru,
    /// Long short-term memory, as PyTorch defines it. With `x` for `input W + b + h V + c`,
    ///
    /// ```text
    /// c = sigmoid(x_f) c + sigmoid(x_i) tanh(x_g),   h = sigmoid(x_o) tanh(c)
    /// ```
    ///
    /// Source: S. Hochreiter, J. Schmidhuber, *Long short-term memory* (1997), with the forget gate of F. Gers (2000).
    Lstm,
}

impl CellKind {
    /// Number of gates: r, z, n of a GRU; i, f, g, o of an LSTM.
    pub(crate) fn gates(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Number of weights and biases of a layer with `inputs` inputs and `size` outputs.
    pub(super) fn parameters(self, inputs: u64, size: u64) -> u64 {
        (inputs + size + 2).saturating_mul(self.gates() as u64 * size)
    }

    /// Elements that each step of each sequence keeps for the backward pass. For a GRU, 11 vectors of length `size`:
    /// the state with zeros where episodes began, the inputs of the three tanh operations, the three blocks of
    /// `h V + c`, r, z, the difference `h - n`, and the output. For an LSTM, 16 vectors.
    pub(super) fn kept(self, size: u64) -> u64 {
        match self {
            Self::Gru => 11 * size,
            Self::Lstm => 16 * size,
        }
    }

    /// Temporary elements of each step: `input W + b` for all steps, and the outputs before they are stacked.
    pub(super) fn temporary(self, size: u64) -> u64 {
        (self.gates() as u64 + 1) * size
    }

    /// Number of vectors of length H in the recurrent state.
    pub(super) fn vectors(self) -> usize {
        match self {
            Self::Gru => 1,
            Self::Lstm => 2,
        }
    }
}

/// A recurrent layer over sequences, in which new episodes may begin.
#[derive(Module, Debug)]
pub struct Cell {
    /// Input to gates, `[D, gates * H]`.
    pub(crate) input: Linear,
    /// Previous output to gates, `[H, gates * H]`.
    pub(crate) hidden: Linear,
    #[module(skip)]
    pub(crate) kind: CellKind,
    #[module(skip)]
    pub(crate) size: usize,
}

impl Cell {
    /// Creates a layer with `inputs` inputs and `size` outputs. The weights of each gate are orthogonal with gain 1.
    /// Biases are 0, except the bias of the forget gate of an LSTM, which is 1 so that it initially keeps its cell
    /// state.
    #[must_use]
    pub fn new(kind: CellKind, inputs: usize, size: usize, rng: &mut EnvRng, device: &Device) -> Self {
        Self::with(kind, inputs, size, &mut Initial::Orthogonal(rng), device)
    }

    pub(super) fn with(kind: CellKind, inputs: usize, size: usize, initial: &mut Initial<'_>, device: &Device) -> Self {
        let forget = |gate: usize| f32::from(u8::from(kind == CellKind::Lstm && gate == 1));
        let bias: Vec<f32> = (0..kind.gates()).flat_map(|gate| vec![forget(gate); size]).collect();
        let none = vec![0.0; bias.len()];
        Self {
            input: linear(inputs, &vec![size; kind.gates()], 1.0, bias, initial, device),
            hidden: linear(size, &vec![size; kind.gates()], 1.0, none, initial, device),
            kind,
            size,
        }
    }

    /// Elements of the recurrent state, M: H for a GRU, 2 H for an LSTM (its output, then its cell state).
    #[must_use]
    pub fn state_len(&self) -> usize {
        self.kind.vectors() * self.size
    }

    /// Runs the layer over S sequences of L steps. Takes inputs of shape `[S * L, D]`, the state before them
    /// (`[S, M]`), and flags of the steps that begin an episode (`[S, L]`). Returns outputs of shape `[S * L, H]` and
    /// the state after them.
    #[must_use]
    pub fn forward(&self, inputs: Tensor<2>, state: Tensor<2>, begins: &Tensor<2, Bool>) -> (Tensor<2>, Tensor<2>) {
        let [sequences, steps] = begins.dims();
        // The part that does not depend on the previous step is computed for all steps at once.
        let inputs = self.input.forward(inputs).reshape([sequences, steps, self.kind.gates() * self.size]);
        let mut state = state;
        let mut outputs = Vec::with_capacity(steps);
        for step in 0..steps {
            // Filled with 0, not multiplied by 0: a NaN of one episode must not reach the next.
            let begins = begins.clone().narrow(1, step, 1).expand(state.dims());
            state = self.step(inputs.clone().narrow(1, step, 1).squeeze_dim(1), &state.mask_fill(begins, 0));
            outputs.push(state.clone().narrow(1, 0, self.size));
        }
        let outputs: Tensor<3> = Tensor::stack(outputs, 1);
        (outputs.reshape([sequences * steps, self.size]), state)
    }

    /// Returns the state after one step. `inputs` has shape `[S, gates * H]`, and both states have shape `[S, M]`.
    fn step(&self, inputs: Tensor<2>, state: &Tensor<2>) -> Tensor<2> {
        let gate = |of: &Tensor<2>, k: usize| of.clone().narrow(1, k * self.size, self.size);
        let output = gate(state, 0);
        let hidden = self.hidden.forward(output.clone());
        match self.kind {
            CellKind::Gru => {
                let reset = sigmoid(gate(&inputs, 0) + gate(&hidden, 0));
                let update = sigmoid(gate(&inputs, 1) + gate(&hidden, 1));
                let new = (gate(&inputs, 2) + reset * gate(&hidden, 2)).tanh();
                new.clone() + update * (output - new)
            }
            CellKind::Lstm => {
                let gates = inputs + hidden;
                let kept = sigmoid(gate(&gates, 1)) * gate(state, 1);
                let cell = kept + sigmoid(gate(&gates, 0)) * gate(&gates, 2).tanh();
                let output = sigmoid(gate(&gates, 3)) * cell.clone().tanh();
                Tensor::cat(vec![output, cell], 1)
            }
        }
    }
}

/// The logistic function, computed with tanh, because the sigmoid of some backends is less precise than its argument.
fn sigmoid(x: Tensor<2>) -> Tensor<2> {
    x.mul_scalar(0.5).tanh().add_scalar(1).mul_scalar(0.5)
}
