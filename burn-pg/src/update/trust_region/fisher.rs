//! How far other weights take a policy.

use burn::tensor::{DType, Tensor};

use crate::{
    distribution::Distribution,
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::Policy,
};

/// The divergence of other policies from one with the parameters theta, as a mean over B states, and its curvature there, which
/// is the Fisher information matrix of the policy:
///
/// ```text
/// D(theta') = mean_s KL(pi_theta(.|s) || pi_theta'(.|s)),   D(theta + d) = d^T F d / 2 + O(d^3)
/// F = mean_s E_a[grad log pi(a|s) grad log pi(a|s)^T]
/// ```
///
/// F has P^2 numbers, so only its products with vectors are computed. The textbook differentiates D twice for that; Burn
/// differentiates once, so the second derivative is a central difference of exact gradients,
///
/// ```text
/// F v = (grad D(theta + e v) - grad D(theta - e v)) / (2 e) + O(e^2)
/// ```
///
/// which needs of a distribution nothing but its [`kl`](Distribution::kl). (The other way, `F = J^T M J` with the
/// Jacobian J of the distribution's parameters and their own Fisher matrix M, would need a difference too, for `J v`, and a
/// formula for M from every distribution.) The distance `e |v|` is the cube root of the float type's precision, 0.005 in single
/// and 6e-6 in double precision, where the error of the difference and that of rounding are about equal: products are
/// right to about 1e-4 and 1e-10.
///
/// Source: S. Kakade, *A natural policy gradient* (2001); the difference is that of rllab's `FiniteDifferenceHvp` (Y. Duan,
/// X. Chen, R. Houthooft, J. Schulman, P. Abbeel, 2016).
pub struct Fisher<P: Policy> {
    policy: P,
    parameters: Tensor<1>,
    observation: P::Observation,
    weights: Option<Tensor<1>>,
    distribution: P::Dist,
}

impl<P: Policy> Fisher<P> {
    /// Returns that of `policy` in the states that are observed, which count with `weights` of shape `[B]`; all count alike
    /// without weights.
    #[must_use]
    pub fn new(policy: P, observation: P::Observation, weights: Option<Tensor<1>>) -> Self {
        let parameters = flatten_parameters(&policy);
        let distribution = policy.clone().no_grad().forward(observation.clone()).distribution;
        Self { policy, parameters, observation, weights, distribution }
    }

    /// The mean divergence `KL(old || new)` of what another policy says of the same observations, in nats. Shape `[1]`.
    #[must_use]
    pub fn divergence(&self, new: &P::Dist) -> Tensor<1> {
        let divergences = self.distribution.kl(new);
        match &self.weights {
            None => divergences.mean(),
            Some(weights) => (divergences * weights.clone()).sum() / weights.clone().sum(),
        }
    }

    /// F v, for a vector of shape `[P]` without autodiff; 0 wherever the distribution does not depend on a parameter. Nothing is
    /// read back from the device.
    #[must_use]
    pub fn product(&self, v: Tensor<1>) -> Tensor<1> {
        let reach = reach(v.dtype());
        let length = v.clone().square().sum().sqrt();
        let shift = v * length.clone().clamp_min(f64::from(f32::MIN_POSITIVE)).recip().mul_scalar(reach);
        let ahead = self.slope(self.parameters.clone() + shift.clone());
        let behind = self.slope(self.parameters.clone() - shift);
        (ahead - behind) * length.div_scalar(2.0 * reach)
    }

    /// The gradient of the divergence, at other parameters.
    fn slope(&self, parameters: Tensor<1>) -> Tensor<1> {
        let policy = replace_parameters(self.policy.clone(), parameters);
        let divergence = self.divergence(&policy.forward(self.observation.clone()).distribution);
        flatten_gradients(&policy, &divergence.backward())
    }
}

/// How far from the parameters the gradients are taken.
fn reach(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => f64::EPSILON.cbrt(),
        _ => f64::from(f32::EPSILON).cbrt(),
    }
}
