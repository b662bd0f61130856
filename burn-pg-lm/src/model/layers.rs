//! Layers with weights.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use super::{adapter::Adapter, weight::Weight};
use crate::kernel;

/// A linear map. Shape of the weights: `[inputs, outputs]`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    pub weight: Weight<2>,
    pub bias: Option<Weight<1>>,
    pub adapter: Option<Adapter>,
}

impl Linear {
    /// Creates a map of zeros.
    pub fn zeros([inputs, outputs]: [usize; 2], has_bias: bool, device: &Device) -> Self {
        Self {
            weight: Weight::new(Tensor::zeros([inputs, outputs], device)),
            bias: has_bias.then(|| Weight::new(Tensor::zeros([outputs], device))),
            adapter: None,
        }
    }

    /// Maps rows: from shape `[T, inputs]` to `[T, outputs]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let map = |x| kernel::linear(x, self.weight.val(), self.bias.as_ref().map(Weight::val));
        match &self.adapter {
            None => map(x),
            Some(adapter) => map(x.clone()) + adapter.forward(x),
        }
    }

    /// Freezes the weights, or makes them trainable. An adapter stays as it is.
    pub fn with_frozen(self, frozen: bool) -> Self {
        let Self { weight, bias, adapter } = self;
        match frozen {
            true => Self { weight: weight.frozen(), bias: bias.map(Weight::frozen), adapter },
            false => Self { weight: weight.trained(), bias: bias.map(Weight::trained), adapter },
        }
    }

    /// Adds the adapter, if there is one, to the weights.
    pub fn merged(self) -> Self {
        let Some(adapter) = self.adapter else { return self };
        let weight = Weight::new((self.weight.val() + adapter.product()).detach());
        Self { weight, bias: self.bias, adapter: None }
    }
}

/// Layer normalisation, or, without `shift`, root-mean-square normalisation. Shapes `[C]`.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    pub scale: Weight<1>,
    pub shift: Option<Weight<1>>,
    epsilon: f64,
}

impl Norm {
    /// Creates a normalisation with a scale of 1.
    pub fn new(width: usize, has_shift: bool, epsilon: f64, device: &Device) -> Self {
        let scale = Weight::new(Tensor::ones([width], device));
        Self { scale, shift: has_shift.then(|| Weight::new(Tensor::zeros([width], device))), epsilon }
    }

    /// Normalises rows. Shape `[T, C]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match &self.shift {
            Some(shift) => kernel::layer_norm(x, self.scale.val(), shift.val(), self.epsilon),
            None => kernel::rms_norm(x, self.scale.val(), self.epsilon),
        }
    }

    /// Freezes the weights, or makes them trainable.
    pub fn with_frozen(self, frozen: bool) -> Self {
        let Self { scale, shift, epsilon } = self;
        match frozen {
            true => Self { scale: scale.frozen(), shift: shift.map(Weight::frozen), epsilon },
            false => Self { scale: scale.trained(), shift: shift.map(Weight::trained), epsilon },
        }
    }
}
