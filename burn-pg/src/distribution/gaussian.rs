//! The diagonal Gaussian.

use burn::tensor::{DType, Tensor};
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, action_tensor::misfit,
    categorical::rounded, check_finite,
};
use crate::kernel::{
    formula::{self, Dual},
    gaussian_entropy, gaussian_log_prob,
};

/// The exponential of this number is near the largest value in double precision.
const LARGEST_LOG: f64 = 700.0;

/// K independent normal components, given by their means and the logarithms of their standard deviations.
///
/// Samples are not bounded. An environment with bounds clips them, or is wrapped in
/// [`TransformActions`](burn_pg_envs::wrapper::TransformActions).
#[derive(Debug, Clone)]
pub struct Gaussian {
    /// Shape `[B, K]`.
    pub(super) mean: Tensor<2>,
    /// Shape `[B, K]`.
    pub(super) log_std: Tensor<2>,
}

impl Gaussian {
    /// Creates the distribution from means and logarithms of standard deviations, both of shape `[B, K]`. In single
    /// precision the logarithms may be between -88 and 88. Below that, the log-density of any action but the mean is
    /// minus infinity; above, samples are infinite.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn new(mean: Tensor<2>, log_std: Tensor<2>) -> Self {
        assert_eq!(mean.dims(), log_std.dims(), "`mean` and `log_std` must have the same shape");
        Self { mean, log_std }
    }
}

/// Returns a value whose exponential is near the largest value of the float type.
pub(crate) fn largest_log(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => LARGEST_LOG,
        DType::F16 => 11.0,
        _ => 88.0,
    }
}

/// A distribution over continuous actions in which each single action follows a diagonal Gaussian. Actions may depend
/// on each other, as with gSDE noise.
pub trait Normal: Distribution {
    /// Returns the Gaussian that single actions follow.
    fn marginal(&self) -> &Gaussian;
}

impl Normal for Gaussian {
    fn marginal(&self) -> &Gaussian {
        self
    }
}

impl Distribution for Gaussian {
    /// Means, then logarithms of standard deviations.
    fn parameters(&self) -> Tensor<2> {
        Tensor::cat(vec![self.mean.clone(), self.log_std.clone()], 1)
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        let [_, components] = self.mean.dims();
        let fits = matches!(space, Space::Box { low, .. } if low.len() == components);
        ActionMisfit::unless(fits, || format!("{components} continuous numbers"), space)
    }

    /// The sum of the log-densities of the components.
    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::Continuous(actions) = actions else { misfit("Gaussian") };
        gaussian_log_prob(&self.mean, &self.log_std, actions, largest_log(self.log_std.dtype())).unwrap_or_else(|| {
            let densities = formula::log_density(actions, &self.mean, &self.log_std, largest_log(self.log_std.dtype()));
            densities.sum_dim(1).squeeze_dim(1)
        })
    }

    /// `sum_k log sigma_k + (1 + log(2 pi)) / 2`.
    fn entropy(&self) -> Tensor<1> {
        gaussian_entropy(&self.log_std)
            .unwrap_or_else(|| formula::normal_entropy(&self.log_std).sum_dim(1).squeeze_dim(1))
    }

    /// `sum_k log(sigma_q / sigma_p) + (sigma_p^2 + (mu_p - mu_q)^2) / (2 sigma_q^2) - 1/2`.
    fn kl(&self, other: &Self) -> Tensor<1> {
        let log_ratio = self.log_std.clone() - other.log_std.clone();
        let distance = (self.mean.clone() - other.mean.clone())
            * formula::inverse_std(&other.log_std, largest_log(other.log_std.dtype()));
        let squares = log_ratio.clone().mul_scalar(2).exp() + distance.square();
        (squares.sub_scalar(1).mul_scalar(0.5) - log_ratio).sum_dim(1).squeeze_dim(1)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::Continuous(actions) = actions else { misfit("Gaussian") };
        let [_, width] = self.mean.dims();
        check_finite(parameters, 2 * width)?;
        for (row, stream) in parameters.chunks_exact(2 * width).zip(streams) {
            let (mean, log_std) = row.split_at(width);
            let mut total = 0.0;
            for (&mean, &log_std) in mean.iter().zip(log_std) {
                let action = rounded(f64::from(mean) + f64::from(log_std).exp() * stream.rng.normal());
                total += log_density(action, mean, log_std);
                actions.push(action);
            }
            log_probs.push(rounded(total));
        }
        Ok(())
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let [_, len] = self.mean.dims();
        append_means(parameters, len, 2 * len, actions)
    }
}

/// Returns the log-density of a component of an action. The action is the rounded one that is stored, so that the first
/// probability ratio is 1.
pub(super) fn log_density(action: f32, mean: f32, log_std: f32) -> f64 {
    let [action, mean, log_std] = [action, mean, log_std].map(|number| Dual::<f64, 0>::constant(number.into()));
    formula::log_density(&action, &mean, &log_std, LARGEST_LOG).value
}

/// Appends the means, the first `len` values of each row of `width` parameters, as actions.
pub(super) fn append_means(
    parameters: &[f32],
    len: usize,
    width: usize,
    actions: &mut ActionBuffer,
) -> Result<(), DistributionError> {
    let ActionBuffer::Continuous(actions) = actions else { misfit("Gaussian") };
    check_finite(parameters, width)?;
    actions.extend(parameters.chunks_exact(width).flat_map(|row| &row[..len]));
    Ok(())
}
