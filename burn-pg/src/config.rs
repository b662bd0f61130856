//! Settings of a run: parsed leniently into a [`Config`], then checked into a [`CheckedConfig`] before anything starts.

mod keys;
mod recurrence;
mod survival;

use std::{fmt, ops::Deref, str::FromStr};

use burn_pg_envs::UnknownName;
use serde::{Deserialize, Serialize};

use crate::{
    advantage::EstimatorSpec,
    device::DeviceChoice,
    loss::{LossSpec, Objective, TermSpec},
    optim::{OptimiserSpec, Schedule},
    policy::{Activation, Exploration, MlpShape},
    trust_region::TrustRegionSpec,
};

pub use recurrence::{Memory, Nothing, Recurrence};
pub(crate) use survival::Remedy;
pub use survival::{CheckpointSpec, Faults, OnEnvironment, OnNumbers};

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
    /// How good actions were, in place of the estimator of the algorithm: `kind` is `gae`, `n_step`, `reward_to_go` or
    /// `vtrace`, and the rest are its numbers. Default: none, that of the algorithm.
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
    /// What is remembered within an episode: `cell` is `none`, `gru` or `lstm`, with `size`, `sequence_steps` and
    /// `burn_in`. Default none.
    pub recurrence: Recurrence,
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
            trust_region: TrustRegionSpec::default(),
            learning_rate: Schedule::Linear { start: 2.5e-4, end: 0.0 },
            optimiser: OptimiserSpec::default(),
            max_grad_norm: 0.5,
            hidden_sizes: vec![64, 64],
            activation: Activation::Tanh,
            shared_layers: false,
            exploration: Exploration::default(),
            recurrence: Recurrence::default(),
            normalize_observations: false,
            normalize_rewards: false,
            eval_episodes: 100,
            checkpoint: CheckpointSpec::default(),
            faults: Faults::default(),
        }
    }
}

/// An algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&str", try_from = "String")]
pub enum Algo {
    /// The vanilla policy gradient over whole episodes, without a critic.
    Reinforce,
    /// Advantage actor-critic.
    A2c,
    /// Trust-region policy optimisation.
    Trpo,
    /// Proximal policy optimisation with the clipped surrogate.
    Ppo,
}

impl Algo {
    /// Every algorithm.
    pub const ALL: [Self; 4] = [Self::Reinforce, Self::A2c, Self::Trpo, Self::Ppo];

    /// Its name on the command line and in configurations.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reinforce => "reinforce",
            Self::A2c => "a2c",
            Self::Trpo => "trpo",
            Self::Ppo => "ppo",
        }
    }
}

impl fmt::Display for Algo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Algo> for &'static str {
    fn from(algo: Algo) -> Self {
        algo.name()
    }
}

impl FromStr for Algo {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|algo| algo.name() == name)
            .ok_or_else(|| UnknownName::new("algorithm", name, Self::ALL.map(Self::name)))
    }
}

impl TryFrom<String> for Algo {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such key.
    #[error(transparent)]
    UnknownKey(#[from] UnknownName),
    /// A value has the wrong type, or is not one of the possible names.
    #[error("{0}")]
    Value(String),
    /// A number is out of range.
    #[error("`{key}` is {value}, but must be {range}")]
    OutOfRange {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// The values it may have.
        range: &'static str,
    },
    /// Standard deviations depend on the observation in two ways at once.
    #[error("`exploration` has both `state_dependent` and `sde`, but must have one of them at most")]
    AmbiguousExploration,
    /// The rollouts cannot be cut into equal minibatches.
    #[error(
        "`num_minibatches` is {num_minibatches}, which does not divide the {batch} samples of a rollout \
         (`num_envs` {num_envs} x `num_steps` {num_steps})"
    )]
    Minibatches {
        /// `num_minibatches`
        num_minibatches: usize,
        /// Samples of a rollout.
        batch: usize,
        /// `num_envs`
        num_envs: usize,
        /// `num_steps`
        num_steps: usize,
    },
    /// The run would end before its first update.
    #[error(
        "`total_steps` is {total_steps}, which is less than the {batch} steps of one rollout \
         (`num_envs` x `num_steps`)"
    )]
    TooFewSteps {
        /// `total_steps`
        total_steps: u64,
        /// Steps of a rollout.
        batch: usize,
    },
    /// The run would end before its first update, because a rollout may take more steps: one whole episode of each
    /// environment, say.
    #[error("`total_steps` is {total_steps}, which is less than the {longest} steps that one rollout may take")]
    ShorterThanRollout {
        /// `total_steps`
        total_steps: u64,
        /// Most steps of a rollout.
        longest: u64,
    },
    /// The objective has no term for a network that the algorithm is to train: the policy, or the critic of `trpo`.
    #[error("`loss` has no term that trains {of}, and {algo} needs one")]
    Untrained {
        /// The algorithm.
        algo: Algo,
        /// "the policy" or "the critic".
        of: &'static str,
    },
    /// The environments given are not as many as the configuration says.
    #[error("`num_envs` is {num_envs}, but {given} environments were given")]
    EnvCount {
        /// `num_envs`
        num_envs: usize,
        /// Environments given.
        given: usize,
    },
}

