//! The Gaussian with state-dependent noise (gSDE).

use std::num::NonZeroU32;

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, Gaussian, Normal,
    action_tensor::misfit,
    categorical::rounded,
    check_finite,
    gaussian::{append_means, log_density},
};

/// `log sqrt(1e-6)`: the log standard deviation where all features are 0.
const LEAST_LOG_STD: f64 = -6.907_755_278_982_137;
/// Replaces 0 where a logarithm is taken; a normal number in single precision.
const LEAST: f64 = 1e-37;

/// Generalised state-dependent exploration (gSDE): noise that is a linear function of features of the state,
///
/// ```text
/// a = mu(s) + phi(s)^T E,   E_fk = exp(log_std_fk) e_fk,   e_fk ~ N(0, 1)
/// ```
///
/// with one `E` for several steps, in which the same state gets the same action. This gives smooth motions instead of
/// jitter, which real machines filter out or suffer from. Log-densities, entropies and KL divergences are those of a
/// single action, with independent components:
///
/// ```text
/// a_k ~ N(mu_k, sum_f phi_f^2 exp(2 log_std_fk) + 1e-6)
/// ```
///
/// The last summand keeps the density finite if all features are 0; it is not part of the sampled noise. Actions that
/// share an `E` depend on each other; this is ignored, as in the paper.
///
/// Source: A. Raffin, J. Kober, F. Stulp, *Smooth exploration for robotic reinforcement learning* (2021).
#[derive(Debug, Clone)]
pub struct StateDependentGaussian {
    /// The distribution of a single action.
    marginal: Gaussian,
    /// Shape `[B, F]`.
    features: Tensor<2>,
    /// Shape `[F, K]`.
    log_std: Tensor<2>,
    resample_every: Option<NonZeroU32>,
}

impl StateDependentGaussian {
    /// Creates the distribution from means of shape `[B, K]`, features of shape `[B, F]`, and logarithms of the
    /// standard deviations of `E`, of shape `[F, K]` and between -80 and 80. A new `E` is drawn at the beginning of a
    /// rollout and, if `resample_every` is given, after each `resample_every` steps.
    ///
    /// # Panics
    /// If the shapes do not fit.
    #[must_use]
    pub fn new(mean: Tensor<2>, features: Tensor<2>, log_std: Tensor<2>, resample_every: Option<NonZeroU32>) -> Self {
        let marginal = Gaussian::new(mean, marginal_log_std(&features, &log_std));
        Self { marginal, features, log_std, resample_every }
    }

    /// Returns the numbers of action components and of features, K and F.
    fn sizes(&self) -> [usize; 2] {
        let [features, actions] = self.log_std.dims();
        [actions, features]
    }

    /// Returns the number of parameters in a row.
    fn width(&self) -> usize {
        let [actions, features] = self.sizes();
        actions * (2 + features)
    }
}

/// Returns `log sqrt(sum_f phi_f^2 exp(2 log_std_fk) + 1e-6)`, of shape `[B, K]`. The largest feature of each row and
/// the largest standard deviation of each column are factored out of the sum, which then neither overflows nor
/// underflows.
fn marginal_log_std(features: &Tensor<2>, log_std: &Tensor<2>) -> Tensor<2> {
    let largest_feature = features.clone().detach().abs().max_dim(1).clamp_min(LEAST);
    let largest_log_std = log_std.clone().detach().max_dim(0);
    let squares = (features.clone() / largest_feature.clone()).square();
    let variances = (log_std.clone() - largest_log_std.clone()).mul_scalar(2).exp();
    let taken_out = largest_feature.log() + largest_log_std;
    // The larger of the two summands sets the scale.
    let scale = taken_out.clone().clamp_min(LEAST_LOG_STD);
    let sum = squares.matmul(variances) * (taken_out - scale.clone()).mul_scalar(2).exp();
    let least = scale.clone().neg().add_scalar(LEAST_LOG_STD).mul_scalar(2).exp();
    (sum + least).clamp_min(LEAST).log().mul_scalar(0.5) + scale
}

impl Normal for StateDependentGaussian {
    fn marginal(&self) -> &Gaussian {
        &self.marginal
    }
}

impl Distribution for StateDependentGaussian {
    /// Means, logarithms of the marginal standard deviations, and for each action in turn the scaled features
    /// `phi_f exp(log_std_fk)`.
    fn parameters(&self) -> Tensor<2> {
        let std = self.log_std.clone().exp().transpose().unsqueeze_dim::<3>(0);
        let scaled = self.features.clone().unsqueeze_dim::<3>(1) * std;
        Tensor::cat(vec![self.marginal.parameters(), scaled.flatten(1, 2)], 1)
    }

    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        self.marginal.check_space(space)
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        self.marginal.log_prob(actions)
    }

    fn entropy(&self) -> Tensor<1> {
        self.marginal.entropy()
    }

    fn kl(&self, other: &Self) -> Tensor<1> {
        self.marginal.kl(&other.marginal)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::Continuous(actions) = actions else { misfit("state-dependent Gaussian") };
        let [len, features] = self.sizes();
        check_finite(parameters, self.width())?;
        for (row, stream) in parameters.chunks_exact(self.width()).zip(streams) {
            let (means, row) = row.split_at(len);
            let (log_stds, scaled) = row.split_at(len);
            let noise = stream.gsde_noise(scaled.len(), self.resample_every).chunks_exact(features);
            let mut total = 0.0;
            for (((&mean, &log_std), scaled), noise) in
                means.iter().zip(log_stds).zip(scaled.chunks_exact(features)).zip(noise)
            {
                let offset: f64 = scaled.iter().zip(noise).map(|(&scaled, &noise)| f64::from(scaled) * noise).sum();
                let action = rounded(f64::from(mean) + offset);
                total += log_density(action, mean, log_std);
                actions.push(action);
            }
            log_probs.push(rounded(total));
        }
        Ok(())
    }

    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let [len, _] = self.sizes();
        append_means(parameters, len, self.width(), actions)
    }
}
