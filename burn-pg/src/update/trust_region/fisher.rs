//! The KL divergence from a policy, and its curvature.

use burn::tensor::{DType, Tensor};

use crate::{
    distribution::Distribution,
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::Policy,
    update::fused::{Curvature, curvature},
};

/// The mean KL divergence, over B states, of other policies from the policy with the parameters theta, and the
/// curvature of this divergence at theta, which is the Fisher information matrix of the policy:
///
/// ```text
/// D(theta') = mean_s KL(pi_theta(.|s) || pi_theta'(.|s)),   D(theta + d) = d^T F d / 2 + O(d^3)
/// F = mean_s E_a[grad log pi(a|s) grad log pi(a|s)^T]
/// ```
///
/// F has P^2 elements, so only its products with vectors are computed. For the policies and states that
/// [`Unfused`](crate::update::Unfused) names, they are exact: `F v = mean_s J^T M J v`, with the Jacobian J of the outputs of
/// the actor, and the Fisher matrix M of the distribution with respect to them. `J v` is computed forward, without tensors.
///
/// For others, the textbook method would differentiate D twice; Burn differentiates only once, so the second derivative
/// is a central difference of exact gradients,
///
/// ```text
/// F v = (grad D(theta + e v) - grad D(theta - e v)) / (2 e) + O(e^2)
/// ```
///
/// which needs only the [`kl`](Distribution::kl) of a distribution. The distance `e |v|` is the cube root of the machine epsilon,
/// 0.005 in single and 6e-6 in double precision, where the error of the difference and the rounding error are about
/// equal. Such products are accurate to about 1e-4 and 1e-10.
///
/// Source: S. Kakade, *A natural policy gradient* (2001); the finite difference follows rllab's `FiniteDifferenceHvp`
/// (Y. Duan, X. Chen, R. Houthooft, J. Schulman, P. Abbeel, 2016).
pub struct Fisher<P: Policy> {
    policy: P,
    parameters: Tensor<1>,
    observation: P::Observation,
    weights: Option<Tensor<1>>,
    distribution: P::Dist,
    /// Computes products without tensors, if it is served.
    curvature: Option<Box<dyn Curvature>>,
}

impl<P: Policy> Fisher<P> {
    /// Creates the Fisher matrix of `policy` for the observed states. `weights` (shape `[B]`) are the weights of the
    /// states in the mean; without them, all states have equal weights.
    #[must_use]
    pub fn new(policy: P, observation: P::Observation, weights: Option<Tensor<1>>) -> Self {
        let parameters = flatten_parameters(&policy);
        let distribution = policy.clone().no_grad().distribution(observation.clone());
        let curvature = curvature(&policy, &observation, weights.as_ref());
        Self { policy, parameters, observation, weights, distribution, curvature }
    }

    /// Returns the mean of KL(old || new) over the states, in nats, where `new` is the distribution of another policy
    /// for the same observations. Shape `[1]`.
    #[must_use]
    pub fn divergence(&self, new: &P::Dist) -> Tensor<1> {
        let divergences = self.distribution.kl(new);
        match &self.weights {
            None => divergences.mean(),
            Some(weights) => {
                (divergences * weights.clone()).sum() / weights.clone().sum().clamp_min(f64::from(f32::MIN_POSITIVE))
            }
        }
    }

    /// Returns F v for a vector v of shape `[P]` without autodiff; 0 for parameters that the distribution does not
    /// depend on. Nothing is read back from the device.
    #[must_use]
    pub fn product(&self, v: Tensor<1>) -> Tensor<1> {
        if let Some(curvature) = &self.curvature {
            return curvature.product(v);
        }
        let distance = distance(v.dtype());
        let length = v.clone().square().sum().sqrt();
        let shift = v * length.clone().clamp_min(f64::from(f32::MIN_POSITIVE)).recip().mul_scalar(distance);
        let ahead = self.kl_gradient(self.parameters.clone() + shift.clone());
        let behind = self.kl_gradient(self.parameters.clone() - shift);
        (ahead - behind) * length.div_scalar(2.0 * distance)
    }

    /// Returns the gradient of the KL divergence at other parameters.
    fn kl_gradient(&self, parameters: Tensor<1>) -> Tensor<1> {
        let policy = replace_parameters(self.policy.clone(), parameters);
        let divergence = self.divergence(&policy.distribution(self.observation.clone()));
        flatten_gradients(&policy, &divergence.backward())
    }
}

/// Returns the distance `e |v|` from the parameters at which gradients are taken.
fn distance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON.cbrt(),
        _ => f64::from(f32::EPSILON).cbrt(),
    }
}
