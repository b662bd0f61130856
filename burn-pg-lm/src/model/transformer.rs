//! A decoder-only transformer.

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};

use super::{
    block::Block,
    layers::Norm,
    shape::{Family, Shape},
};
use crate::{Texts, kernel};

/// A decoder-only transformer of the families GPT-2 and Llama. It reads texts as ragged rows, so that there is no padding:
/// what it computes for a text does not depend on the texts beside it.
#[derive(Module, Debug)]
pub struct Transformer {
    /// The embedding of tokens. Shape `[V, C]`.
    pub(crate) tokens: Param<Tensor<2>>,
    /// The embedding of positions, if they are learned. Shape `[context, C]`.
    pub(crate) positions: Option<Param<Tensor<2>>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    /// The head, if it has weights of its own. Shape `[V, C]`.
    pub(crate) head: Option<Param<Tensor<2>>>,
    #[module(skip)]
    shape: Shape,
}

impl Transformer {
    /// Creates a transformer of zeros, to be filled with weights.
    #[must_use]
    pub fn zeros(shape: &Shape, device: &Device) -> Self {
        let Shape { family, vocabulary, context, width, blocks, epsilon, tied, .. } = *shape;
        let embedding = |rows: usize| Param::from_tensor(Tensor::zeros([rows, width], device));
        Self {
            tokens: embedding(vocabulary),
            positions: (family == Family::Gpt2).then(|| embedding(context)),
            blocks: (0..blocks).map(|_| Block::zeros(shape, device)).collect(),
            norm: Norm::new(width, family == Family::Gpt2, epsilon, device),
            head: (!tied).then(|| embedding(vocabulary)),
            shape: *shape,
        }
    }

    /// Returns the sizes.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Returns the hidden state of each token after the last normalisation. Shape `[T, C]`.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or a text is longer than the context.
    #[must_use]
    pub fn hidden(&self, texts: &Texts) -> Tensor<2> {
        assert!(texts.longest() <= self.shape.context, "a text is longer than the context");
        let device = self.tokens.device();
        let select = |of: &Param<Tensor<2>>, rows: Vec<i64>| {
            of.val().select(0, Tensor::<1, Int>::from_data(TensorData::from(&rows[..]), &device))
        };
        let mut x = select(&self.tokens, texts.tokens().iter().map(|&token| token.into()).collect());
        if let Some(positions) = &self.positions {
            #[allow(clippy::cast_possible_wrap)] // within the context
            let of_tokens = texts.positions().map(|position| position as i64).collect();
            x = x + select(positions, of_tokens);
        }
        for block in &self.blocks {
            x = block.forward(x, texts, &self.shape);
        }
        self.norm.forward(x)
    }

    /// Returns the logits of the next token after each row of hidden states. Shapes: `hidden` `[T, C]`, result `[T, V]`.
    #[must_use]
    pub fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        hidden.matmul(self.head_weights().transpose())
    }

    /// Returns the logarithms of the probabilities of the next tokens `targets` after each row of hidden states. Shapes:
    /// `hidden` `[T, C]`, result `[T]`.
    #[must_use]
    pub fn log_probs(&self, hidden: Tensor<2>, targets: &[u32]) -> Tensor<1> {
        kernel::log_probs(hidden, self.head_weights(), targets)
    }

    /// Returns the weights of the head. Shape `[V, C]`.
    fn head_weights(&self) -> Tensor<2> {
        self.head.as_ref().unwrap_or(&self.tokens).val()
    }
}
