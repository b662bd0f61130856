//! Blocks: attention between tokens, then a perceptron for each token.

use std::ops::Range;

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};

use super::{
    adapter::Target,
    layers::{Linear, Norm},
    shape::{Family, Shape},
};
use crate::{Texts, kernel};

/// A block, whose two parts are added to its input.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub norm_1: Norm,
    pub attention: Attention,
    pub norm_2: Norm,
    pub mlp: Mlp,
}

/// The maps of attention.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    pub query: Linear,
    pub key: Linear,
    pub value: Linear,
    pub output: Linear,
}

/// The maps of a perceptron; `gate` if it is gated.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    pub gate: Option<Linear>,
    pub up: Linear,
    pub down: Linear,
}

/// The hidden states after a block that are asked for. Only with [kernels](kernel::has_kernels).
pub(crate) struct Asked<'a> {
    /// The positions in each text.
    pub positions: &'a [Range<usize>],
    /// Their rows among those of all tokens.
    pub rows: Tensor<1, Int>,
}

impl Asked<'_> {
    fn of(&self, x: Tensor<2>) -> Tensor<2> {
        x.select(0, self.rows.clone())
    }
}

impl Block {
    /// Creates a block of zeros.
    pub fn zeros(shape: &Shape, device: &Device) -> Self {
        let Shape { family, width, hidden, heads, groups, head, epsilon, .. } = *shape;
        let is_gpt2 = family == Family::Gpt2;
        let linear = |inputs, outputs| Linear::zeros([inputs, outputs], is_gpt2, device);
        let norm = || Norm::new(width, is_gpt2, epsilon, device);
        Self {
            norm_1: norm(),
            attention: Attention {
                query: linear(width, heads * head),
                key: linear(width, groups * head),
                value: linear(width, groups * head),
                output: linear(heads * head, width),
            },
            norm_2: norm(),
            mlp: Mlp {
                gate: (!is_gpt2).then(|| linear(width, hidden)),
                up: linear(width, hidden),
                down: linear(hidden, width),
            },
        }
    }

    /// Takes hidden states (shape `[T, C]`) through the block.
    pub fn forward(&self, x: Tensor<2>, texts: &Texts, shape: &Shape) -> Tensor<2> {
        self.forward_at(x, texts, shape, None)
    }

    /// Takes hidden states through the block. With `asked`, computes and returns only the rows that are asked for.
    pub fn forward_at(&self, x: Tensor<2>, texts: &Texts, shape: &Shape, asked: Option<&Asked<'_>>) -> Tensor<2> {
        let normal = self.norm_1.forward(x.clone());
        let x = asked.map_or(x.clone(), |asked| asked.of(x));
        let x = x + self.attention.forward(normal, texts, shape, asked);
        x.clone() + self.mlp.forward(self.norm_2.forward(x))
    }
}

impl Block {
    /// Freezes the weights, or makes them trainable. Adapters stay as they are.
    pub fn with_frozen(self, frozen: bool) -> Self {
        let Self { norm_1, attention, norm_2, mlp } = self;
        let freeze = |map: Linear| map.with_frozen(frozen);
        Self {
            norm_1: norm_1.with_frozen(frozen),
            attention: attention.map_each(|_, map| freeze(map)),
            norm_2: norm_2.with_frozen(frozen),
            mlp: mlp.map_each(|_, map| freeze(map)),
        }
    }

    /// Returns the linear maps.
    pub fn maps(&self) -> impl Iterator<Item = &Linear> {
        let (Attention { query, key, value, output }, Mlp { gate, up, down }) = (&self.attention, &self.mlp);
        [query, key, value, output, up, down].into_iter().chain(gate)
    }

    /// Changes each linear map.
    pub fn map_each(self, mut change: impl FnMut(Target, Linear) -> Linear) -> Self {
        let Self { norm_1, attention, norm_2, mlp } = self;
        Self { norm_1, attention: attention.map_each(&mut change), norm_2, mlp: mlp.map_each(&mut change) }
    }
}

impl Attention {
    fn map_each(self, mut change: impl FnMut(Target, Linear) -> Linear) -> Self {
        let Self { query, key, value, output } = self;
        Self {
            query: change(Target::Query, query),
            key: change(Target::Key, key),
            value: change(Target::Value, value),
            output: change(Target::Output, output),
        }
    }

    fn forward(&self, x: Tensor<2>, texts: &Texts, shape: &Shape, asked: Option<&Asked<'_>>) -> Tensor<2> {
        let Shape { family, heads, groups, .. } = *shape;
        let of_query = asked.map_or(x.clone(), |asked| asked.of(x.clone()));
        let (mut query, mut key) = (self.query.forward(of_query), self.key.forward(x.clone()));
        if let Family::Llama { rope_theta } = family {
            let all: Vec<usize> = texts.positions().collect();
            key = kernel::rotate(key, groups, &all, rope_theta);
            let of_query = asked.map_or(all, |asked| asked.positions.iter().cloned().flatten().collect());
            query = kernel::rotate(query, heads, &of_query, rope_theta);
        }
        let value = self.value.forward(x);
        let positions = asked.map(|asked| asked.positions);
        self.output.forward(kernel::attention(&query, &key, &value, texts, positions, [heads, groups]))
    }
}

impl Mlp {
    fn map_each(self, mut change: impl FnMut(Target, Linear) -> Linear) -> Self {
        let Self { gate, up, down } = self;
        Self {
            gate: gate.map(|gate| change(Target::Gate, gate)),
            up: change(Target::Up, up),
            down: change(Target::Down, down),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let up = self.up.forward(x.clone());
        let hidden = match &self.gate {
            Some(gate) => kernel::silu(gate.forward(x)) * up,
            None => kernel::gelu_new(up),
        };
        self.down.forward(hidden)
    }
}
