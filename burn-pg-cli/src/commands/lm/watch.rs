//! Watches a run on texts.

use std::{collections::BTreeMap, ops::ControlFlow};

use burn_pg::{Error, Observer, UpdateStats};

use crate::{interrupt::Interrupt, progress::Progress, tell::tell};

/// Shares above which a warning is given, and the warning.
const WARNINGS: [(&str, f64, &str); 3] = [
    (
        "truncated_share",
        0.99,
        "no completion ends by itself: give it more `tokens`, or a penalty for a missing end (`missing_end`)",
    ),
    (
        "groups_without_spread",
        0.5,
        "in more than half of the groups all completions have the same score, and teach nothing: another reward, other prompts or larger \
         groups may help",
    ),
    ("unscored", 0.0, "some completions could not be scored; nothing is learned from them"),
];

/// Shows each update, warns of what is likely a mistake, and ends the run after a signal.
pub struct WatchTexts {
    progress: Progress,
    pub interrupt: Interrupt,
    /// Warnings that were given.
    warned: Vec<&'static str>,
    last: BTreeMap<String, f64>,
}

impl WatchTexts {
    pub fn new(progress: Progress, interrupt: Interrupt) -> Self {
        Self { progress, interrupt, warned: Vec::new(), last: BTreeMap::new() }
    }

    /// Returns the metrics of the last update.
    pub fn last(&self) -> &BTreeMap<String, f64> {
        &self.last
    }

    pub fn finish(&self) {
        self.progress.finish();
    }

    fn go_on(&self) -> ControlFlow<()> {
        if self.interrupt.exit_code().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Observer for WatchTexts {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        self.progress.show(stats);
        for (metric, most, warning) in WARNINGS {
            if stats.losses.get(metric).is_some_and(|share| *share > most) && !self.warned.contains(&metric) {
                self.warned.push(metric);
                tell(format_args!("warning: update {}: {warning}", stats.update));
            }
        }
        self.last.clone_from(&stats.losses);
        self.go_on()
    }

    fn on_fault(&mut self, fault: &Error) -> ControlFlow<()> {
        tell(format_args!("warning: an update was skipped: {fault}"));
        self.go_on()
    }

    fn on_warning(&mut self, warning: &str) {
        tell(format_args!("warning: {warning}"));
    }
}
