//! The sizes of a transformer.

use serde::{Deserialize, Serialize};

use crate::ModelConfig;

/// What distinguishes the supported families of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "snake_case")]
pub enum Family {
    /// GPT-2: learned positions, layer normalisation, biases, and a perceptron with `gelu_new`.
    Gpt2,
    /// Llama: rotary positions, root-mean-square normalisation, no biases, and a gated perceptron with `silu`.
    Llama {
        /// The base of the angles of rotary positions.
        rope_theta: f64,
    },
}

/// The sizes of a transformer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// The family.
    #[serde(flatten)]
    pub family: Family,
    /// Number of tokens in the vocabulary, V.
    pub vocabulary: usize,
    /// Most tokens of a text.
    pub context: usize,
    /// Width of the hidden state of a token, C.
    pub width: usize,
    /// Width of the hidden layer of the perceptrons.
    pub hidden: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Number of heads of attention.
    pub heads: usize,
    /// Number of heads with keys and values of their own; `heads / groups` heads share them.
    pub groups: usize,
    /// Width of a head, D.
    pub head: usize,
    /// Added to variances and mean squares before the root.
    pub epsilon: f64,
    /// True if the head has the weights of the embedding.
    pub tied: bool,
}

/// Most weights of a model whose operations are so small that threads would mostly wait for each other within them.
const SMALL: u64 = 1 << 24;

impl Shape {
    /// True if parts of a batch should be computed at once, each on a thread of its own, in place of one after the other on all threads.
    pub(crate) fn is_small(&self) -> bool {
        self.parameters() <= SMALL
    }

    /// Number of weights.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        let Self { vocabulary, context, width, hidden, blocks, heads, groups, head, tied, family, .. } = *self;
        let is_gpt2 = family == Family::Gpt2;
        let linear = |inputs: usize, outputs: usize| inputs * outputs + if is_gpt2 { outputs } else { 0 };
        let norm = if is_gpt2 { 2 * width } else { width };
        let attention = linear(width, heads * head) + 2 * linear(width, groups * head) + linear(heads * head, width);
        let gate = if is_gpt2 { 0 } else { linear(width, hidden) };
        let block = 2 * norm + attention + gate + linear(width, hidden) + linear(hidden, width);
        let positions = if is_gpt2 { context * width } else { 0 };
        let heads_of_tokens = if tied { 0 } else { vocabulary * width };
        (vocabulary * width + positions + blocks * block + norm + heads_of_tokens) as u64
    }
}

impl From<&ModelConfig> for Shape {
    fn from(config: &ModelConfig) -> Self {
        match config {
            ModelConfig::Gpt2(config) => Self {
                family: Family::Gpt2,
                vocabulary: config.vocab_size,
                context: config.max_positions,
                width: config.hidden_size,
                hidden: config.intermediate_size,
                blocks: config.layers,
                heads: config.heads,
                groups: config.heads,
                head: config.hidden_size / config.heads,
                epsilon: config.norm_epsilon,
                tied: config.tied_embeddings,
            },
            ModelConfig::Llama(config) => Self {
                family: Family::Llama { rope_theta: config.rope_theta },
                vocabulary: config.vocab_size,
                context: config.max_positions,
                width: config.hidden_size,
                hidden: config.intermediate_size,
                blocks: config.layers,
                heads: config.heads,
                groups: config.kv_heads,
                head: config.head_dim,
                epsilon: config.norm_epsilon,
                tied: config.tied_embeddings,
            },
        }
    }
}
