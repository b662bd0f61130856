//! Settings of a run: parsed into a [`Config`], then validated into a [`CheckedConfig`] before anything starts.

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

/// Every setting of a run, unchecked; [`validate`](Self::validate) checks them.
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
    /// Environment steps to train for, over all environments; at least one rollout, below 2^63. Training never takes
    /// more: it ends before a rollout that might exceed them. Default 500,000.
    pub total_steps: u64,
    /// Where the networks run. Default `auto`.
    pub device: DeviceChoice,
    /// Threads that step environments, 0 for one per core, at most 1,024. Results do not depend on it. Default 0.
    pub threads: usize,
    /// Mean return of the last 100 episodes at which training ends early; finite. Not checked before 100 episodes have
    /// ended. Default: none, training continues to `total_steps`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_return: Option<f64>,
    /// Environments stepped as one batch, 1 to 1,048,576. Default 8.
    pub num_envs: usize,
    /// Steps per environment in a rollout, at least 1; times `num_envs` at most 2^26. Default 128. (The rollouts of
    /// `reinforce` are one whole episode of each environment instead.)
    pub num_steps: usize,
    /// Passes over each rollout (for `trpo`, passes that fit the critic), 1 to 1,000,000. Default 4. (Must be 1 for
    /// `reinforce` and `a2c`.)
    pub num_epochs: usize,
    /// Minibatches per pass: a divisor of `num_envs * num_steps`, and with recurrent layers of the number of sequences.
    /// Default 4. (Must be 1 for `reinforce` and `a2c`, which take one step per rollout.)
    pub num_minibatches: usize,
    /// Most samples to differentiate at once, at least 1. Larger minibatches are split, and the gradients of the parts
    /// are added up, which takes less memory and more time. Default: none, whole minibatches. (The policy step of
    /// `trpo` is never split.)
    #[serde(skip_serializing_if = "Option::is_none")]
    pub micro_batch_size: Option<usize>,
    /// Environments that one thread steps through a whole rollout, at least 1. Used if the policy acts without tensors,
    /// on the `flex` backend. Results do not depend on it, unless a rollout fails. Default: none, a sixteenth of the
    /// environments, but at least 4 and at most 64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_size: Option<usize>,
    /// Discount factor, 0 to 1. Default 0.99.
    pub gamma: f64,
    /// Lambda of generalised advantage estimation, 0 to 1: the weight of longer returns. Default 0.95.
    pub gae_lambda: f64,
    /// Advantage estimator, in place of the algorithm's: `kind` is `gae`, `n_step` or `reward_to_go`, and the other
    /// keys are its hyperparameters. Default: none, the estimator of the algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimator: Option<EstimatorSpec>,
    /// Shift and scale the advantages of each minibatch to mean 0 and standard deviation 1. Default true.
    pub normalize_advantages: bool,
    /// Half-width of the interval around 1 to which the probability ratio is clipped, more than 0: a number, or a
    /// schedule, which may end at 0. Default 0.2.
    pub clip_range: Schedule,
    /// Passes over a rollout end early at this KL divergence from the policy that took the actions, more than 0.
    /// Checked after each pass, with the `approx_kl` of its last minibatch. Default inf: never. (For `ppo` with a term
    /// that reports `approx_kl`: `ppo_clip`, `kl_penalty` or `surrogate`. `trpo` has `trust_region.max_kl` instead, and
    /// the other algorithms take one pass.)
    pub target_kl: f64,
    /// Clip the change of the values by `clip_range` too. Default true.
    pub clip_value: bool,
    /// Weight of the entropy term, 0 or more: a number or a schedule. Default 0.01.
    pub entropy_weight: Schedule,
    /// Weight of the value term, 0 or more. Default 0.5. (Ignored by `reinforce`, which has no critic, and if `loss` is
    /// set.)
    pub value_weight: f64,
    /// Objective to minimise, in place of the algorithm's: a list of a `weight` and a `term` each. The terms are
    /// `policy_gradient`, `surrogate`, `ppo_clip`, `kl_penalty`, `kl_to_reference` (the policy at the start of the
    /// run), `entropy` and `value`. (`trpo` uses `value` for its critic, and the other terms for its policy step.)
    /// Default: empty, the objective of the algorithm.
    pub loss: Vec<LossSpec>,
    /// Penalty in the reward of each step, per nat of KL divergence from the policy at the start of the run; 0 or more.
    /// Default 0.
    pub kl_in_reward: f64,
    /// Size of the policy step of `trpo`, and how it is computed: `max_kl`, `cg_iterations`, `cg_tolerance`, `damping`,
    /// `backtrack_factor` and `max_backtracks`. Default: the values of Stable-Baselines3.
    pub trust_region: TrustRegionSpec,
    /// Learning rate of the optimiser, initially more than 0: a number, or a schedule such as
    /// `{ kind = "linear", start = 1e-3, end = 0.0 }`; `kind` may also be `cosine`. Default: linear from 2.5e-4 to 0.
    pub learning_rate: Schedule,
    /// Optimiser: `kind` is `adam`, `adamw`, `rmsprop` or `sgd`, and the other keys are its hyperparameters. Default:
    /// Adam with epsilon 1e-5.
    pub optimiser: OptimiserSpec,
    /// Largest global norm of the gradient, more than 0 and finite; larger gradients are clipped to it. Default 0.5.
    pub max_grad_norm: f64,
    /// Widths of the hidden layers of actor and critic, each 1 to 4,096, at most 64 of them. Default `[64, 64]`.
    pub hidden_sizes: Vec<usize>,
    /// Activation after each hidden layer: `tanh`, `relu` or `silu`. Default `tanh`.
    pub activation: Activation,
    /// Share the layers before the outputs (encoder, recurrent layer, hidden layers) between actor and critic. Default
    /// false. (Not for `trpo`.)
    pub shared_layers: bool,
    /// How continuous actions are explored: `squash`, `state_dependent`, `log_std`, and for gSDE noise, which is held
    /// over several steps, `sde`, such as `{ resample_every = 4, learn_features = false }`. Default: a Gaussian with
    /// standard deviation 1, whose actions are clipped to the bounds.
    pub exploration: Exploration,
    /// Recurrent layers: `cell` is `none`, `gru` or `lstm`, with `size`, `sequence_steps` and `burn_in`. Default none.
    pub recurrence: Recurrence,
    /// Encoder of images, before the recurrent and hidden layers: `kind` is `none`, or `cnn` with 1 to 16 `layers` such
    /// as `{ channels = 16, kernel = 3, stride = 1 }`, which is the default of `layers`. Channels are 1 to 4,096,
    /// kernels and strides 1 to 64. Default none, for observations without images.
    pub encoder: EncoderSpec,
    /// Shift and scale observations by their running mean and standard deviation. Default false.
    pub normalize_observations: bool,
    /// Divide rewards by the running standard deviation of the discounted return. Default false.
    pub normalize_rewards: bool,
    /// Episodes of the evaluation after training, 1 to 1,048,576. Default 100.
    pub eval_episodes: usize,
    /// When checkpoints are saved during training, and which are kept: `interval` (in updates), `keep` and
    /// `eval_episodes`. One is always saved at the end. Default: every ten seconds, keeping the last 2, without
    /// evaluation.
    pub checkpoint: CheckpointSpec,
    /// What happens when an update fails: `numbers` (values that are not finite) is `stop` or `skip`, `environment`
    /// (one that panics) is `stop` or `restart`, and `limit` is the number of updates that may be skipped in a run.
    /// Default: the run stops.
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
