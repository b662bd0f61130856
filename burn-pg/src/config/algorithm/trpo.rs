//! The hyperparameters of TRPO.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{advantage::EstimatorSpec, loss::LossSpec, optim::Schedule, storage::optional, update::TrustRegionSpec};

/// The hyperparameters of trust-region policy optimisation: one step of the policy, then passes over the rollout that fit
/// the critic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrpoConfig {
    /// Discount factor, 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Lambda of generalised advantage estimation, 0 to 1: the weight of longer returns. Default 0.95. (Not read if
    /// `estimator` is set.)
    pub gae_lambda: f64,
    /// Advantage estimator in place of the algorithm's: `kind` is `gae`, `n_step` or `reward_to_go`, and the other keys
    /// are its hyperparameters. Default none: the estimator of the algorithm.
    #[serde(with = "optional")]
    #[schemars(with = "Option<EstimatorSpec>")]
    pub estimator: Option<EstimatorSpec>,
    /// Shift and scale the advantages of each minibatch to mean 0 and standard deviation 1. Default true.
    pub normalize_advantages: bool,
    /// Let the critic learn returns in units of their running standard deviation, around their running mean; advantages are
    /// computed from values in the unit of the rewards. `value_loss`, and the range of a clip of the values, are then in
    /// units of the standard deviation. With `env.normalize_rewards`, which scales rewards by their discounted sum before
    /// anything else, the returns are those of the scaled rewards; one of the two is usually enough. Values of
    /// the saved policy are normalised too. Default false.
    pub normalize_values: bool,
    /// Size of the policy step, and how it is computed. Default: the values of Stable-Baselines3.
    pub trust_region: TrustRegionSpec,
    /// Passes over each rollout that fit the critic, 1 to 1,000,000. Default 4.
    pub num_epochs: usize,
    /// Minibatches per pass: a divisor of `num_envs * num_steps`, and with recurrent layers of the number of sequences.
    /// Default 4.
    pub num_minibatches: usize,
    /// Most samples to differentiate at once, at least 1. Larger minibatches are split, and the gradients of the parts
    /// are added up, which takes less memory and more time. The policy step is never split, and neither are fused
    /// minibatches (see `plan`). Default none: whole minibatches.
    #[serde(with = "optional")]
    #[schemars(with = "Option<usize>")]
    pub micro_batch_size: Option<usize>,
    /// Weight of the entropy term, 0 or more: a number or a schedule. Default 0.01. (Not read if `loss` is set.)
    pub entropy_weight: Schedule,
    /// Weight of the value term, 0 or more. Default 0.5. (Not read if `loss` is set.)
    pub value_weight: f64,
    /// Penalty in the reward of each step, per nat of KL divergence from the policy at the start of the run; 0 or more.
    /// Default 0.
    pub kl_in_reward: f64,
    /// Objective to minimise, in place of the algorithm's: a list of a `weight` and a `term` each. The critic is fitted to
    /// `value`; `policy_gradient`, `surrogate`, `ppo_clip`, `kl_penalty`, `kl_to_reference` (the policy at the start of
    /// the run) and `entropy` are for the policy step. Default empty: the objective of the algorithm.
    pub loss: Vec<LossSpec>,
}

impl Default for TrpoConfig {
    fn default() -> Self {
        Self {
            gamma: 0.99,
            gae_lambda: 0.95,
            estimator: None,
            normalize_advantages: true,
            normalize_values: false,
            trust_region: TrustRegionSpec::default(),
            num_epochs: 4,
            num_minibatches: 4,
            micro_batch_size: None,
            entropy_weight: 0.01.into(),
            value_weight: 0.5,
            kl_in_reward: 0.0,
            loss: Vec::new(),
        }
    }
}