/// Names that other programs give to our keys.
const ALIASES: [(&str, &str); 33] = [
    ("adam_epsilon", "optimiser"),
    ("anneal_learning_rate", "learning_rate"),
    ("anneal_lr", "learning_rate"),
    ("batch_size", "num_minibatches"),
    ("cg_damping", "trust_region"),
    ("cg_max_steps", "trust_region"),
    ("clip", "clip_range"),
    ("clip_coef", "clip_range"),
    ("clip_range_vf", "clip_value"),
    ("clip_vloss", "clip_value"),
    ("ent_coef", "entropy_weight"),
    ("entropy_coef", "entropy_weight"),
    ("env_id", "env"),
    ("lambda", "gae_lambda"),
    ("log_std_init", "exploration"),
    ("lr", "learning_rate"),
    ("max_kl", "trust_region"),
    ("minibatch_size", "num_minibatches"),
    ("n_critic_updates", "num_epochs"),
    ("n_envs", "num_envs"),
    ("n_epochs", "num_epochs"),
    ("n_steps", "num_steps"),
    ("net_arch", "hidden_sizes"),
    ("norm_adv", "normalize_advantages"),
    ("normalize", "normalize_observations"),
    ("optimizer", "optimiser"),
    ("sde_sample_freq", "exploration"),
    ("timesteps", "total_steps"),
    ("total_timesteps", "total_steps"),
    ("update_epochs", "num_epochs"),
    ("use_sde", "exploration"),
    ("value_coef", "value_weight"),
    ("vf_coef", "value_weight"),
];

impl Config {
    /// Refuses keys that do not exist.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`], with the nearest key there is.
    pub fn check_keys(table: &toml::Table) -> Result<(), ConfigError> {
        let Some(key) = table.keys().find(|key| !Self::keys().contains(&key.as_str())) else {
            return Ok(());
        };
        let unknown = UnknownName::new("key", key, Self::keys().iter().copied());
        Err(match ALIASES.iter().find(|(alias, _)| alias == key) {
            Some((_, meant)) => unknown.meaning(meant),
            None => unknown,
        }
        .into())
    }

    /// Reads settings; keys that are missing keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`] or [`ConfigError::Value`].
    pub fn from_table(table: toml::Table) -> Result<Self, ConfigError> {
        Self::check_keys(&table)?;
        // One key at a time, so that an error can name it.
        for (key, value) in &table {
            let single = toml::Table::from_iter([(key.clone(), value.clone())]);
            if let Err(error) = single.try_into::<Self>() {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                return Err(ConfigError::Value(format!("`{key}` = {value}: {first}")));
            }
        }
        table.try_into().map_err(|error: toml::de::Error| ConfigError::Value(error.to_string()))
    }

