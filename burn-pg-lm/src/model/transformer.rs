//! A decoder-only transformer.

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{DType, Device, Int, Tensor, TensorData},
};
use burn_pg::envs::EnvRng;

use super::{
    adapter::{Adapter, Lora, Target},
    block::{Asked, Block},
    layers::{Linear, Norm},
    shape::{Family, Shape},
    weight::Weight,
};
use crate::{Texts, kernel};

/// The stream of random numbers that adapters are drawn from.
const ADAPTERS: u32 = 0x10_5A;

/// A decoder-only transformer of the families GPT-2 and Llama. It reads texts as ragged rows, so that there is no padding:
/// what it computes for a text does not depend on the texts beside it.
#[derive(Module, Debug)]
pub struct Transformer {
    /// The embedding of tokens. Shape `[V, C]`.
    pub(crate) tokens: Weight<2>,
    /// The embedding of positions, if they are learned. Shape `[context, C]`.
    pub(crate) positions: Option<Weight<2>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    /// The head, if it has weights of its own. Shape `[V, C]`.
    pub(crate) head: Option<Weight<2>>,
    #[module(skip)]
    shape: Shape,
}

impl Transformer {
    /// Creates a transformer of zeros, to be filled with weights.
    #[must_use]
    pub fn zeros(shape: &Shape, device: &Device) -> Self {
        let Shape { family, vocabulary, context, width, blocks, epsilon, tied, .. } = *shape;
        let embedding = |rows: usize| Weight::new(Tensor::zeros([rows, width], device));
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

    /// Returns the device of the weights.
    #[must_use]
    pub fn device(&self) -> Device {
        self.tokens.val().device()
    }

    /// Returns the type of the weights.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.tokens.val().dtype()
    }

    /// Freezes all weights, which are then not trained, not saved with a run, and shared by clones; or makes them trainable.
    /// Adapters stay as they are.
    #[must_use]
    pub fn with_frozen(self, frozen: bool) -> Self {
        let Self { tokens, positions, blocks, norm, head, shape } = self;
        let freeze = |weight: Weight<2>| if frozen { weight.frozen() } else { weight.trained() };
        Self {
            tokens: freeze(tokens),
            positions: positions.map(freeze),
            blocks: blocks.into_iter().map(|block| block.with_frozen(frozen)).collect(),
            norm: norm.with_frozen(frozen),
            head: head.map(freeze),
            shape,
        }
    }

    /// Freezes all weights and adds adapters, which change nothing yet. A seed draws their first weights.
    #[must_use]
    pub fn with_adapters(self, lora: &Lora, seed: u64) -> Self {
        let (device, dtype) = (self.device(), self.dtype());
        let mut rng = EnvRng::stream(seed, &[ADAPTERS]);
        self.with_frozen(true).map_each(|target, map| match lora.targets.contains(&target) {
            true => {
                let adapter = Adapter::new(map.weight.val().dims(), lora, &mut rng, &device, dtype);
                Linear { adapter: Some(adapter), ..map }
            }
            false => map,
        })
    }

    /// Returns the model without its adapters. The weights are shared.
    #[must_use]
    pub fn without_adapters(self) -> Self {
        self.map_each(|_, map| Linear { adapter: None, ..map })
    }

    /// Returns the model without its own head for tokens, as the body of a reward model.
    #[must_use]
    pub fn without_head(self) -> Self {
        Self { head: None, shape: Shape { tied: true, ..self.shape }, ..self }
    }

    /// Adds the adapters to the weights. The result has no adapters, and computes the same up to rounding.
    #[must_use]
    pub fn merged(self) -> Self {
        self.map_each(|_, map| map.merged())
    }

    /// Returns what the results of adapters are multiplied by, if there are adapters.
    pub(crate) fn adapter_scale(&self) -> Option<f64> {
        self.blocks.iter().flat_map(Block::maps).find_map(|map| map.adapter.as_ref()).map(|adapter| adapter.scale)
    }

    fn map_each(self, mut change: impl FnMut(Target, Linear) -> Linear) -> Self {
        let blocks = self.blocks.into_iter().map(|block| block.map_each(&mut change)).collect();
        Self { blocks, ..self }
    }

    /// Returns the hidden state of each token after the last normalisation. Shape `[T, C]`.
    ///
    /// # Panics
    /// If a token is not in the vocabulary, or a text is longer than the context.
    #[must_use]
    pub fn hidden(&self, texts: &Texts) -> Tensor<2> {
        self.norm.forward(self.through(texts, self.blocks.len()))
    }

    /// Returns the hidden states at some positions of each text (one range for each text) after the last normalisation: rows of
    /// [`hidden`](Self::hidden), but what only the others need is not computed in the last block. Shape `[positions, C]`.
    ///
    /// # Panics
    /// As [`hidden`](Self::hidden); if there are not as many ranges as texts, or a text does not have these positions.
    #[must_use]
    pub fn hidden_at(&self, texts: &Texts, positions: &[Range<usize>]) -> Tensor<2> {
        assert_eq!(positions.len(), texts.len(), "a range for each text");
        let row = |(text, positions): (Range<usize>, &Range<usize>)| {
            assert!(positions.end <= text.len(), "a text does not have these positions");
            text.start + positions.start..text.start + positions.end
        };
        #[allow(clippy::cast_possible_wrap)] // tokens are few
        let rows: Vec<i64> = texts.ranges().zip(positions).flat_map(row).map(|row| row as i64).collect();
        let rows = Tensor::<1, Int>::from_data(TensorData::from(&rows[..]), &self.device());
        match self.blocks.split_last().filter(|_| kernel::has_kernels(&self.tokens.val())) {
            None => self.hidden(texts).select(0, rows),
            Some((last, before)) => {
                let x = self.through(texts, before.len());
                self.norm.forward(last.forward_at(x, texts, &self.shape, Some(&Asked { positions, rows })))
            }
        }
    }

    /// True if parts of a batch should be computed at once, each on a thread of its own: if the model is small, and has kernels.
    pub(crate) fn is_computed_in_parts(&self) -> bool {
        self.shape.is_small() && kernel::has_kernels(&self.tokens.val())
    }

    /// Returns the hidden states after the first blocks.
    fn through(&self, texts: &Texts, blocks: usize) -> Tensor<2> {
        assert!(texts.longest() <= self.shape.context, "a text is longer than the context");
        let device = self.device();
        let select = |of: &Weight<2>, rows: Vec<i64>| {
            of.val().select(0, Tensor::<1, Int>::from_data(TensorData::from(&rows[..]), &device))
        };
        let mut x = select(&self.tokens, texts.tokens().iter().map(|&token| token.into()).collect());
        if let Some(positions) = &self.positions {
            #[allow(clippy::cast_possible_wrap)] // within the context
            let of_tokens = texts.positions().map(|position| position as i64).collect();
            x = x + select(positions, of_tokens);
        }
        for block in &self.blocks[..blocks] {
            x = block.forward(x, texts, &self.shape);
        }
        x
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
