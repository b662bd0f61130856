//! Settings of the optimiser.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    optim::{OptimiserSpec, Schedule},
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
    /// `{ kind = "linear", start = 1e-3, end = 0.0 }`; `kind` may also be `cosine`. Default linear from 2.5e-4 to 0.
    pub learning_rate: Schedule,
    /// Largest global norm of the gradient, more than 0; larger gradients are clipped to it, and with none there is no
    /// clipping. Default 0.5.
    #[serde(with = "unlimited")]
    #[schemars(with = "Option<f64>")]
    pub max_grad_norm: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        let learning_rate = Schedule::Linear { start: 2.5e-4, end: 0.0 };
        Self { kind: OptimiserSpec::default(), learning_rate, max_grad_norm: 0.5 }
    }
}
