//! Perceptrons on the host, forward and backward. Several threads compute blocks of rows, which stay in the cache.

use super::{
    activation::activate,
    blocks::{BLOCK, rows_of_task},
    chain::{Chain, Gradient, Trace},
    product::{Affine, add_rows},
    real::Real,
};
use crate::kernel::{
    Activation,
    threads::{self, for_each},
};

/// A copy of the layers of a network.
#[derive(Debug, Clone)]
pub(crate) struct Network<T> {
    layers: Vec<Affine<T>>,
    activation: Activation,
    /// True if the activation also follows the last layer.
    activate_last: bool,
}

/// The gradients of a loss.
pub(crate) struct NetworkGradients<T> {
    /// With respect to the parameters: weights and biases of each layer in turn.
    pub parameters: Vec<T>,
    /// With respect to the inputs; empty if not asked for. Shape `[rows, inputs]`.
    pub input: Vec<T>,
}

/// Buffers of a forward pass, reused by the next one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Workspace<T> {
    from: Vec<T>,
    to: Vec<T>,
    derivatives: Vec<T>,
}

impl<T: Real> Network<T> {
    /// Creates a network from weights of shape `[inputs, outputs]` and biases of shape `[outputs]`, of at least one
    /// layer.
    pub fn new<'a>(
        layers: impl Iterator<Item = (&'a [T], &'a [T])>,
        activation: Activation,
        activate_last: bool,
    ) -> Self {
        Self { layers: layers.map(|(weight, bias)| Affine::new(weight, bias)).collect(), activation, activate_last }
    }

    /// Returns the number of inputs.
    pub fn inputs(&self) -> usize {
        self.layers[0].inputs()
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.layers[self.layers.len() - 1].outputs()
    }

    /// Applies all layers to rows of inputs, on this thread. Returns the outputs, of shape `[rows, outputs]`. Allocates
    /// memory only if there are more rows than in earlier calls.
    pub fn infer<'a>(&self, input: &[T], workspace: &'a mut Workspace<T>) -> &'a [T] {
        let rows = input.len() / self.inputs();
        let Workspace { from, to, derivatives } = workspace;
        for (i, layer) in self.layers.iter().enumerate() {
            to.resize(rows * layer.outputs(), T::zero());
            layer.apply(if i == 0 { input } else { from }, to);
            if self.is_activated(i) {
                activate(self.activation, to, derivatives);
            }
            std::mem::swap(from, to);
        }
        from
    }

    /// [`infer`](Self::infer) for many rows, in blocks on several threads.
    pub fn infer_many(&self, input: &[T]) -> Vec<T> {
        let mut output = vec![T::zero(); input.len() / self.inputs() * self.outputs()];
        let blocks = input.chunks(BLOCK * self.inputs()).zip(output.chunks_mut(BLOCK * self.outputs())).collect();
        for_each(blocks, Workspace::default, |workspace, (input, output)| {
            output.copy_from_slice(self.infer(input, workspace));
        });
        output
    }

    fn is_activated(&self, layer: usize) -> bool {
        self.activate_last || layer + 1 < self.layers.len()
    }
}

/// Takes many rows of inputs through a chain, in blocks on several threads. Returns what
/// [`backward`] needs, for each block.
pub(crate) fn forward<T: Real>(chain: &Chain<T>, input: &[T]) -> Vec<Trace<T>> {
    threads::map(input.chunks(BLOCK * chain.inputs()).collect(), |input| {
        let mut trace = Trace::default();
        chain.forward(input, &mut trace);
        trace
    })
}

/// Returns the gradients of a loss. `output_gradient` is the gradient with respect to the outputs of the last layer
/// (shape `[rows, outputs]`), `traces` come from [`forward`]. The order of summation depends only on the number of rows.
pub(crate) fn backward<T: Real>(
    chain: &Chain<T>,
    input: &[T],
    traces: &[Trace<T>],
    output_gradient: &[T],
) -> NetworkGradients<T> {
    let (inputs, outputs) = (chain.inputs(), chain.outputs());
    let per_task = rows_of_task(input.len() / inputs);
    let tasks = input.chunks(per_task * inputs).zip(output_gradient.chunks(per_task * outputs));
    let tasks = tasks.zip(traces.chunks(per_task / BLOCK)).collect();
    let gradients = threads::map(tasks, |((input, output_gradient), traces)| {
        let (mut gradient, mut sum) = (Gradient::default(), vec![T::zero(); chain.parameters()]);
        let mut of_input = Vec::new();
        let blocks = input.chunks(BLOCK * inputs).zip(output_gradient.chunks(BLOCK * outputs)).zip(traces);
        for ((input, output_gradient), trace) in blocks {
            gradient.values.clear();
            gradient.values.extend_from_slice(output_gradient);
            chain.backward(input, trace, &mut gradient, &mut sum);
            if chain.has_input_gradient() {
                of_input.extend_from_slice(&gradient.values);
            }
        }
        NetworkGradients { parameters: sum, input: of_input }
    });
    let add = |mut all: NetworkGradients<T>, more: NetworkGradients<T>| {
        add_rows(&more.parameters, &mut all.parameters);
        all.input.extend(more.input);
        all
    };
    let none = || NetworkGradients { parameters: vec![T::zero(); chain.parameters()], input: Vec::new() };
    gradients.into_iter().reduce(add).unwrap_or_else(none)
}

/// Returns the number of elements that a network holds for the weights and biases of layers of `sizes`.
pub(crate) fn held_elements<T: Real>(sizes: &[u64]) -> u64 {
    sizes.windows(2).map(|size| Affine::<T>::elements(size[0], size[1])).sum()
}

/// Returns the bytes that a thread keeps for the next minibatch: the outputs of layers of `sizes` for `rows` rows, and
/// the derivatives of `silu`.
pub(crate) fn kept_bytes<T>(sizes: &[u64], activation: Activation, rows: u64) -> u64 {
    let arrays = if activation == Activation::Silu { 2 } else { 1 };
    arrays * sizes[1..].iter().sum::<u64>() * rows * size_of::<T>() as u64
}
