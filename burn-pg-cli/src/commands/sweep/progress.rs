//! The progress of a sweep on stderr: a line for each run that ends, and how far all of them are.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use burn_pg::run::RunDir;
use indicatif::ProgressBar;

use super::{
    WIDTH,
    runner::{Event, Run},
    state::Outcome,
};
use crate::{
    progress::{Schedule, visible_bar},
    tell::tell,
};

/// The time until the first plain line that says how far all runs are. The next ones come after twice that time, and so on.
const FIRST_LINE: Duration = Duration::from_secs(5);
/// The last line of `metrics.jsonl` is shorter than this.
const LINE: u64 = 8192;
/// Columns that are kept for the name of a trial.
const LABEL: usize = 16;

pub struct Progress {
    shown: Shown,
    /// The number of runs in all rungs, and their steps.
    runs: usize,
    steps: u64,
    start: Instant,
    counts: Mutex<Counts>,
}

enum Shown {
    /// A bar on a terminal.
    Bar(ProgressBar),
    Lines(Mutex<Schedule>),
    Nothing,
}

#[derive(Default)]
struct Counts {
    ended: usize,
    /// The steps of the runs that have ended.
    steps_ended: u64,
    /// The steps since the start of this process, of the runs that have ended.
    steps_now: u64,
    /// The steps of the runs that train: when they were first seen, and now.
    training: HashMap<PathBuf, [u64; 2]>,
}

impl Counts {
    /// Returns the steps of all runs so far, and those since the start of this process.
    fn steps(&self) -> [u64; 2] {
        let of = |steps: fn(&[u64; 2]) -> u64| self.training.values().map(steps).sum::<u64>();
        [self.steps_ended + of(|[_, now]| *now), self.steps_now + of(|[first, now]| now - first)]
    }
}

impl Progress {
    /// Shows the progress of a number of runs with a number of steps in all.
    pub fn new((runs, steps): (usize, u64), is_quiet: bool) -> Self {
        let lines = || Shown::Lines(Mutex::new(Schedule::new(FIRST_LINE)));
        let shown = match is_quiet {
            true => Shown::Nothing,
            false => visible_bar(steps, "{bar:12} {msg}").map_or_else(lines, Shown::Bar),
        };
        Self { shown, runs, steps, start: Instant::now(), counts: Mutex::default() }
    }

    /// Returns the number of runs that have ended, and of all.
    pub fn counts(&self) -> (usize, usize) {
        (self.counts.lock().expect("no panic").ended, self.runs)
    }

    /// Prints a line, unless quiet.
    pub fn say(&self, line: impl std::fmt::Display) {
        if !matches!(self.shown, Shown::Nothing) {
            tell(line);
        }
    }

    /// Shows the bar, before the first run says something.
    pub fn begin(&self) {
        self.draw(&self.counts.lock().expect("no panic"));
    }

    /// Removes the bar: the results follow.
    pub fn finish(&self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }

    /// Shows what happens to a run. One that had ended before is only counted.
    pub fn show(&self, run: &Run, event: &Event) {
        if matches!(self.shown, Shown::Nothing) && matches!(event, Event::Trains) {
            return;
        }
        let mut counts = self.counts.lock().expect("no panic");
        match event {
            Event::Trains => {
                if let Some(steps) = steps_of(&run.dir) {
                    let steps = steps.min(run.steps);
                    counts.training.entry(run.dir.clone()).or_insert([steps; 2])[1] = steps;
                }
            }
            Event::EndedEarlier | Event::Ended(_) => {
                let first = counts.training.remove(&run.dir).map_or(0, |[first, _]| first);
                counts.ended += 1;
                counts.steps_ended += run.steps;
                if let Event::Ended(outcome) = event {
                    counts.steps_now += run.steps - first;
                    let before = format!("{} of {}: ", counts.ended, self.runs);
                    let line = line(&before, &run.label, run.seed, outcome);
                    let left = self.left(&counts).filter(|left| {
                        // A bar has the time left already.
                        matches!(self.shown, Shown::Lines(_)) && line.chars().count() + left.chars().count() <= WIDTH
                    });
                    self.say(format_args!("{line}{}", left.unwrap_or_default()));
                }
            }
        }
        self.draw(&counts);
    }