    /// All settings as TOML, enough to run again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a configuration can be written as TOML")
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// The first [`ConfigError`] there is. Whether the environment exists is found out when it is made.
    pub fn validate(self) -> Result<CheckedConfig, ConfigError> {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let unit = |v: f64| (0.0..=1.0).contains(&v);

        let fits = |v: usize, most: usize| (1..=most).contains(&v);

        check("seed", self.seed, i64::try_from(self.seed).is_ok(), "below 2^63")?;
        check("total_steps", self.total_steps, i64::try_from(self.total_steps).is_ok(), "below 2^63")?;
        check("threads", self.threads, self.threads <= 1024, "at most 1024")?;
        check("num_envs", self.num_envs, fits(self.num_envs, MANY), "between 1 and 1048576")?;
        check("num_steps", self.num_steps, fits(self.num_steps, usize::MAX), "at least 1")?;
        check("num_epochs", self.num_epochs, fits(self.num_epochs, 1_000_000), "between 1 and 1000000")?;
        check("num_minibatches", self.num_minibatches, fits(self.num_minibatches, usize::MAX), "at least 1")?;
        let parts = self.micro_batch_size;
        check("micro_batch_size", parts.unwrap_or_default(), parts != Some(0), "at least 1")?;
        check(
            "target_return",
            self.target_return.unwrap_or_default(),
            self.target_return.is_none_or(f64::is_finite),
            "finite",
        )?;
        check("block_size", self.block_size.unwrap_or_default(), self.block_size != Some(0), "at least 1")?;
        check("eval_episodes", self.eval_episodes, fits(self.eval_episodes, MANY), "between 1 and 1048576")?;
        check("checkpoint.keep", self.checkpoint.keep, self.checkpoint.keep > 0, "at least 1")?;
        let episodes = self.checkpoint.eval_episodes;
        check("checkpoint.eval_episodes", episodes, episodes <= MANY, "at most 1048576")?;
        check("gamma", self.gamma, unit(self.gamma), "between 0 and 1")?;
        check("gae_lambda", self.gae_lambda, unit(self.gae_lambda), "between 0 and 1")?;
        if let Some((key, value, range)) = self.estimator.and_then(|estimator| estimator.fault()) {
            return Err(out_of_range(key, value, range));
        }
        let range = "more than 0, and at the end 0 or more";
        check("clip_range", self.clip_range, self.clip_range.is_positive_before_its_end(), range)?;
        check("target_kl", self.target_kl, self.target_kl > 0.0, "more than 0")?;
        let weights = self.entropy_weight.ends();
        check("entropy_weight", self.entropy_weight, weights.into_iter().all(not_negative), "0 or more")?;
        check("value_weight", self.value_weight, not_negative(self.value_weight), "0 or more")?;
        check("learning_rate", self.learning_rate, self.learning_rate.is_positive_before_its_end(), range)?;
        self.optimiser.validate().map_err(|error| ConfigError::Value(format!("`optimiser`: {error}")))?;
        check("max_grad_norm", self.max_grad_norm, positive(self.max_grad_norm), "more than 0")?;
        Objective::from_specs(&self.loss).map_err(|error| ConfigError::Value(format!("`loss`: {error}")))?;
        self.trust_region.validate().map_err(|error| ConfigError::Value(format!("`trust_region`: {error}")))?;
        match self.algo {
            Algo::Reinforce | Algo::A2c => self.check_single_step()?,
            Algo::Trpo => self.check_region()?,
            Algo::Ppo => self.check_divergence()?,
        }
        self.check_trained("the policy", |term| !term.trains_critic())?;
        let widths = &self.hidden_sizes;
        let sound = widths.len() <= 64 && widths.iter().all(|&width| fits(width, 4096));
        check("hidden_sizes", format!("{widths:?}"), sound, "at most 64 widths between 1 and 4096")?;

        let log_std = self.exploration.log_std;
        check("exploration.log_std", log_std, (-20.0..=2.0).contains(&log_std), "between -20 and 2")?;
        if self.exploration.is_ambiguous() {
            return Err(ConfigError::AmbiguousExploration);
        }

        let batch = self.num_envs.saturating_mul(self.num_steps);
        check("num_steps", self.num_steps, batch <= LARGEST_ROLLOUT, "such that a rollout has at most 2^26 samples")?;
        if !batch.is_multiple_of(self.num_minibatches) {
            let (num_minibatches, num_envs, num_steps) = (self.num_minibatches, self.num_envs, self.num_steps);
            return Err(ConfigError::Minibatches { num_minibatches, batch, num_envs, num_steps });
        }
        if let Some(memory) = self.recurrence.memory() {
            self.check_memory(memory)?;
        }
        // How long whole episodes may be is for the environment to say.
        if self.algo != Algo::Reinforce && self.total_steps < batch as u64 {
            return Err(ConfigError::TooFewSteps { total_steps: self.total_steps, batch });
        }
        Ok(CheckedConfig(self))
    }
}

