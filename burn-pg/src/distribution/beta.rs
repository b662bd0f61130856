//! The Beta distribution over bounded actions.

use burn::tensor::Tensor;
use burn_pg_envs::{ActionBuffer, EnvRng, Space};

use super::{
    ActionMisfit, ActionStream, ActionTensor, Distribution, DistributionError, action_tensor::misfit,
    categorical::rounded, check_finite, squashed_gaussian::check_within_one,
};
use crate::kernel::formula::{self, Dual};

/// How near a sample may come to 0 or 1, where the density is 0: 2^-20, which is exact in single precision.
const EDGE: f64 = 1.0 / 1_048_576.0;

/// K independent components within ±1, each `a = 2 x - 1` with x from a Beta distribution over 0 to 1.
///
/// Both concentrations are at least 1, so the density has one peak, and no peak at a bound. Unlike a Gaussian whose actions
/// are clipped, it gives no probability to actions outside of the bounds, so its policy gradient has no bias from them; and
/// unlike a squashed Gaussian its entropy and its KL divergence have a closed form.
///
/// Sampling and training use x, between 2^-20 and 1 - 2^-20; [`to_env`](Distribution::to_env) turns it into a. Log-densities
/// and entropies are those of a:
///
/// ```text
/// log p(a) = sum_k (alpha_k - 1) log x_k + (beta_k - 1) log(1 - x_k) - log B(alpha_k, beta_k) - log 2
/// ```
///
/// Source: P.-W. Chou, D. Maturana, S. Scherer, *Improving stochastic policy gradients in continuous control with deep
/// reinforcement learning using the Beta distribution* (2017).
#[derive(Debug, Clone)]
pub struct Beta {
    /// Shape `[B, K]`.
    alpha: Tensor<2>,
    /// Shape `[B, K]`.
    beta: Tensor<2>,
}

impl Beta {
    /// Creates the distribution from its concentrations, both of shape `[B, K]` and at least 1.
    ///
    /// # Panics
    /// If the shapes differ.
    #[must_use]
    pub fn new(alpha: Tensor<2>, beta: Tensor<2>) -> Self {
        assert_eq!(alpha.dims(), beta.dims(), "`alpha` and `beta` must have the same shape");
        Self { alpha, beta }
    }

    /// Creates the distribution with the concentrations `1 + softplus(o)` for outputs `o` of a network (shape `[B, 2 K]`):
    /// first those for `alpha`, then those for `beta`.
    #[must_use]
    pub fn of_outputs(outputs: &Tensor<2>) -> Self {
        let [_, width] = outputs.dims();
        let concentrations = formula::concentration(outputs);
        let half = |start| concentrations.clone().narrow(1, start, width / 2);
        Self::new(half(0), half(width / 2))
    }

    /// The concentrations without their graph. Formulas are evaluated for them; [`with_gradient`] adds the gradient.
    fn detached(&self) -> [Tensor<2>; 2] {
        [self.alpha.clone().detach(), self.beta.clone().detach()]
    }

    /// Adds the gradient of a formula with respect to both concentrations to its value (shape `[B, K]` each). The graph is
    /// then two products, in place of some two hundred operations of the formulas.
    fn with_gradient(&self, value: Tensor<2>, [by_alpha, by_beta]: [Tensor<2>; 2]) -> Tensor<2> {
        // A concentration minus itself is 0, with derivative 1.
        let [alpha, beta] = self.detached();
        value + by_alpha * (self.alpha.clone() - alpha) + by_beta * (self.beta.clone() - beta)
    }
}

impl Distribution for Beta {
    /// The concentrations `alpha`, then `beta`.
    fn parameters(&self) -> Tensor<2> {
        Tensor::cat(vec![self.alpha.clone(), self.beta.clone()], 1)
    }

    /// Accepts boxes with the bounds ±1 in every dimension.
    /// [`ActionTransform::rescale`](burn_pg_envs::wrapper::ActionTransform::rescale) rescales actions to other bounds.
    fn check_space(&self, space: &Space) -> Result<(), ActionMisfit> {
        let [_, components] = self.alpha.dims();
        check_within_one(components, space)
    }

