//! Training: repeated updates until the run is over.

use std::{ops::ControlFlow, time::Instant};

use super::{Observer, Trainer, UpdateStats, faults::Recovery};
use crate::{Error, policy::Policy, source::Source};

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Returns the number of updates skipped so far because of faults that the configuration allows.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Returns the seconds that the updates of the run have taken so far, over all its processes. Time spent in
    /// observers between updates is not included.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.timed_seconds
    }

    /// Trains until the run [is over](Self::is_over) or `observer` ends it.
    ///
    /// # Errors
    /// As [`update`](Self::update); [`Error::Faults`] if more updates fail than the configuration allows.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        let outcome = self.run_with(|trainer, outcome| {
            trainer.report_episodes(observer);
            match outcome {
                Ok(stats) => observer.on_update(stats),
                Err(fault) => observer.on_fault(fault),
            }
        });
        outcome.inspect_err(|_| self.report_episodes(observer))
    }

    /// Trains as [`run`](Self::run) does, and gives `each` access to the trainer after each update, for example to save
    /// it. `each` receives the statistics of the update, or the fault for which it was skipped.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_with(
        &mut self,
        mut each: impl FnMut(&Self, Result<&UpdateStats, &Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        while !self.is_over() {
            let (start, steps) = (Instant::now(), self.env_steps());
            let outcome = self.update();
            self.timed_seconds += start.elapsed().as_secs_f64();
            self.timed_steps += self.env_steps() - steps;
            let flow = match outcome {
                Ok(mut stats) => {
                    stats.elapsed_seconds = self.timed_seconds;
                    stats.steps_per_second = self.timed_steps as f64 / self.timed_seconds;
                    each(self, Ok(&stats))
                }
                Err(error) => {
                    let fault = self.recover(error)?;
                    each(self, Err(&fault))
                }
            };
            if self.any_rank(flow.is_break())? {
                break;
            }
        }
        Ok(())
    }

    /// Reports the episodes that ended in the last update.
    pub(super) fn report_episodes(&self, observer: &mut dyn Observer) {
        self.ended_episodes().iter().for_each(|episode| observer.on_episode(episode));
    }

    /// Counts a failed update and prepares the next one if the configuration allows the fault; otherwise returns the
    /// error that ends the run.
    fn recover(&mut self, error: Error) -> Result<Error, Error> {
        let Some(recovery) = Recovery::of(&error, &self.config.faults) else { return Err(error) };
        let limit = self.config.faults.limit;
        if self.faults >= limit {
            return Err(if limit == 0 { error } else { Error::Faults { limit, source: Box::new(error) } });
        }
        self.faults += 1;
        if let Recovery::Restart { env } = recovery {
            self.parts.source.restart(env);
        }
        Ok(error)
    }
}
