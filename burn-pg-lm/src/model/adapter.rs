//! Low-rank adapters.

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Tensor, TensorData},
};
use burn_pg::envs::EnvRng;
use serde::{Deserialize, Serialize};

use crate::kernel;

/// What is added to the weights of a map: `scale A B`, of a low rank. Only this is trained; the weights are frozen and shared.
///
/// Source: E. Hu et al., *LoRA: low-rank adaptation of large language models* (2021).
#[derive(Module, Debug)]
pub(crate) struct Adapter {
    /// Shape `[inputs, rank]`.
    pub a: Param<Tensor<2>>,
    /// Shape `[rank, outputs]`; zeros at first, so that the adapter changes nothing.
    pub b: Param<Tensor<2>>,
    pub scale: f64,
}

/// The maps of a block that may have adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The map to queries.
    Query,
    /// The map to keys.
    Key,
    /// The map to values.
    Value,
    /// The map from the heads of attention.
    Output,
    /// The gate of the perceptron; only of Llama.
    Gate,
    /// The map into the perceptron.
    Up,
    /// The map out of the perceptron.
    Down,
}

impl Target {
    /// All maps.
    pub const ALL: [Self; 7] = [Self::Query, Self::Key, Self::Value, Self::Output, Self::Gate, Self::Up, Self::Down];
}

/// The adapters of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// Rank, 1 or more. Default 8.
    pub rank: usize,
    /// The adapters are multiplied by `alpha / rank`; more than 0. Default 16.
    pub alpha: f64,
    /// The maps with adapters. Default: queries and values.
    pub targets: Vec<Target>,
}

impl Default for Lora {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, targets: vec![Target::Query, Target::Value] }
    }
}

impl Lora {
    /// Returns what is wrong with the numbers, if something is.
    #[must_use]
    pub fn mistake(&self) -> Option<String> {
        if self.rank == 0 {
            return Some("`lora.rank` is 0; it must be at least 1".into());
        }
        if !(self.alpha.is_finite() && self.alpha > 0.0) {
            return Some(format!("`lora.alpha` is {}; it must be more than 0", self.alpha));
        }
        self.targets.is_empty().then(|| "`lora.targets` is empty: there is nothing to train".into())
    }
}

impl Adapter {
    /// Creates an adapter that changes nothing yet. A is uniform, as PEFT draws it (Kaiming's rule with a = sqrt(5)): from
    /// `-1 / sqrt(inputs)` to `1 / sqrt(inputs)`.
    pub fn new([inputs, outputs]: [usize; 2], lora: &Lora, rng: &mut EnvRng, device: &Device, dtype: DType) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let values: Vec<f64> = (0..inputs * lora.rank).map(|_| rng.uniform(-bound, bound)).collect();
        let a = TensorData::new(values, [inputs, lora.rank]).convert_dtype(dtype);
        Self {
            a: Param::from_tensor(Tensor::from_data(a, (device, dtype))),
            b: Param::from_tensor(Tensor::zeros([lora.rank, outputs], (device, dtype))),
            scale: lora.alpha / lora.rank as f64,
        }
    }

    /// Maps rows: from shape `[T, inputs]` to `[T, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernel::linear(kernel::linear(x, self.a.val(), None), self.b.val(), None) * self.scale
    }

    /// Returns what is added to the weights. Shape `[inputs, outputs]`.
    pub fn product(&self) -> Tensor<2> {
        kernel::linear(self.a.val(), self.b.val(), None) * self.scale
    }
}