    /// Shows how far all runs are, if it is time.
    fn draw(&self, counts: &Counts) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_position(counts.steps()[0]);
                bar.set_message(self.describe(counts));
            }
            Shown::Lines(schedule) => {
                if counts.ended < self.runs && schedule.lock().expect("no panic").is_due(self.start.elapsed()) {
                    tell(self.describe(counts));
                }
            }
        }
    }

    /// Describes how far all runs are: "3 of 20 runs have ended, 17 % of the steps, 4 min 2 s left".
    fn describe(&self, counts: &Counts) -> String {
        let [steps, _] = counts.steps();
        let have = if counts.ended == 1 { "has" } else { "have" };
        let share = 100 * u128::from(steps) / u128::from(self.steps.max(1));
        let left = self.left(counts).unwrap_or_default();
        format!("{} of {} runs {have} ended, {share} % of the steps{left}", counts.ended, self.runs)
    }

    /// Describes the time that is left, if there are runs left and the speed is known: ", 4 min 2 s left".
    fn left(&self, counts: &Counts) -> Option<String> {
        let [steps, now] = counts.steps();
        if now == 0 || counts.ended == self.runs {
            return None;
        }
        let left = self.start.elapsed().as_secs_f64() * self.steps.saturating_sub(steps) as f64 / now as f64;
        Some(format!(", {} left", duration(Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX))))
    }
}

/// Returns the line for a run that has ended, with the name of its trial and the reason of a failure as far as they fit.
fn line(before: &str, label: &str, seed: u64, outcome: &Outcome) -> String {
    let outcome = match outcome {
        Outcome::Done(summary) => format!("return {:.1}", summary.eval_return_mean.unwrap_or(f64::NAN)),
        Outcome::Failed(why) => format!("failed ({why})"),
    };
    let seed = format!(", seed {seed}: ");
    let rest = WIDTH.saturating_sub(before.chars().count() + seed.chars().count());
    let label = cut(label, rest.saturating_sub(outcome.chars().count()).max(LABEL));
    let outcome = cut(&outcome, rest.saturating_sub(label.chars().count()));
    format!("{before}{label}{seed}{outcome}")
}

/// Cuts a text off at a width.
fn cut(text: &str, width: usize) -> String {
    match text.chars().count() <= width {
        true => text.into(),
        false => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Returns the steps of a run that trains, once its first update has ended.
fn steps_of(dir: &Path) -> Option<u64> {
    let mut file = File::open(RunDir::open(dir).metrics_path()).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LINE))).ok()?;
    let mut end = Vec::new();
    file.take(LINE).read_to_end(&mut end).ok()?;
    // The last line may be half written.
    let end = String::from_utf8_lossy(&end);
    let last = end.rsplit_once('\n')?.0.lines().next_back()?;
    serde_json::from_str::<serde_json::Value>(last).ok()?.get("env_steps")?.as_u64()
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

    #[test]
    fn lines_are_no_wider_than_80_columns() {
        let failed = |why: &str| Outcome::Failed(why.into());
        let settings = "learning_rate=0.0003, gamma=0.98, num_steps=128, clip_range=0.2, trial 7";
        assert_eq!(
            line("7 of 20: ", settings, 1000, &failed("no memory")),
            "7 of 20: learning_rate=0.0003, gamma=0.98, num_s…, seed 1000: failed (no memory)"
        );
        assert_eq!(line("7 of 20: ", "trial 7", 3, &failed("NaN")), "7 of 20: trial 7, seed 3: failed (NaN)");
        for why in ["", "NaN in the loss", &"a long story ".repeat(20)] {
            for label in ["trial 7", settings] {
                let line = line("9999 of 10000: ", label, u64::MAX >> 1, &failed(why));
                assert!(line.chars().count() <= 80, "{line}");
            }
        }
    }

    #[test]
    fn the_steps_of_a_run_are_those_of_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let steps = |text: &str| {
            std::fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
            steps_of(folder.path())
        };
        assert_eq!(steps_of(folder.path()), None);
        assert_eq!(steps(""), None);
        assert_eq!(steps("{\"env_steps\": 3}\n{\"env_steps\": 6}\n{\"env_st"), Some(6));
        let long = format!("{{\"filler\": \"{}\", \"env_steps\": 3}}\n", "x".repeat(4000));
        assert_eq!(steps(&long.repeat(5)), Some(3));
    }

    #[test]
    fn the_time_left_counts_the_steps_of_this_process() {
        let progress = Progress::new((4, 400), true);
        let mut counts = Counts { ended: 1, steps_ended: 100, ..Counts::default() };
        assert_eq!(progress.describe(&counts), "1 of 4 runs has ended, 25 % of the steps");
        counts.training.insert("a".into(), [40, 60]);
        assert_eq!(counts.steps(), [160, 20]);
        assert!(progress.describe(&counts).starts_with("1 of 4 runs has ended, 40 % of the steps, 0 s left"));
    }
}
