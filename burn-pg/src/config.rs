//! Settings of a run: parsed leniently into a [`Config`], then checked into a [`CheckedConfig`] before anything starts.

mod algo;
mod checked;
mod checkpointing;
mod error;
mod faults;
mod keys;
mod recurrence;
mod toml;

use serde::{Deserialize, Serialize};

use crate::{
    advantage::EstimatorSpec,
    device::DeviceChoice,
    loss::LossSpec,
    optim::{OptimiserSpec, Schedule},
    policy::{Activation, EncoderSpec, Exploration},
    update::TrustRegionSpec,
};

pub use algo::Algo;
pub use checked::CheckedConfig;
pub use checkpointing::CheckpointSpec;
pub use error::ConfigError;
pub use faults::{Faults, OnEnvironment, OnNumbers};
pub use recurrence::{Nothing, Recurrence, RecurrentSpec};

/// Every setting of a run. Nothing is checked yet; [`validate`](Self::validate) does that.
///
/// The defaults are the hyperparameters of CleanRL's `ppo.py`, with 8 environments in place of 4.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // switches a user sets by name
pub struct Config {
    /// Environment, by its registered name. Default `CartPole-v1`.
    pub env: String,
    /// Algorithm. Default `ppo`.
    pub algo: Algo,
    /// Seed of all randomness, below 2^63. Default 1.
    pub seed: u64,
    /// Environment steps to train for, and never more, so that a rollout that may take too many is not begun; at least
    /// one rollout. Default 500,000.
    pub total_steps: u64,
    /// Where the networks run. Default `auto`.
    pub device: DeviceChoice,
    /// Threads that step environments, 0 for one per core, at most 1,024. No result depends on it. Default 0.
    pub threads: usize,
    /// Training is over as soon as the mean return of the last 100 episodes, and there are so many, is at least this; finite.
    /// Default: none, it goes on to `total_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_return: Option<f64>,
    /// Environments stepped as one batch, 1 to 1,048,576. Default 8.
    pub num_envs: usize,
    /// Steps per environment in a rollout, at least 1; times `num_envs` at most 2^26. Default 128. (`reinforce`, whose
    /// rollouts are one whole episode of each environment, does not look at it.)
    pub num_steps: usize,
    /// Passes over each rollout (of `trpo`, those that fit the critic), 1 to 1,000,000. Default 4.
    pub num_epochs: usize,
    /// Minibatches a pass, a divisor of `num_envs * num_steps`. Default 4. (`reinforce` and `a2c` take one step a
    /// rollout: 1.)
    pub num_minibatches: usize,
    /// Most samples to differentiate at once, at least 1: larger minibatches are cut up, and the gradients of their
    /// parts add up to that of the whole. Takes less memory, and more time. Default: none, whole minibatches. (The step
    /// of the policy of `trpo` is never cut up.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch_size: Option<usize>,
    /// Environments that one thread takes through a whole rollout, at least 1, where the policy acts without tensors: on the
    /// `flex` backend. No result depends on it, unless a rollout fails. Default: none, a sixteenth of the environments between 4 and 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<usize>,
    /// Discount of later rewards, 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Weight of longer sums in the advantages, 0 to 1. Default 0.95.
    pub gae_lambda: f64,
    /// How good actions were, in place of the estimator of the algorithm: `kind` is `gae`, `n_step` or
    /// `reward_to_go`, and the rest are its numbers. Default: none, that of the algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimator: Option<EstimatorSpec>,
    /// Shift and scale the advantages of each minibatch to mean 0 and deviation 1? Default true.
    pub normalize_advantages: bool,
    /// Half-width of the interval around 1 in which the ratio is trusted, more than 0: a number, or a schedule, which
    /// may end at 0. Default 0.2.
    pub clip_range: Schedule,
    /// Divergence from the policy that took the actions at which the passes over a rollout end early, more than 0;
    /// looked at after each pass, as the `approx_kl` of its last minibatch. Default inf: never. (For `ppo` with a term
    /// that reports `approx_kl`: `ppo_clip`, `kl_penalty` or `surrogate`. `trpo` has `trust_region.max_kl` instead, and
    /// the others take one pass.)
    pub target_kl: f64,
    /// Limit the moves of the values by `clip_range` too? Default true.
    pub clip_value: bool,
    /// Weight of the entropy term, 0 or more: a number or a schedule. Default 0.01.
    pub entropy_weight: Schedule,
    /// Weight of the value term, 0 or more. Default 0.5. (Not looked at by `reinforce`, which has no critic, nor with a
    /// `loss`.)
    pub value_weight: f64,
    /// What is minimised, in place of the objective of the algorithm: summands of a `weight` and a `term`, which is one
    /// of `policy_gradient`, `surrogate`, `ppo_clip`, `kl_penalty`, `kl_to_reference` (the policy at the start),
    /// `entropy` and `value`. (`trpo` takes `value` for its critic, and the rest for the step of its policy.) Default:
    /// none, that of the algorithm.
    pub loss: Vec<LossSpec>,
    /// Price of a nat of divergence from the policy at the start of the run, taken out of the reward of each step; 0 or
    /// more. Default 0.
    pub kl_in_reward: f64,
    /// How far the policy of `trpo` may go in a step, and how that is found: `max_kl`, `cg_iterations`, `cg_tolerance`,
    /// `damping`, `backtrack_factor` and `max_backtracks`. Default: those of Stable-Baselines3.
    pub trust_region: TrustRegionSpec,
    /// Step size of the optimiser, more than 0 at first: a number, or a schedule such as
    /// `{ kind = "linear", start = 1e-3, end = 0.0 }`; `kind` may also be `cosine`. Default: linear from 2.5e-4 to 0.
    pub learning_rate: Schedule,
    /// What turns gradients into steps: `kind` is `adam`, `adamw`, `rmsprop` or `sgd`, and the rest are its
    /// hyperparameters. Default Adam with epsilon 1e-5.
    pub optimiser: OptimiserSpec,
    /// Bound of the global gradient norm, more than 0. Default 0.5.
    pub max_grad_norm: f64,
    /// Widths of the hidden layers of actor and critic, each 1 to 4,096, at most 64 of them. Default `[64, 64]`.
    pub hidden_sizes: Vec<usize>,
    /// What follows each hidden layer, `tanh`, `relu` or `silu`. Default `tanh`.
    pub activation: Activation,
    /// Do actor and critic share their hidden layers? Default false. (Not for `trpo`.)
    pub shared_layers: bool,
    /// How continuous actions are explored: `squash`, `state_dependent`, `log_std`, and for noise that is held over
    /// several steps `sde`, such as `{ resample_every = 4, learn_features = false }`. Default: a Gaussian of standard
    /// deviation 1 that is clipped to the bounds.
    pub exploration: Exploration,
    /// Recurrent layers: `cell` is `none`, `gru` or `lstm`, with `size`, `sequence_steps` and
    /// `burn_in`. Default none.
    pub recurrence: Recurrence,
    /// What images go through before the recurrent and hidden layers: `kind` is `none`, or `cnn` with 1 to 16 `layers` such
    /// as `{ channels = 16, kernel = 3, stride = 1 }`, which is the default of `layers`. Channels are 1 to 4,096, kernels
    /// and strides 1 to 64. Default none, for observations without images.
    pub encoder: EncoderSpec,
    /// Shift and scale observations by their running mean and deviation? Default false.
    pub normalize_observations: bool,
    /// Divide rewards by the running deviation of the discounted return? Default false.
    pub normalize_rewards: bool,
    /// Episodes of the evaluation after training, 1 to 1,048,576. Default 100.
    pub eval_episodes: usize,
    /// When checkpoints are saved besides at the end, and which are kept: `interval` (in updates), `keep` and `eval_episodes`.
    /// Default: every ten seconds, the last 2, without evaluation.
    pub checkpoint: CheckpointSpec,
    /// What happens when an update fails: `numbers` that are not finite are `stop` or `skip`, an `environment` that panics `stop` or
    /// `restart`, and `limit` updates may be given up in a run. Default: the run stops.
    pub faults: Faults,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            env: "CartPole-v1".into(),
            algo: Algo::Ppo,
            seed: 1,
            total_steps: 500_000,
            device: DeviceChoice::Auto,
            threads: 0,
            target_return: None,
            num_envs: 8,
            num_steps: 128,
            num_epochs: 4,
            num_minibatches: 4,
            micro_batch_size: None,
            block_size: None,
            gamma: 0.99,
            gae_lambda: 0.95,
            estimator: None,
            normalize_advantages: true,
            clip_range: 0.2.into(),
            target_kl: f64::INFINITY,
            clip_value: true,
            entropy_weight: 0.01.into(),
            value_weight: 0.5,
            loss: Vec::new(),
            kl_in_reward: 0.0,
            trust_region: TrustRegionSpec::default(),
            learning_rate: Schedule::Linear { start: 2.5e-4, end: 0.0 },
            optimiser: OptimiserSpec::default(),
            max_grad_norm: 0.5,
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared_layers: false,
            exploration: Exploration::default(),
            recurrence: Recurrence::default(),
            encoder: EncoderSpec::default(),
            normalize_observations: false,
            normalize_rewards: false,
            eval_episodes: 100,
            checkpoint: CheckpointSpec::default(),
            faults: Faults::default(),
        }
    }
}

/// Reads and checks settings.
#[cfg(test)]
fn read(text: &str) -> Result<CheckedConfig, ConfigError> {
    Config::from_table(text.parse().unwrap())?.validate()
}
