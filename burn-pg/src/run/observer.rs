//! Observers of a run.

use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};

use super::UpdateStats;
use crate::{Error, source::Episode};

/// Receives the events of a run, and may end the run. A closure over [`UpdateStats`] is an observer of updates.
///
/// The events of one update come in this order: its episodes, the update (or the fault for which it was skipped), the
/// checkpoint if one is due, and the evaluation of that checkpoint if there is one. An error that ends the run is
/// returned to the caller, after the episodes of its update were reported.
pub trait Observer {
    /// Called after each update. [`ControlFlow::Break`] ends the run there; a run in a directory saves a checkpoint
    /// first.
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()>;

    /// Called for each episode that ended in an update. Default: does nothing.
    fn on_episode(&mut self, _episode: &Episode) {}

    /// Called after each update that was skipped because of a [fault](crate::config::Faults) that the configuration
    /// allows. [`ControlFlow::Break`] ends the run. Default: the run continues.
    fn on_fault(&mut self, _fault: &Error) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called after a checkpoint was saved, with its update. Default: does nothing.
    fn on_checkpoint(&mut self, _update: u64) {}

    /// Called after the policy of a checkpoint was evaluated. Default: does nothing.
    fn on_evaluation(&mut self, _evaluated: &Evaluated) {}

    /// Called for a problem that does not end the run, for example older checkpoints that cannot be removed. Default:
    /// does nothing.
    fn on_warning(&mut self, _warning: &str) {}
}

/// The outcome of the evaluation of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// The update of the checkpoint.
    pub update: u64,
    /// Environment steps up to then.
    pub env_steps: u64,
    /// Mean return of the episodes.
    pub return_mean: f64,
    /// True if the return is the best so far.
    pub is_best: bool,
}

impl<F: FnMut(&UpdateStats) -> ControlFlow<()>> Observer for F {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        self(stats)
    }
}
