//! Settings of the optimiser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    optim::{LearningRate, OptimiserSpec, Schedule},
    storage::unlimited,
};

/// The optimiser of the gradients.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OptimiserConfig {
    /// The optimiser with the hyperparameters of its kind. Default Adam.
    #[serde(flatten)]
    pub kind: OptimiserSpec,
    /// Learning rate, initially more than 0: a number, or a schedule such as
    /// `{ kind = "linear", start = 1e-3, end = 0.0 }`; `kind` may also be `cosine`. With `kind = "kl"`, only for `ppo`, it is
    /// adapted after each pass over a rollout: divided by 1.5 if the mean `approx_kl` of the pass is more than twice
    /// `desired_kl` (in nats), and multiplied by 1.5 if it is less than half of that, from `start` on and between `min`
    /// (default 1e-5) and `max` (default 1e-2). Default linear from 2.5e-4 to 0.
    pub learning_rate: LearningRate,
    /// Largest global norm of the gradient, more than 0; larger gradients are clipped to it, and with none there is no
    /// clipping. Default 0.5.
    #[serde(with = "unlimited")]
    #[schemars(with = "Option<f64>")]
    pub max_grad_norm: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let learning_rate = Schedule::Linear { start: 2.5e-4, end: 0.0 }.into();
        Self { kind: OptimiserSpec::default(), learning_rate, max_grad_norm: 0.5 }
    }
}
