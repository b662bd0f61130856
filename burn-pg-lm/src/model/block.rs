//! Blocks: attention between tokens, then a perceptron for each token.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
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
        let x = x.clone() + self.attention.forward(self.norm_1.forward(x), texts, shape);
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

    fn forward(&self, x: Tensor<2>, texts: &Texts, shape: &Shape) -> Tensor<2> {
        let Shape { family, heads, groups, .. } = *shape;
        let (mut query, mut key) = (self.query.forward(x.clone()), self.key.forward(x.clone()));
        if let Family::Llama { rope_theta } = family {
            query = kernel::rotate(query, heads, texts, rope_theta);
            key = kernel::rotate(key, groups, texts, rope_theta);
        }
        let value = self.value.forward(x);
        self.output.forward(kernel::attention(&query, &key, &value, texts, [heads, groups]))
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