    fn log_prob(&self, actions: &ActionTensor) -> Tensor<1> {
        let ActionTensor::Continuous(x) = actions else { misfit("Beta") };
        let [log_x, log_rest] = [x.clone().log(), x.clone().neg().add_scalar(1).log()];
        let [alpha, beta] = self.detached();
        let (value, gradient) = (formula::log_beta(&alpha, &beta), formula::log_beta_gradient(&alpha, &beta));
        let log_beta = self.with_gradient(value, gradient);
        let densities = formula::beta_log_density([&log_x, &log_rest], [&self.alpha, &self.beta], log_beta);
        densities.sum_dim(1).squeeze_dim(1)
    }

    fn entropy(&self) -> Tensor<1> {
        let [alpha, beta] = self.detached();
        let (value, gradient) = (formula::beta_entropy(&alpha, &beta), formula::beta_entropy_gradient(&alpha, &beta));
        self.with_gradient(value, gradient).sum_dim(1).squeeze_dim(1)
    }

    fn kl(&self, other: &Self) -> Tensor<1> {
        let (p, q) = (self.detached(), other.detached());
        let (p, q) = (p.each_ref(), q.each_ref());
        let [by_p, by_q] = formula::beta_kl_gradients(p, q);
        let of_p = self.with_gradient(formula::beta_kl(p, q), by_p);
        other.with_gradient(of_p, by_q).sum_dim(1).squeeze_dim(1)
    }

    fn sample(
        &self,
        parameters: &[f32],
        streams: &mut [ActionStream],
        actions: &mut ActionBuffer,
        log_probs: &mut Vec<f32>,
    ) -> Result<(), DistributionError> {
        let ActionBuffer::Continuous(actions) = actions else { misfit("Beta") };
        let [_, width] = self.alpha.dims();
        check_finite(parameters, 2 * width)?;
        for (row, stream) in parameters.chunks_exact(2 * width).zip(streams) {
            let (alphas, betas) = row.split_at(width);
            let mut total = 0.0;
            for (&alpha, &beta) in alphas.iter().zip(betas) {
                let [one, other] = [alpha, beta].map(|shape| gamma(&mut stream.rng, shape.into()));
                let x = rounded((one / (one + other)).clamp(EDGE, 1.0 - EDGE));
                total += log_density(x, alpha, beta);
                actions.push(x);
            }
            log_probs.push(rounded(total));
        }
        Ok(())
    }

    /// Appends the mean, `alpha / (alpha + beta)`. The mode, `(alpha - 1) / (alpha + beta - 2)`, would be arbitrary where the
    /// density is nearly constant.
    fn mode(&self, parameters: &[f32], actions: &mut ActionBuffer) -> Result<(), DistributionError> {
        let ActionBuffer::Continuous(actions) = actions else { misfit("Beta") };
        let [_, width] = self.alpha.dims();
        check_finite(parameters, 2 * width)?;
        for row in parameters.chunks_exact(2 * width) {
            let (alphas, betas) = row.split_at(width);
            actions.extend(alphas.iter().zip(betas).map(|(alpha, beta)| alpha / (alpha + beta)));
        }
        Ok(())
    }

    fn to_env(&self, actions: &mut ActionBuffer) {
        let ActionBuffer::Continuous(actions) = actions else { misfit("Beta") };
        for action in actions {
            *action = 2.0 * *action - 1.0;
        }
    }
}

/// Returns the log-density of a component of an action. It is that of the rounded sample that is stored, so that the first
/// probability ratio is 1.
fn log_density(x: f32, alpha: f32, beta: f32) -> f64 {
    let number = |value: f64| Dual::<f64, 0>::constant(value);
    let x = f64::from(x);
    let [alpha, beta] = [alpha, beta].map(|concentration| number(concentration.into()));
    let logs = [x.ln(), (-x).ln_1p()].map(number);
    let log_beta = formula::log_beta(&alpha, &beta);
    formula::beta_log_density(logs.each_ref(), [&alpha, &beta], log_beta).value
}

/// Draws from the gamma distribution with a shape of at least 1 and scale 1.
///
/// Source: G. Marsaglia, W. W. Tsang, *A simple method for generating gamma variables* (2000).
fn gamma(rng: &mut EnvRng, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let normal = rng.normal();
        let root = 1.0 + c * normal;
        if root <= 0.0 {
            continue;
        }
        let v = root * root * root;
        let uniform = rng.next_f64();
        if uniform.ln() < 0.5 * normal * normal + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}
