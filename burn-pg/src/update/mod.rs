//! How a policy gets better from samples.
//!
//! | update | what it does |
//! | --- | --- |
//! | [`Epochs`] | passes over the samples, each in minibatches, each a step of an optimiser |
//! | [`TrustRegionUpdate`] | one step of the policy within a [`TrustRegion`], then passes that fit the critic |

mod attribute;
mod epochs;
mod learner;
mod metric_log;
mod trust_region;
mod trust_region_update;

use std::collections::BTreeMap;

pub use epochs::Epochs;
pub use learner::Learner;
pub use trust_region::{Fisher, TrustRegion, TrustRegionSpec};
pub use trust_region_update::TrustRegionUpdate;

use crate::{
    Error,
    loss::ContextPart,
    policy::Policy,
    storage::{Misfit, Saved},
};

/// A way to improve a policy of type `P` from samples of type `S`.
pub trait Update<P: Policy, S>: Send {
    /// Checks that the update needs no part of a context that may be absent but those in `given`.
    ///
    /// # Errors
    /// [`Error::Objective`] if a loss term needs another one.
    fn check(&self, given: &[ContextPart]) -> Result<(), Error>;

    /// The policy after `samples`. `policy` is on a device with autodiff.
    ///
    /// # Errors
    /// [`Error::NonFinite`] if a metric or a weight is not finite; what later updates learn from (moments, terms
    /// that adapt) is then as it was, and the order of samples has gone on.
    /// [`Error::Execution`] if the device fails; it may then be anything.
    fn improve(&mut self, policy: &P, samples: S, context: UpdateContext) -> Result<Improved<P>, Error>;

    /// Everything that later updates depend on.
    ///
    /// # Errors
    /// [`Misfit::Tensors`] if the device fails.
    fn save(&self) -> Result<Saved, Misfit>;

    /// Goes on where [`save`](Self::save) was called, with `policy`.
    ///
    /// # Errors
    /// [`Misfit`] if it is the state of another update. This one is then anything.
    fn load(&mut self, saved: Saved, policy: &P) -> Result<(), Misfit>;
}

/// Where a run is.
#[derive(Debug, Clone, Copy)]
pub struct UpdateContext {
    /// The update, counted from 1.
    pub update: u64,
    /// Share of training that is over, 0 to 1.
    pub progress: f64,
}

/// What an update has done.
#[derive(Debug, Clone)]
pub struct Improved<P> {
    /// The policy after it.
    pub policy: P,
    /// What was measured, by name: the mean over the steps that measured it.
    pub metrics: BTreeMap<String, f64>,
    /// Passes over the samples.
    pub epochs: usize,
    /// The learning rate.
    pub learning_rate: f64,
}
