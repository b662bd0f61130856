//! Several independent categorical distributions.

use burn::tensor::{Bool, Tensor};
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Categorical, Distribution, DistributionError,
    action_tensor::misfit,
    categorical::{check_logits, components, draw, impossible_logit, most_probable, rounded, without_masked},
};

/// One action of each of several independent [`Categorical`] components.
#[derive(Debug, Clone)]
pub struct MultiCategorical {
    logits: Tensor<2>,
    sizes: Vec<usize>,
    components: Vec<Categorical>,
}

impl MultiCategorical {
    /// Creates the distribution from unnormalised log-probabilities of shape `[B, sum of sizes]`, the components one
    /// after the other.
    ///
    /// # Panics
    /// If the number of logits in a row is not the sum of `sizes`.
    #[must_use]
    pub fn new(logits: Tensor<2>, sizes: &[usize]) -> Self {
        let parts = logits.clone().split_with_sizes(sizes.to_vec(), 1);
        Self { logits, sizes: sizes.to_vec(), components: parts.into_iter().map(Categorical::new).collect() }
    }

    /// Like [`new`](Self::new), with probability 0 where `mask` (of the shape of the logits) is false.
    #[must_use]
    pub fn masked(logits: Tensor<2>, sizes: &[usize], mask: Tensor<2, Bool>) -> Self {
        Self::new(without_masked(logits, mask), sizes)
    }

    fn width(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Returns the sum of `of_component` over the components, which are counted from 0.
    fn total(&self, of_component: impl Fn(usize, &Categorical) -> Tensor<1>) -> Tensor<1> {
        let parts = self.components.iter().enumerate().map(|(k, component)| of_component(k, component));
        parts.reduce(Tensor::add).expect("an action space has at least one component")
    }
}

impl Distribution for MultiCategorical {
    fn parameters(&self) -> Tensor<2> {
        self.logits.clone()
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        let fits = match space {
            Space::MultiDiscrete { sizes } => sizes.iter().map(|&size| size as usize).eq(self.sizes.iter().copied()),
            _ => false,
        };
        ActionMisfit::unless(fits, || format!("components of {:?} actions", self.sizes), space)
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::MultiDiscrete(actions) = actions else { misfit("multi-categorical") };
        self.total(|k, component| {
            component.log_prob(&ActionTensor::Discrete(actions.clone().narrow(1, k, 1).squeeze_dim(1)))
        })
    }

    fn entropy(&self) -> Tensor<1> {
        self.total(|_, component| component.entropy())
    }

    fn kl(&self, other: &Self) -> Tensor<1> {
        self.total(|k, component| component.kl(&other.components[k]))
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::MultiDiscrete(actions) = actions else { misfit("multi-categorical") };
        check_logits(parameters, self.width(), &self.sizes, impossible_logit(self.logits.dtype()))?;
        for (row, stream) in parameters.chunks_exact(self.width()).zip(streams) {
            let mut total = 0.0;
            for logits in components(row, &self.sizes) {
                let (action, log_prob) = draw(logits, stream.rng.next_f64());
                actions.push(action);
                total += log_prob;
            }
            log_probs.push(rounded(total));
        }
        Ok(())
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let ActionBuffer::MultiDiscrete(actions) = actions else { misfit("multi-categorical") };
        check_logits(parameters, self.width(), &self.sizes, impossible_logit(self.logits.dtype()))?;
        let rows = parameters.chunks_exact(self.width());
        actions.extend(rows.flat_map(|row| components(row, &self.sizes)).map(most_probable));
        Ok(())
    }
}
