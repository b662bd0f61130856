//! The learning rates of the passes of an update.

use super::metric_log::MetricLog;
use crate::{Error, optim::LearningRate};

/// The learning rate of the current pass and of the next one.
pub(super) struct PassRate {
    of: LearningRate,
    /// The rate of the pass that has begun last; before the first pass, its rate.
    pub current: f64,
    next: f64,
    /// Number of steps in the log before the current pass.
    steps: usize,
}

impl PassRate {
    /// Creates the rates of an update at `progress`, before its first pass. `adapted` is the rate after the last pass of
    /// the update before, and `log` has the steps before the first pass.
    pub fn new(of: LearningRate, progress: f64, adapted: Option<f64>, log: &MetricLog) -> Self {
        let rate = of.at(progress, adapted);
        Self { of, current: rate, next: rate, steps: log.len() }
    }

    /// Begins a pass. Returns its rate.
    pub fn begin(&mut self) -> f64 {
        self.current = self.next;
        self.current
    }

    /// Ends a pass, whose steps are the last in `log`. Waits for the device if the rate is adapted.
    pub fn end(&mut self, log: &MetricLog) -> Result<(), Error> {
        if let LearningRate::Kl(rate) = self.of
            && let Some(kl) = log.mean_from("approx_kl", self.steps)?
        {
            self.next = rate.after(self.current, kl);
        }
        self.steps = log.len();
        Ok(())
    }

    /// True if a pass must end before the rate of the next one is known.
    pub fn is_adapted(&self) -> bool {
        matches!(self.of, LearningRate::Kl(_))
    }

    /// Returns the rate with which the next update begins, if the rate is adapted.
    pub fn adapted(&self) -> Option<f64> {
        self.is_adapted().then_some(self.next)
    }
}
