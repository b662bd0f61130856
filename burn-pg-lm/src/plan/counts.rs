//! What a transformer of a shape takes, in numbers (of 4 bytes). The assumptions of the plan about layers and kernels are in this file.

use super::sizes::Read;
use crate::model::{Family, Lora, Shape, Target};

/// Columns of a panel of packed weights; the last panel is padded with zeros. Machines with AVX-512 have panels of 32.
const PANEL: u64 = 16;
/// Most columns of weights that are packed without panels.
const NARROW: u64 = 4;
/// Tokens of the vocabulary in a block of the head.
const TOKENS_OF_HEAD: u64 = 512;

/// The sizes of a transformer that memory depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counts {
    is_gpt2: bool,
    pub vocabulary: u64,
    pub context: u64,
    /// Width of a hidden state, C.
    pub width: u64,
    /// Width of the hidden layer of a perceptron, H.
    hidden: u64,
    blocks: u64,
    /// Width of all queries, Q.
    queries: u64,
    /// Width of all keys, K.
    keys: u64,
    head: u64,
}

impl Counts {
    pub fn of(shape: &Shape) -> Self {
        let Shape { family, vocabulary, context, width, hidden, blocks, heads, groups, head, .. } = *shape;
        Self {
            is_gpt2: family == Family::Gpt2,
            vocabulary: vocabulary as u64,
            context: context as u64,
            width: width as u64,
            hidden: hidden as u64,
            blocks: blocks as u64,
            queries: (heads * head) as u64,
            keys: (groups * head) as u64,
            head: head as u64,
        }
    }

    /// Returns the linear maps of a block, with their inputs and outputs.
    fn maps(&self) -> impl Iterator<Item = (Target, u64, u64)> + use<> {
        let Self { is_gpt2, width, hidden, queries, keys, .. } = *self;
        let maps = [
            (Target::Query, width, queries),
            (Target::Key, width, keys),
            (Target::Value, width, keys),
            (Target::Output, queries, width),
            (Target::Gate, width, hidden),
            (Target::Up, width, hidden),
            (Target::Down, hidden, width),
        ];
        maps.into_iter().filter(move |(target, ..)| !is_gpt2 || *target != Target::Gate)
    }

    /// Returns the linear maps of a block that have adapters.
    fn adapted(&self, lora: &Lora) -> impl Iterator<Item = (u64, u64)> {
        let maps = self.maps().filter(|(target, ..)| lora.targets.contains(target));
        maps.map(|(_, inputs, outputs)| (inputs, outputs))
    }

    /// Weights of all adapters: `rank (inputs + outputs)` for each chosen map of each block.
    pub fn adapters(&self, lora: &Lora) -> u64 {
        self.blocks * self.adapted(lora).map(|(inputs, outputs)| lora.rank as u64 * (inputs + outputs)).sum::<u64>()
    }

    /// Weights of all maps with adapters.
    pub fn weights_with_adapters(&self, lora: &Lora) -> u64 {
        self.blocks * self.adapted(lora).map(|(inputs, outputs)| inputs * outputs).sum::<u64>()
    }

    /// Numbers of a text's keys and values for each of its tokens.
    pub fn cached(&self) -> u64 {
        2 * self.keys * self.blocks
    }

    /// Numbers of the packed head.
    pub fn packed_head(&self) -> u64 {
        let (blocks, rest) = (self.vocabulary / TOKENS_OF_HEAD, self.vocabulary % TOKENS_OF_HEAD);
        blocks * packed(self.width, TOKENS_OF_HEAD) + packed(self.width, rest)
    }

    /// Tokens of a block of the head.
    pub fn block(&self) -> u64 {
        TOKENS_OF_HEAD.min(self.vocabulary)
    }

    /// Numbers of a block of the head, packed for the backward pass.
    pub fn packed_block(&self) -> u64 {
        packed(self.block(), self.width)
    }

    /// Numbers of the largest packed map of a block: a map is packed while it is applied.
    pub fn packed_map(&self) -> u64 {
        self.maps().map(|(_, inputs, outputs)| packed(inputs, outputs)).max().unwrap_or_default()
    }