impl Config {
    /// A second step would follow the gradient of a policy that did not take these actions.
    fn check_single_step(&self) -> Result<(), ConfigError> {
        let passes = format!("{} x {}", self.num_epochs, self.num_minibatches);
        let once = self.num_epochs == 1 && self.num_minibatches == 1;
        let range = "1 x 1: only ppo, and trpo for its critic, take several steps a rollout";
        check("num_epochs x num_minibatches", passes, once, range)?;
        let range = "inf: there is one pass over a rollout, and no other to leave out";
        check("target_kl", self.target_kl, self.target_kl.is_infinite(), range)
    }

    /// What ends the passes over a rollout early has to be measured.
    fn check_divergence(&self) -> Result<(), ConfigError> {
        let measured = self.loss.is_empty() || self.loss.iter().any(|summand| summand.term.reports_divergence());
        let range = "inf: `loss` has no term that reports `approx_kl`";
        check("target_kl", self.target_kl, measured || self.target_kl.is_infinite(), range)
    }

    fn check_trained(&self, of: &'static str, trained: fn(&TermSpec) -> bool) -> Result<(), ConfigError> {
        if self.loss.is_empty() || self.loss.iter().any(|summand| trained(&summand.term)) {
            return Ok(());
        }
        Err(ConfigError::Untrained { algo: self.algo, of })
    }

    /// Nothing but the step within the region may move the policy.
    fn check_region(&self) -> Result<(), ConfigError> {
        let (shared, decay) = (self.shared_layers, self.optimiser.weight_decay());
        let range = "false: the steps of the critic would take the policy of trpo out of its region";
        check("shared_layers", shared, !shared, range)?;
        let range = "0: the decay would take the policy of trpo out of its region";
        check("optimiser.weight_decay", decay, decay == 0.0, range)?;
        let range = "inf: what bounds the divergence of trpo is `trust_region.max_kl`";
        check("target_kl", self.target_kl, self.target_kl.is_infinite(), range)?;
        let learnt = self.exploration.sde.is_none_or(|noise| noise.learn_features);
        let range = "true: detached features would hide from trpo how far the deviations move";
        check("exploration.sde.learn_features", learnt, learnt, range)?;
        self.check_trained("the critic", TermSpec::trains_critic)
    }

    fn check_memory(&self, memory: Memory) -> Result<(), ConfigError> {
        let Memory { size, sequence_steps, burn_in } = memory;
        check("recurrence.size", size, (1..=4096).contains(&size), "between 1 and 4096")?;
        if self.algo == Algo::Reinforce {
            // Whole episodes are not cut.
            return Ok(());
        }
        let steps = if sequence_steps == 0 { self.num_steps } else { sequence_steps };
        let divides = self.num_steps.is_multiple_of(steps);
        check("recurrence.sequence_steps", sequence_steps, divides, "a divisor of `num_steps`, or 0")?;
        check("recurrence.burn_in", burn_in, burn_in <= self.num_steps, "at most `num_steps`")?;
        let sequences = self.num_envs * (self.num_steps / steps);
        let fits = sequences.is_multiple_of(self.num_minibatches);
        check(
            "num_minibatches",
            self.num_minibatches,
            fits,
            "a divisor of the sequences of a rollout, which stay whole",
        )
    }
}

/// Enough environments for anyone, and few enough to fit into memory.
const MANY: usize = 1 << 20;

/// Samples of the largest rollout.
const LARGEST_ROLLOUT: usize = 1 << 26;

fn check(key: &'static str, value: impl fmt::Display, holds: bool, range: &'static str) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(out_of_range(key, value, range)) }
}

fn out_of_range(key: &'static str, value: impl fmt::Display, range: &'static str) -> ConfigError {
    ConfigError::OutOfRange { key, value: value.to_string(), range }
}

/// A configuration in which every setting is in range.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedConfig(Config);

impl Deref for CheckedConfig {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

impl CheckedConfig {
    /// Is there a critic? REINFORCE has none, unless its objective is one with a value term.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        let fitted = self.loss.iter().any(|summand| summand.term.trains_critic());
        // (An estimator that looks at the values of an untrained critic would be refused for want of one.)
        self.algo != Algo::Reinforce || fitted
    }

