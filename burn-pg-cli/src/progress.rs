//! The progress of training on stderr.

mod devices;
mod evaluation;

use std::{fmt::Display, time::Duration};

use burn_pg::UpdateStats;
use indicatif::{ProgressBar, ProgressStyle};

pub use devices::DeviceProgress;
pub use evaluation::EvalProgress;

use crate::tell::tell;

/// Approximate number of plain lines in a run.
const LINES: u64 = 20;

/// A bar on a terminal, plain lines elsewhere, or nothing. All of it goes to stderr.
pub enum Progress {
    /// A bar that is redrawn in place.
    Bar(ProgressBar),
    /// About twenty lines in all.
    Lines {
        /// Steps of the whole run.
        total: u64,
        /// Lines printed so far.
        printed: u64,
    },
    /// Nothing.
    Silent,
}

impl Progress {
    /// Chooses a bar if stderr is a terminal that can redraw it, plain lines if not, and nothing if `quiet`.
    pub fn new(total_steps: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Silent;
        }
        match visible_bar(total_steps, "{bar:12} {pos}/{len}{msg} {eta} left") {
            Some(bar) => Self::Bar(bar),
            None => Self::Lines { total: total_steps, printed: 0 },
        }
    }

    /// Shows an update.
    pub fn show(&mut self, stats: &UpdateStats) {
        match self {
            Self::Silent => {}
            Self::Bar(bar) => {
                bar.set_position(stats.env_steps);
                bar.set_message(format!(": {}", short(stats)));
            }
            Self::Lines { total, printed } => {
                if stats.env_steps * LINES >= *total * (*printed + 1) || stats.update == 1 {
                    *printed = stats.env_steps * LINES / *total;
                    let left = (total.saturating_sub(stats.env_steps)) as f64 / stats.steps_per_second;
                    tell(format_args!("{}/{total} steps, {}, {left:.0}s left", stats.env_steps, describe(stats)));
                }
            }
        }
    }

    /// Prints a warning, even if nothing else is shown.
    pub fn warn(&self, warning: impl Display) {
        let warning = format!("warning: {warning}");
        match self {
            Self::Bar(bar) => bar.println(warning),
            Self::Lines { .. } | Self::Silent => tell(warning),
        }
    }

    /// Leaves the last state on the screen.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.abandon();
        }
    }
}

/// Returns a bar, or `None` if it would not be visible: stderr is not a terminal, or one that cannot redraw (`TERM=dumb`).
fn visible_bar(len: u64, template: &str) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template(template).expect("a valid template");
    let bar = ProgressBar::new(len).with_style(style);
    if bar.is_hidden() {
        return None;
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    Some(bar)
}

/// Describes an update within a terminal of 80 columns.
fn short(stats: &UpdateStats) -> String {
    format!(
        "{:.0}/s, return {}, EV {}, KL {},",
        stats.steps_per_second,
        number(stats.episode_return_mean),
        number(stats.explained_variance),
        kl(stats),
    )
}

fn describe(stats: &UpdateStats) -> String {
    format!(
        "{:.0} steps/s, return {}, explained variance {}, KL {}",
        stats.steps_per_second,
        number(stats.episode_return_mean),
        number(stats.explained_variance),
        kl(stats),
    )
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.2}"))
}

fn kl(stats: &UpdateStats) -> String {
    stats.losses.get("approx_kl").map_or_else(|| "-".into(), |kl| format!("{:.4}", kl.max(0.0)))
}