    /// Numbers of a [`Writer`](crate::generate::Writer): the embedding, packed maps and adapters, the packed head (even if it has the
    /// weights of the embedding), and the angles of all positions.
    pub fn writer(&self, lora: Option<&Lora>) -> u64 {
        let maps: u64 = self.maps().map(|(_, inputs, outputs)| packed(inputs, outputs)).sum();
        let adapter = |rank: u64, inputs: u64, outputs: u64| packed(inputs, rank) + packed(rank, outputs);
        let adapters: u64 = lora.map_or(0, |lora| {
            self.adapted(lora).map(|(inputs, outputs)| adapter(lora.rank as u64, inputs, outputs)).sum()
        });
        let norm = if self.is_gpt2 { 2 * self.width } else { self.width };
        let positions = if self.is_gpt2 { self.context * self.width } else { self.context * self.head };
        let blocks = self.blocks * (maps + adapters + 2 * norm);
        self.vocabulary * self.width + positions + blocks + norm + self.packed_head()
    }

    /// Numbers that the forward pass keeps in all blocks but the last: see the [module](super).
    pub fn kept_before(&self, lora: Option<&Lora>, read: Read) -> u64 {
        let Self { width, blocks, queries, keys, .. } = *self;
        let adapters = self.adapters_kept(lora, |_| true);
        let of_token = 4 * width + 2 * (queries + keys) + self.perceptron() + adapters;
        (blocks.saturating_sub(1) * of_token).saturating_mul(read.tokens)
    }

    /// Numbers that the forward pass keeps in the last block, where only keys and values are computed for all tokens, and in the last
    /// normalisation.
    pub fn kept_at_last(&self, lora: Option<&Lora>, read: Read) -> u64 {
        let Self { width, queries, keys, .. } = *self;
        let of_all = |target: Target| matches!(target, Target::Key | Target::Value);
        let of_token = 2 * width + 2 * keys + self.adapters_kept(lora, of_all);
        let adapters = self.adapters_kept(lora, |target| !of_all(target));
        let of_asked = 4 * width + 2 * queries + self.perceptron() + adapters;
        of_token.saturating_mul(read.tokens).saturating_add(of_asked.saturating_mul(read.asked))
    }

    /// Numbers that a perceptron keeps for each token.
    fn perceptron(&self) -> u64 {
        if self.is_gpt2 { 3 * self.hidden } else { 5 * self.hidden }
    }

    /// Numbers that the adapters of some maps of a block keep for each token.
    fn adapters_kept(&self, lora: Option<&Lora>, of: impl Fn(Target) -> bool) -> u64 {
        let chosen =
            |lora: &Lora| self.maps().filter(|(target, ..)| lora.targets.contains(target) && of(*target)).count();
        lora.map_or(0, |lora| chosen(lora) as u64 * lora.rank as u64)
    }

    /// Numbers that the forward pass keeps whatever the number of texts: cosines and sines for the queries and the keys of each block, for
    /// texts of at most `length` tokens.
    pub fn kept_once(&self, length: u64) -> u64 {
        if self.is_gpt2 { 0 } else { (2 * self.blocks * self.head).saturating_mul(length) }
    }

    /// Numbers for each token at the widest place of a pass that keeps nothing.
    pub fn forward(&self) -> u64 {
        let Self { is_gpt2, width, hidden, queries, keys, .. } = *self;
        let perceptron = if is_gpt2 { width + 3 * hidden } else { 2 * width + 4 * hidden };
        perceptron.max(2 * width + 2 * (queries + keys))
    }

    /// Numbers for each token at the widest place of the backward pass, besides those that are kept.
    pub fn backward(&self) -> u64 {
        2 * self.width + if self.is_gpt2 { 1 } else { 2 } * self.hidden
    }
}

/// Returns the numbers of packed weights: a row more than inputs for the bias, and columns in whole panels.
fn packed(inputs: u64, outputs: u64) -> u64 {
    (inputs + 1) * if outputs <= NARROW { outputs } else { outputs.next_multiple_of(PANEL) }
}

/// Returns how many tokens a cache has room for that grew from `prompt` tokens to `length`: it doubles.
pub(super) fn room(prompt: u64, length: u64) -> u64 {
    let mut room = prompt.max(1);
    while room < length {
        room = room.saturating_mul(2);
    }
    room
}
