//! The progress of a sweep on stderr: a line for each run that ends.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    runner::{Ended, Run},
    state::Outcome,
};
use crate::tell::tell;

pub struct Progress {
    is_quiet: bool,
    /// The number of runs in all rungs.
    runs: usize,
    start: Instant,
    counts: Mutex<Counts>,
}

struct Counts {
    ended: usize,
    /// The steps of the runs that have not ended.
    left: u64,
    /// The steps of the runs that have ended since the start of this process.
    done: u64,
}

impl Progress {
    /// Shows the progress of a number of runs with a number of steps in all.
    pub fn new((runs, steps): (usize, u64), is_quiet: bool) -> Self {
        let counts = Mutex::new(Counts { ended: 0, left: steps, done: 0 });
        Self { is_quiet, runs, start: Instant::now(), counts }
    }

    /// Returns the number of runs that have ended, and of all.
    pub fn counts(&self) -> (usize, usize) {
        (self.counts.lock().expect("no panic").ended, self.runs)
    }

    /// Prints a line, unless quiet.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !self.is_quiet {
            tell(line);
        }
    }

    /// Shows a run that has ended. One that had ended before is only counted.
    pub fn end(&self, run: &Run, ended: &Ended) {
        let mut counts = self.counts.lock().expect("no panic");
        counts.ended += 1;
        counts.left = counts.left.saturating_sub(run.steps);
        let Ended::Now(outcome) = ended else { return };
        counts.done += run.steps;
        let rate = counts.done as f64 / self.start.elapsed().as_secs_f64();
        let left = match counts.ended < self.runs {
            true => format!(", {} left", duration(Duration::from_secs_f64(counts.left as f64 / rate))),
            false => String::new(),
        };
        let outcome = match outcome {
            Outcome::Done(summary) => format!("return {:.1}", summary.eval_return_mean.unwrap_or(f64::NAN)),
            Outcome::Failed(why) => format!("failed ({why})"),
        };
        let (ended, all) = (counts.ended, self.runs);
        self.say(format_args!("{ended} of {all}: {}, seed {}: {outcome}{left}", run.label, run.seed));
    }
}

/// Writes a duration with its two largest units.
fn duration(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds @ 3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        seconds => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in [(5, "5 s"), (90, "1 min 30 s"), (7260, "2 h 1 min"), (180_000, "2 d 2 h")] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}
