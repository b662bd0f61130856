//! The first weights of a new model.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor, TensorData},
};
use burn_pg::envs::EnvRng;

use super::{Shape, Transformer};

/// The stream of random numbers that weights are drawn from.
const WEIGHTS: u32 = 0x0E16;
/// Standard deviation of weights.
const DEVIATION: f64 = 0.02;

impl Transformer {
    /// Creates a transformer with random weights, as GPT-2 begins: normal with a standard deviation of 0.02, less for the maps that are
    /// added to hidden states (divided by the root of their number), biases of 0 and scales of 1.
    ///
    /// Source: A. Radford et al., *Language models are unsupervised multitask learners* (2019), section 2.3.
    #[must_use]
    pub fn random(shape: &Shape, seed: u64, device: &Device) -> Self {
        let residual = DEVIATION / (2.0 * shape.blocks as f64).sqrt();
        let rng = EnvRng::stream(seed, &[WEIGHTS]);
        Self::zeros(shape, device).map(&mut Draw { rng, residual, path: Vec::new() })
    }
}

struct Draw {
    rng: EnvRng,
    /// Standard deviation of the maps that are added to hidden states.
    residual: f64,
    path: Vec<String>,
}

impl ModuleMapper for Draw {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    #[allow(clippy::cast_possible_truncation)] // to single precision
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Scales stay 1, and shifts and biases 0.
        if D != 2 {
            return parameter;
        }
        let name = self.path.join(".");
        let is_residual = name.ends_with("attention.output.weight") || name.ends_with("mlp.down.weight");
        let deviation = if is_residual { self.residual } else { DEVIATION };
        parameter.map(|old| {
            let numbers: Vec<f32> =
                (0..old.shape().num_elements()).map(|_| (self.rng.normal() * deviation) as f32).collect();
            let new = Tensor::from_data(TensorData::new(numbers, old.shape()), &old.device());
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }
}
