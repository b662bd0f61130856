//! Shows the progress of a run, and ends it after a signal.

use std::ops::ControlFlow;

use burn_pg::{Error, Observer, UpdateStats};

use crate::{interrupt::Interrupt, progress::Progress, tell::tell};

/// Shows each update, and ends the run after a signal.
pub struct Watch {
    pub progress: Progress,
    pub interrupt: Interrupt,
}

impl Watch {
    fn continue_unless_interrupted(&self) -> ControlFlow<()> {
        match self.interrupt.exit_code() {
            None => ControlFlow::Continue(()),
            Some(_) => ControlFlow::Break(()),
        }
    }
}

impl Observer for Watch {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        self.progress.show(stats);
        self.continue_unless_interrupted()
    }

    fn on_fault(&mut self, fault: &Error) -> ControlFlow<()> {
        tell(format_args!("warning: an update was skipped: {fault}"));
        self.continue_unless_interrupted()
    }

    fn on_warning(&mut self, warning: &str) {
        tell(format_args!("warning: {warning}"));
    }
}
