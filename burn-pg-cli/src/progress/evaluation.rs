//! The progress of an evaluation on stderr.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::visible_bar;
use crate::tell::tell;

/// The time until the first plain line. A shorter evaluation prints none.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// A bar on a terminal, a few plain lines elsewhere, or nothing.
pub struct EvalProgress {
    episodes: usize,
    steps: u64,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { begun: Instant, schedule: Schedule },
    Nothing,
}

impl EvalProgress {
    /// Chooses as [`Progress::new`](super::Progress::new) does.
    pub fn new(episodes: usize, quiet: bool) -> Self {
        let lines = || Shown::Lines { begun: Instant::now(), schedule: Schedule::new(FIRST_LINE) };
        let shown = match quiet {
            true => Shown::Nothing,
            false => visible_bar(episodes as u64, "{bar:12} {pos}/{len} episodes evaluated{msg}")
                .map_or_else(lines, Shown::Bar),
        };
        Self { episodes, steps: 0, shown }
    }

    /// Shows that each environment has taken one more step, and how many episodes have ended so far.
    pub fn step(&mut self, ended: usize) {
        self.steps += 1;
        let Self { episodes, steps, shown } = self;
        match shown {
            Shown::Bar(bar) => {
                bar.set_position(ended as u64);
                bar.set_message(format!(", step {steps}"));
            }
            Shown::Lines { begun, schedule } => {
                if schedule.is_due(begun.elapsed()) {
                    tell(format_args!("{ended}/{episodes} episodes evaluated, step {steps}"));
                }
            }
            Shown::Nothing => {}
        }
    }

    /// Removes the bar: the outcome follows.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// When plain lines are printed: after 2, 4, 8, 16 seconds and so on, so that what takes long prints few.
pub struct Schedule {
    next: Duration,
}

impl Schedule {
    /// The first line is due after this time.
    pub fn new(first: Duration) -> Self {
        Self { next: first }
    }

    /// True if a line is due after that time, once for each line.
    pub fn is_due(&mut self, elapsed: Duration) -> bool {
        let is_due = elapsed >= self.next;
        while elapsed >= self.next {
            self.next *= 2;
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_lines_of_an_evaluation_become_rarer() {
        let mut schedule = Schedule::new(FIRST_LINE);
        let due: Vec<u64> = (0..=100).filter(|&second| schedule.is_due(Duration::from_secs(second))).collect();
        assert_eq!(due, [2, 4, 8, 16, 32, 64]);
        // After a long step, one line is printed for all that were due.
        assert!(schedule.is_due(Duration::from_secs(1000)));
        assert!(!schedule.is_due(Duration::from_secs(1001)));
    }

    #[test]
    fn an_evaluation_that_ends_within_two_seconds_prints_no_line() {
        let mut schedule = Schedule::new(FIRST_LINE);
        assert!((0..2000).all(|millis| !schedule.is_due(Duration::from_millis(millis))));
    }
}
