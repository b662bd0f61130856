//! Independent Bernoulli components.

use burn::tensor::{Tensor, activation::log_sigmoid};
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, action_tensor::misfit,
    categorical::rounded, check_finite,
};
use crate::kernel::formula::{bernoulli_entropy, bernoulli_log_prob};

/// K independent components that are each true with probability `sigmoid(logit)`.
#[derive(Debug, Clone)]
pub struct Bernoulli {
    logits: Tensor<2>,
}

impl Bernoulli {
    /// Creates the distribution from logits (log-odds) of shape `[B, K]`.
    #[must_use]
    pub fn new(logits: Tensor<2>) -> Self {
        Self { logits }
    }

    /// Returns the expected value of each component, given its values for true and for false, summed over the
    /// components. (Probabilities are computed from log-probabilities, because not every backend computes the sigmoid
    /// in the precision of its argument.)
    fn expect(&self, when_true: Tensor<2>, when_false: Tensor<2>) -> Tensor<1> {
        let (log_true, log_false) = self.log_probs();
        (log_true.exp() * when_true + log_false.exp() * when_false).sum_dim(1).squeeze_dim(1)
    }

    /// Returns the log-probabilities of true and of false. Shape `[B, K]` each.
    fn log_probs(&self) -> (Tensor<2>, Tensor<2>) {
        (log_sigmoid(self.logits.clone()), log_sigmoid(self.logits.clone().neg()))
    }
}

impl Distribution for Bernoulli {
    fn parameters(&self) -> Tensor<2> {
        self.logits.clone()
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        let [_, components] = self.logits.dims();
        let fits = matches!(space, Space::MultiBinary { n } if *n as usize == components);
        ActionMisfit::unless(fits, || format!("{components} components that are true or false"), space)
    }

    /// `sum_k log sigmoid(l_k)`, with the sign of `l_k` flipped where the component is false.
    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::MultiBinary(actions) = actions else { misfit("Bernoulli") };
        let signs = actions.clone().mul_scalar(2).sub_scalar(1);
        bernoulli_log_prob(&self.logits, &signs).sum_dim(1).squeeze_dim(1)
    }

    fn entropy(&self) -> Tensor<1> {
        bernoulli_entropy(&self.logits).sum_dim(1).squeeze_dim(1)
    }

    fn kl(&self, other: &Self) -> Tensor<1> {
        let (when_true, when_false) = self.log_probs();
        let (other_true, other_false) = other.log_probs();
        self.expect(when_true - other_true, when_false - other_false)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::MultiBinary(actions) = actions else { misfit("Bernoulli") };
        let [_, width] = self.logits.dims();
        check_finite(parameters, width)?;
        for (logits, stream) in parameters.chunks_exact(width).zip(streams) {
            let mut total = 0.0;
            for &logit in logits {
                let logit = f64::from(logit);
                let action = stream.rng.next_f64() < 1.0 / (1.0 + (-logit).exp());
                let against = if action { -logit } else { logit };
                // log sigmoid, without an exponential that overflows.
                total -= against.max(0.0) + (-against.abs()).exp().ln_1p();
                actions.push(action);
            }
            log_probs.push(rounded(total));
        }
        Ok(())
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let ActionBuffer::MultiBinary(actions) = actions else { misfit("Bernoulli") };
        let [_, width] = self.logits.dims();
        check_finite(parameters, width)?;
        actions.extend(parameters.iter().map(|&logit| logit > 0.0));
        Ok(())
    }
}