    /// The networks.
    #[must_use]
    pub fn mlp_shape(&self) -> MlpShape {
        MlpShape {
            hidden_sizes: self.hidden_sizes.clone(),
            activation: self.activation,
            shared: self.shared_layers,
            critic: self.has_critic(),
            recurrence: self.recurrence.cell(),
            exploration: self.exploration,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::policy::HeldNoise;

    fn read(text: &str) -> Result<CheckedConfig, ConfigError> {
        Config::from_table(text.parse().unwrap())?.validate()
    }

    #[test]
    fn a_resolved_configuration_is_read_back() {
        let config = Config { gamma: 0.5, hidden_sizes: vec![], ..Config::default() };
        assert_eq!(*read(&config.to_toml()).unwrap(), config);
    }

    #[test]
    fn an_objective_that_trains_no_policy_is_refused() {
        let value = "[[loss]]\nweight = 1\nterm = { kind = 'value' }";
        for algo in Algo::ALL {
            let text = format!("algo = '{algo}'\nnum_epochs = 1\nnum_minibatches = 1\n{value}");
            let error = read(&text).unwrap_err();
            assert_eq!(error, ConfigError::Untrained { algo, of: "the policy" });
            assert_eq!(error.to_string(), format!("`loss` has no term that trains the policy, and {algo} needs one"));
        }
    }

    #[test]
    fn a_target_for_a_divergence_that_nobody_measures_is_refused() {
        let of =
            |algo: &str, rest: &str| read(&format!("algo = '{algo}'\ntarget_kl = 0.02\nnum_minibatches = 1\n{rest}"));
        let term = |term: &str| format!("[[loss]]\nweight = 1\nterm = {{ {term} }}");
        for measured in
            ["kind = 'ppo_clip', clip_range = 0.2", "kind = 'kl_penalty', target = 0.1", "kind = 'surrogate'"]
        {
            of("ppo", &term(measured)).unwrap();
        }
        of("ppo", "").unwrap();
        let error = of("ppo", &term("kind = 'policy_gradient'")).unwrap_err().to_string();
        assert_eq!(error, "`target_kl` is 0.02, but must be inf: `loss` has no term that reports `approx_kl`");
        for algo in ["reinforce", "a2c"] {
            let error = of(algo, "num_epochs = 1").unwrap_err().to_string();
            assert!(error.starts_with("`target_kl` is 0.02, but must be inf: there is one pass"), "{error}");
        }
    }

    #[test]
    fn a_return_that_is_not_finite_is_no_target() {
        assert_eq!(read("").unwrap().target_return, None);
        assert_eq!(read("target_return = -110").unwrap().target_return, Some(-110.0));
        let error = read("target_return = inf").unwrap_err().to_string();
        assert_eq!(error, "`target_return` is inf, but must be finite");
    }

    #[test]
    fn minibatches_and_environments_are_cut_up_if_a_size_is_given() {
        let config = read("").unwrap();
        assert_eq!((config.micro_batch_size, config.block_size), (None, None));
        let config = read("micro_batch_size = 64\nblock_size = 3").unwrap();
        assert_eq!((config.micro_batch_size, config.block_size), (Some(64), Some(3)));
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        for key in ["micro_batch_size", "block_size"] {
            let error = read(&format!("{key} = 0")).unwrap_err().to_string();
            assert_eq!(error, format!("`{key}` is 0, but must be at least 1"));
        }
    }

    #[test]
    fn an_objective_is_read_term_by_term() {
        let text = "
            [[loss]]
            weight = 1
            term = { kind = 'kl_penalty', target = 0.02 }
            [[loss]]
            weight = { kind = 'linear', start = 0.1 }
            term = { kind = 'kl_to_reference', estimator = 'k2' }
            [[loss]]
            weight = 0.5
            term = { kind = 'value', clip = { kind = 'hard', range = 0.2 } }
            [[loss]]
            weight = 0.01
            term = { kind = 'entropy' }
        ";
        let config = read(text).unwrap();
        let names = ["policy_loss", "reference_kl_loss", "value_loss", "entropy_loss"];
        assert!(Objective::from_specs(&config.loss).unwrap().terms().eq(names));
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        for (text, message) in [
            ("[[loss]]\nweight = -1\nterm = { kind = 'entropy' }", "entropy_loss"),
            (
                "[[loss]]\nweight = 1\nterm = { kind = 'ppo_clip', clip_range = 0 }",
                "`clip_range` of the term `policy_loss` is 0",
            ),
            ("[[loss]]\nweight = 1\nterm = { kind = 'entropi' }", "entropi"),
            ("[[loss]]\nweight = 1\nterm = { kind = 'entropy', clip_range = 1 }", "clip_range"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("`loss`") && error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_clip_range_may_close_by_the_end() {
        let closing = Schedule::Linear { start: 0.2, end: 0.0 };
        assert_eq!(read("clip_range = { kind = 'linear', start = 0.2 }").unwrap().clip_range, closing);
        let term = |range: &str| {
            let range = format!("{{ kind = 'linear', {range} }}");
            read(&format!("[[loss]]\nweight = 1\nterm = {{ kind = 'ppo_clip', clip_range = {range} }}"))
        };
        assert!(term("start = 0.2").is_ok());
        let error = term("start = 0.2, end = -0.1").unwrap_err().to_string();
        let expected = "`loss`: `clip_range` of the term `policy_loss` is 0.2 to -0.1, but must be more than 0, and at \
                        the end 0 or more";
        assert_eq!(error, expected);
    }

    #[test]
    fn whole_episodes_are_not_refused_for_sequences_that_they_are_not_cut_into() {
        let of = |algo: &str, memory: &str| {
            let once = "num_epochs = 1\nnum_minibatches = 1\nnum_steps = 128";
            read(&format!("algo = '{algo}'\n{once}\nrecurrence = {{ cell = 'gru', {memory} }}"))
        };
        for (memory, refused) in [("sequence_steps = 5", "sequence_steps` is 5"), ("burn_in = 200", "burn_in` is 200")]
        {
            assert!(of("reinforce", memory).is_ok(), "{memory}");
            let error = of("a2c", memory).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`recurrence.{refused}, but must be ")), "{error}");
        }
        let error = of("reinforce", "size = 0").unwrap_err().to_string();
        assert_eq!(error, "`recurrence.size` is 0, but must be between 1 and 4096");
    }

    #[test]
    fn an_estimator_is_read_if_it_is_given() {
        let config = read("estimator = { kind = 'n_step', n = 5 }").unwrap();
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        assert!(!Config::default().to_toml().contains("estimator"));
        for (text, message) in [
            ("estimator = { kind = 'gae', lambda = 1.5 }", "`estimator.lambda` is 1.5, but must be between 0 and 1"),
            ("estimator = { kind = 'gae' }", "missing field `lambda`"),
            ("estimator = { kind = 'n_step', n = 0 }", "`estimator` = "),
            (
                "estimator = { kind = 'vtrace', rho_clip = 1.0, c_clip = 0.0 }",
                "`estimator.c_clip` is 0, but must be more than 0, and at most `rho_clip`",
            ),
            ("estimator = { kind = 'reward_to_go', bootstrap = 'none' }", "unknown variant `none`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn held_noise_is_read_and_refused_beside_deviations_of_the_network() -> Result<(), ConfigError> {
        let exploration = |text: &str| Ok::<_, ConfigError>(read(&format!("exploration = {{ {text} }}"))?.exploration);
        assert_eq!(exploration("squash = true")?.sde, None);
        let sde = exploration("sde = {}")?.sde;
        assert_eq!(sde, Some(HeldNoise { resample_every: None, learn_features: false }));
        let sde = exploration("sde = { resample_every = 4, learn_features = true }")?.sde;
        assert_eq!(sde, Some(HeldNoise { resample_every: NonZeroU32::new(4), learn_features: true }));
        for sde in [Some(HeldNoise::default()), sde] {
            let config = Config { exploration: Exploration { sde, ..Exploration::default() }, ..Config::default() };
            assert_eq!(*read(&config.to_toml())?, config);
        }

        let of_trpo = |learn: bool| {
            read(&format!(
                "algo = 'trpo'\nnum_minibatches = 1\nexploration = {{ sde = {{ learn_features = {learn} }} }}"
            ))
        };
        assert!(of_trpo(true).is_ok());
        let error = of_trpo(false).unwrap_err().to_string();
        assert!(error.starts_with("`exploration.sde.learn_features` is false, but must be true"), "{error}");

        let error = exploration("state_dependent = true, sde = {}").unwrap_err();
        assert_eq!(error, ConfigError::AmbiguousExploration);
        for wrong in ["resample_every = 0", "resample_every = -1", "resample = 4", "learn_features = 1"] {
            let error = exploration(&format!("sde = {{ {wrong} }}")).unwrap_err();
            assert!(matches!(error, ConfigError::Value(_)), "{error}");
            assert!(error.to_string().starts_with("`exploration` = "), "{error}");
        }
        Ok(())
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (text, message) in [
            ("gamma = 1.5", "`gamma` is 1.5, but must be between 0 and 1"),
            ("gae_lambda = -0.1", "`gae_lambda` is -0.1, but must be between 0 and 1"),
            ("gamma = nan", "`gamma` is NaN, but must be between 0 and 1"),
            ("clip_range = -0.2", "`clip_range` is -0.2, but must be more than 0, and at the end 0 or more"),
            ("clip_range = 0", "`clip_range` is 0, but must be more than 0, and at the end 0 or more"),
            ("learning_rate = 0", "`learning_rate` is 0, but must be more than 0, and at the end 0 or more"),
            ("learning_rate = inf", "`learning_rate` is inf, but must be more than 0, and at the end 0 or more"),
            (
                "clip_range = { kind = 'linear', start = 0, end = 0.2 }",
                "`clip_range` is 0 to 0.2, but must be more than 0, and at the end 0 or more",
            ),
            (
                "clip_range = { kind = 'cosine', start = 0.2, end = -0.1 }",
                "`clip_range` is 0.2 to -0.1, but must be more than 0, and at the end 0 or more",
            ),
            (
                "entropy_weight = { kind = 'cosine', start = 0.1, end = -1 }",
                "`entropy_weight` is 0.1 to -1, but must be 0 or more",
            ),
            ("num_envs = 0", "`num_envs` is 0, but must be between 1 and 1048576"),
            ("hidden_sizes = [64, 0]", "`hidden_sizes` is [64, 0], but must be at most 64 widths between 1 and 4096"),
            (
                "num_minibatches = 3",
                "`num_minibatches` is 3, which does not divide the 1024 samples of a rollout \
                 (`num_envs` 8 x `num_steps` 128)",
            ),
            (
                "total_steps = 1000",
                "`total_steps` is 1000, which is less than the 1024 steps of one rollout (`num_envs` x `num_steps`)",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        for key in ["num_steps", "num_epochs", "num_minibatches", "eval_episodes"] {
            assert!(read(&format!("{key} = 0")).is_err(), "{key}");
        }
        for key in ["entropy_weight", "value_weight", "max_grad_norm"] {
            assert!(read(&format!("{key} = -1.0")).is_err(), "{key}");
        }
        for text in [
            "num_steps = 1000000000000",
            "num_envs = 1000000000",
            "eval_episodes = 1000000000",
            "hidden_sizes = [9223372036854775807]",
            "threads = 60000",
        ] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfRange { .. }), "{text}: {error}");
        }
        let huge = Config { total_steps: u64::MAX, ..Config::default() };
        assert!(huge.validate().is_err(), "TOML has no such number");
    }

    #[test]
    fn unknown_keys_and_names_are_refused_with_the_nearest() {
        let error = read("gama = 0.9").unwrap_err().to_string();
        assert!(error.starts_with("unknown key `gama` (did you mean `gamma`?); known are: "), "{error}");
        for (alias, key) in ALIASES {
            assert!(Config::keys().contains(&key), "{key}");
            let error = read(&format!("{alias} = 1")).unwrap_err().to_string();
            assert!(error.contains(&format!("`{alias}` (did you mean `{key}`?)")), "{error}");
        }
        let error = read("algo = \"pppo\"").unwrap_err().to_string();
        assert!(error.contains("unknown algorithm `pppo` (did you mean `ppo`?)"), "{error}");
        let error = read("activation = \"tahn\"").unwrap_err().to_string();
        assert!(error.contains("tanh"), "{error}");
        let error = read("gamma = \"high\"").unwrap_err().to_string();
        assert!(error.starts_with("`gamma` = \"high\": "), "{error}");
        let error = read("num_envs = -1").unwrap_err().to_string();
        assert!(error.starts_with("`num_envs` = -1: "), "{error}");
    }
}
