//! Updates: how a policy is improved from samples.
//!
//! | update | what it does |
//! | --- | --- |
//! | [`Epochs`] | several passes over the samples in minibatches, with an optimiser step for each minibatch |
//! | [`TrustRegionUpdate`] | one step of the policy within a [`TrustRegion`], then passes that fit the critic |

mod attribute;
mod epochs;
mod fused;
mod learner;
mod metric_log;
mod pass_rate;
mod trust_region;
mod trust_region_update;

use std::collections::BTreeMap;

use burn::tensor::Device;

pub use epochs::Epochs;
pub use fused::Unfused;
pub use learner::Learner;
pub use trust_region::{Fisher, TrustRegion, TrustRegionSpec};
pub use trust_region_update::TrustRegionUpdate;

use crate::{
    Error,
    loss::ContextPart,
    policy::Policy,
    source::CollectContext,
    storage::{Misfit, Saved},
};

/// A way to improve a policy of type `P` from samples of type `S`.
pub trait Update<P: Policy, S>: Send {
    /// Checks that the update needs no optional part of a context other than those in `given`.
    ///
    /// # Errors
    /// [`Error::Objective`] if a loss term needs a part that is not in `given`.
    fn check(&self, given: &[ContextPart]) -> Result<(), Error>;

    /// Improves `policy` from `samples` and returns the new policy. `policy` must be on a device with autodiff.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a metric or a weight is not finite. The moments of the optimiser and the states of loss
    /// terms are then unchanged, but the random order of samples has advanced. [`Error::Execution`] if the device
    /// fails. The state of the update is then undefined.
    fn improve(&mut self, policy: &P, samples: S, context: UpdateContext) -> Result<Improved<P>, Error>;

    /// Returns everything that later updates depend on.
    ///
    /// # Errors
    /// [`Misfit::Tensors`] if the device fails.
    fn save(&self) -> Result<Saved, Misfit>;

    /// Restores a state from [`save`](Self::save), for `policy`.
    ///
    /// # Errors
    /// [`Misfit`] if it is not a state of this update. The state of this update is then undefined.
    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit>;
}

/// The position of an update in a run.
#[derive(Debug, Clone, Copy)]
pub struct UpdateContext {
    /// Number of the update, counted from 1.
    pub update: u64,
    /// Share of training that is over, 0 to 1.
    pub progress: f64,
}

impl UpdateContext {
    /// Returns the context for collecting samples on `device` for this update.
    pub(crate) fn collecting(self, device: &Device) -> CollectContext<'_> {
        let Self { update, progress } = self;
        CollectContext { update, progress, device }
    }
}

/// The result of an update.
#[derive(Debug, Clone)]
pub struct Improved<P> {
    /// The improved policy.
    pub policy: P,
    /// Metrics by name, each averaged over the steps that report it.
    pub metrics: BTreeMap<String, f64>,
    /// Number of passes over the samples.
    pub epochs: usize,
    /// The learning rate of the last pass.
    pub learning_rate: f64,
    /// Why minibatches went through tensors; `None` if they did not.
    pub unfused: Option<Unfused>,
}
