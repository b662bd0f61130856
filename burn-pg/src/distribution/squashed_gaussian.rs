//! A Gaussian followed by a hyperbolic tangent.

use std::f64::consts::PI;

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, Gaussian, Normal, action_tensor::misfit,
};
use crate::kernel::formula::{Dual, Number, normal_entropy, tanh_log_derivative};

/// Actions within ±1: `a = tanh(u)`, where `u` comes from the Gaussian `G`.
///
/// Sampling and training use `u`, before the tangent; [`to_env`](Distribution::to_env) applies the tangent. So no
/// inverse is needed, and no information is lost where the tangent rounds to 1. Log-densities are those of `a`:
///
/// ```text
/// log p(a) = log N(u) - sum_k log(1 - tanh(u_k)^2),   log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2 u))
/// ```
///
/// Source: T. Haarnoja, A. Zhou, P. Abbeel, S. Levine, *Soft actor-critic* (2018), appendix C.
#[derive(Debug, Clone)]
pub struct SquashedGaussian<G = Gaussian> {
    gaussian: G,
}

impl SquashedGaussian {
    /// Creates the distribution from means and logarithms of standard deviations of the Gaussian, both of shape
    /// `[B, K]`.
    #[must_use]
    pub fn new(mean: Tensor<2>, log_std: Tensor<2>) -> Self {
        Gaussian::new(mean, log_std).into()
    }
}

impl<G: Normal> From<G> for SquashedGaussian<G> {
    fn from(gaussian: G) -> Self {
        Self { gaussian }
    }
}

impl<G: Normal> Distribution for SquashedGaussian<G> {
    /// Returns the parameters of the Gaussian.
    fn parameters(&self) -> Tensor<2> {
        self.gaussian.parameters()
    }

    /// Accepts boxes with the bounds ±1 in every dimension.
    /// [`ActionTransform::rescale`](burn_pg_envs::wrapper::ActionTransform::rescale) rescales actions to other bounds.
    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        self.gaussian.check_space(space)?;
        let [_, components] = self.gaussian.marginal().mean.dims();
        check_within_one(components, space)
    }

    /// Returns the log-density of the action `tanh(u)`, where `actions` are `u`.
    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::Continuous(before) = actions else { misfit("squashed Gaussian") };
        self.gaussian.log_prob(actions) - tanh_log_derivative(before).sum_dim(1).squeeze_dim(1)
    }

    /// `H[N] + sum_k E[log(1 - tanh(u_k)^2)]`. The expectation has no closed form. It is computed by the trapezoidal
    /// rule over ±8 standard deviations, with an error of at most 1e-6 for standard deviations up to 3, and 2e-2 up to
    /// 20.
    fn entropy(&self) -> Tensor<1> {
        let Gaussian { mean, log_std } = self.gaussian.marginal();
        squashed_entropy(mean, log_std).sum_dim(1).squeeze_dim(1)
    }

    /// Returns the KL divergence of the Gaussians. It is the same, because the tangent is invertible.
    fn kl(&self, other: &Self) -> Tensor<1> {
        self.gaussian.kl(&other.gaussian)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let drawn = log_probs.len();
        self.gaussian.sample(parameters, streams, actions, log_probs)?;
        let ActionBuffer::Continuous(before) = actions else { misfit("squashed Gaussian") };
        let [_, width] = self.gaussian.marginal().mean.dims();
        let new = log_probs.len() - drawn;
        let rows = before[before.len() - new * width..].chunks_exact(width);
        for (log_prob, row) in log_probs[drawn..].iter_mut().zip(rows) {
            *log_prob -= row.iter().map(|&u| log_derivative_of(u)).sum::<f32>();
        }
        Ok(())
    }

    /// Appends the mean of the Gaussian. Its tangent, the action, is the median.
    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        self.gaussian.mode(parameters, actions)
    }

    fn to_env(&self, actions: &mut ActionBuffer) {
        let ActionBuffer::Continuous(actions) = actions else { misfit("squashed Gaussian") };
        for action in actions {
            *action = action.tanh();
        }
    }
}

/// Accepts boxes of `components` dimensions with the bounds ±1 in each.
pub(super) fn check_within_one(components: usize, space: &Space) -> Result<(), ActionMisfit> {
    let distribution = || format!("{components} continuous numbers within ±1");
    let Space::Box { low, high, .. } = space else { return ActionMisfit::unless(false, distribution, space) };
    #[allow(clippy::float_cmp)] // bounds are given, not computed
    let fits = low.iter().all(|&low| low == -1.0) && high.iter().all(|&high| high == 1.0);
    match fits && low.len() == components {
        true => Ok(()),
        false => {
            let space = format!("{space} from {low:?} to {high:?}");
            Err(ActionMisfit { distribution: distribution(), space })
        }
    }
}

/// Returns the logarithm of the derivative of tanh, `log(1 - tanh(u)^2)`.
#[allow(clippy::cast_possible_truncation)] // log-probabilities are kept in single precision
fn log_derivative_of(before: f32) -> f32 {
    tanh_log_derivative(&Dual::<f64, 0>::constant(before.into())).value as f32
}

/// The entropy of `tanh(u)` with a normal `u`; see [`SquashedGaussian::entropy`](Distribution::entropy).
pub(crate) fn squashed_entropy<N: Number>(mean: &N, log_std: &N) -> N {
    let (std, mut entropy) = (log_std.clone().exp(), normal_entropy(log_std));
    for (z, weight) in nodes() {
        let before = mean.clone() + std.clone().times(N::scalar(z));
        entropy = entropy + tanh_log_derivative(&before).times(N::scalar(weight));
    }
    entropy
}

/// Returns nodes of a standard normal variable and their weights, which add up to 1.
fn nodes() -> impl Iterator<Item = (f64, f64)> {
    const STEP: f64 = 0.25;
    let density = |z: f64| STEP * (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
    (-32..=32).map(move |i| {
        let z = STEP * f64::from(i);
        (z, density(z))
    })
}
