//! Optimisers, which turn a gradient into new weights.
//!
//! Gradients and optimiser state are flat vectors over all trainable parameters of a module, in the order in which the
//! module is visited. The global norm is then one reduction, and the number of operations in a step does not grow with
//! the number of tensors in the module.

mod adam;
mod adamw;
mod clip;
mod conjugate_gradient;
mod flat;
mod host;
mod hyperparameter;
mod learning_rate;
mod rms_prop;
mod schedule;
mod sgd;
mod spec;
mod state;

use burn::tensor::Tensor;

pub use adam::{Adam, AdamSpec};
pub use adamw::{AdamW, AdamWSpec};
pub use clip::clip_global_norm;
pub use conjugate_gradient::{Solution, conjugate_gradient};
#[cfg(feature = "cube")]
pub(crate) use flat::flatten_all;
pub use flat::{count_parameters, flatten_gradients, flatten_parameters, replace_parameters};
pub use host::HostRule;
#[cfg(feature = "cube")]
pub(crate) use host::HostStep;
pub(crate) use host::{HostOptimiser, upload};
pub use hyperparameter::HyperparameterError;
pub(crate) use hyperparameter::Hyperparameters;
pub use learning_rate::{KlAdaptiveRate, LearningRate};
pub use rms_prop::{RmsProp, RmsPropSpec};
pub use schedule::Schedule;
pub use sgd::{Sgd, SgdSpec};
pub use spec::OptimiserSpec;
pub use state::{OptimiserState, OptimiserStateError};

/// Turns gradients into steps. Implement this trait for a custom optimiser.
pub trait Optimiser: Send {
    /// Returns the parameters (shape `[P]`) after a step that reduces a loss with this gradient (shape `[P]`). P is the
    /// same in all steps. Tensors carry no graph, and nothing is read back from the device.
    #[must_use]
    fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1>;

    /// Returns the rule of the optimiser for arrays of the host, if it is one of this library. Default: `None`.
    fn host_rule(&self) -> Option<HostRule> {
        None
    }

    /// Returns everything that a step depends on besides the hyperparameters.
    fn state(&self) -> OptimiserState;

    /// Restores a state. Later steps run on the device of its tensors.
    ///
    /// # Errors
    /// [`OptimiserStateError`] if it is not a state of this kind of optimiser. The optimiser is then unchanged.
    fn set_state(&mut self, state: OptimiserState) -> Result<(), OptimiserStateError>;
}
