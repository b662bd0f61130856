//! Layers with weights.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};

use crate::kernel;

/// A linear map. Shape of the weights: `[inputs, outputs]`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub weight: Param<Tensor<2>>,
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Creates a map of zeros.
    pub fn zeros([inputs, outputs]: [usize; 2], has_bias: bool, device: &Device) -> Self {
        let weight = Param::from_tensor(Tensor::zeros([inputs, outputs], device));
        Self { weight, bias: has_bias.then(|| Param::from_tensor(Tensor::zeros([outputs], device))) }
    }

    /// Maps rows: from shape `[T, inputs]` to `[T, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        kernel::linear(x, self.weight.val(), self.bias.as_ref().map(Param::val))
    }
}

/// Layer normalisation, or, without `shift`, root-mean-square normalisation. Shapes `[C]`.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    pub scale: Param<Tensor<1>>,
    pub shift: Option<Param<Tensor<1>>>,
    epsilon: f64,
}

impl Norm {
    /// Creates a normalisation with a scale of 1.
    pub fn new(width: usize, has_shift: bool, epsilon: f64, device: &Device) -> Self {
        let scale = Param::from_tensor(Tensor::ones([width], device));
        Self { scale, shift: has_shift.then(|| Param::from_tensor(Tensor::zeros([width], device))), epsilon }
    }

    /// Normalises rows. Shape `[T, C]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.shift {
            Some(shift) => kernel::layer_norm(x, self.scale.val(), shift.val(), self.epsilon),
            None => kernel::rms_norm(x, self.scale.val(), self.epsilon),
        }
    }
}
