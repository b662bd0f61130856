//! Updates one after the other, until a run is over.

use std::{ops::ControlFlow, time::Instant};

use super::{Observer, Trainer, UpdateStats, faults::Remedy};
use crate::{Error, policy::Policy, source::Source};

/// Environment steps whose time was taken, and how long they took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timed {
    pub steps: u64,
    pub seconds: f64,
}

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Updates given up so far, because of faults that the configuration lets pass.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.faults
    }

    /// Seconds that the updates of the run have taken so far, in all processes: sampling and improving, without what
    /// observers do in between.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.timed.seconds
    }

    /// Trains until the configured number of steps or the configured return is reached, or `observer` breaks off.
    ///
    /// # Errors
    /// See [`update`](Self::update); [`Error::Faults`] if more updates fail than the configuration lets pass.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<(), Error> {
        self.run_with(|trainer, outcome| {
            trainer.ended_episodes().iter().for_each(|episode| observer.on_episode(episode));
            match outcome {
                Ok(stats) => observer.on_update(stats),
                Err(fault) => observer.on_fault(fault),
            }
        })
    }

    /// [`run`](Self::run), for those who look at the run itself between two updates, to save it for example: `each` gets it
    /// with what an update did, or with the fault for which it was given up.
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
            self.timed.seconds += start.elapsed().as_secs_f64();
            self.timed.steps += self.env_steps() - steps;
            let flow = match outcome {
                Ok(mut stats) => {
                    stats.elapsed_seconds = self.timed.seconds;
                    stats.steps_per_second = self.timed.steps as f64 / self.timed.seconds;
                    each(self, Ok(&stats))
                }
                Err(error) => {
                    let fault = self.survive(error)?;
                    each(self, Err(&fault))
                }
            };
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Makes ready to go on after an update that failed, if the configuration lets that pass; or gives the error back.
    fn survive(&mut self, error: Error) -> Result<Error, Error> {
        let Some(remedy) = Remedy::of(&error, &self.config.faults) else { return Err(error) };
        let limit = self.config.faults.limit;
        if self.faults >= limit {
            return Err(if limit == 0 { error } else { Error::Faults { limit, source: Box::new(error) } });
        }
        self.faults += 1;
        if let Remedy::Restart { env } = remedy {
            self.parts.source.restart(env);
        }
        Ok(error)
    }
}
