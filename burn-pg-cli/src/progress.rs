//! The progress of training on stderr.

mod devices;
mod evaluation;
mod health;
mod history;
mod live;
mod screen;

use std::time::Duration;

use burn_pg::UpdateStats;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use devices::DeviceProgress;
pub use evaluation::{EvalProgress, Schedule};

use crate::{
    tell::{tell, tell_above},
    terminal::hide_control_keys,
};
use live::Live;

/// Approximate number of plain lines in a run.
const LINES: u64 = 20;

/// After a run that has not come to its end.
const STOPPED: &str = "{bar:12} {pos}/{len}, stopped{prefix}";

/// Drawings of a bar a second at most. More would cost more than a hundredth of a fast run.
const DRAWINGS: u8 = 8;

/// Before the first update, and after it. The prefix is what stands below the bar.
const BARS: [&str; 2] = ["{bar:12} {pos}/{len}{msg} {elapsed}", "{bar:12} {pos}/{len}{msg} {eta} left{prefix}"];

/// Shows how far a run is, and how fast it goes.
pub struct Progress {
    shown: Shown,
    /// Steps and seconds of the run after the first update of this process. Rates count from there, because on a GPU that
    /// update waits for kernels that are compiled.
    first: Option<(u64, f64)>,
}

/// A bar on a terminal, plain lines elsewhere, or nothing. All of it goes to stderr.
enum Shown {
    /// A bar that is redrawn in place, and what stands below it.
    Bar(ProgressBar, Option<Box<Live>>),
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
        let shown = match quiet {
            true => Shown::Silent,
            false => match visible_bar(total_steps, BARS[0]) {
                Some(bar) => Shown::Bar(bar, None),
                None => Shown::Lines { total: total_steps, printed: 0 },
            },
        };
        Self { shown, first: None }
    }

    /// Adds the curve of the return and the figures of updates, on a terminal that has room for them. `threshold` is the
    /// return at which the task counts as solved.
    pub fn with_screen(mut self, total_steps: u64, threshold: Option<f64>) -> Self {
        if let Shown::Bar(_, live) = &mut self.shown {
            *live = Some(Box::new(Live::new(total_steps, threshold)));
        }
        self
    }

    /// Shows the updates of earlier processes on the live screen, if there is one.
    pub fn remember(&mut self, earlier: impl FnOnce() -> Vec<UpdateStats>) {
        if let Shown::Bar(_, Some(live)) = &mut self.shown {
            for stats in earlier() {
                live.push(&stats);
            }
        }
    }

    /// Says what the first update waits for.
    pub fn wait_for(&self, what: &str) {
        match &self.shown {
            Shown::Silent => {}
            Shown::Bar(bar, _) => bar.set_message(format!(": {what}")),
            Shown::Lines { .. } => tell(format_args!("the first update waits: {what}")),
        }
    }

    /// Shows an update.
    pub fn show(&mut self, stats: &UpdateStats) {
        let rate = self.rate(stats);
        match &mut self.shown {
            Shown::Silent => {}
            Shown::Bar(bar, live) => {
                bar.set_position(stats.env_steps);
                if self.first.is_none() {
                    bar.set_style(style(BARS[1]));
                    bar.reset_eta();
                }
                match live {
                    None => bar.set_message(format!(": {}", short(stats, rate))),
                    Some(live) => live.show(bar, stats, rate),
                }
            }
            Shown::Lines { total, printed } => {
                if stats.env_steps * LINES >= *total * (*printed + 1) || stats.update == 1 {
                    *printed = stats.env_steps * LINES / *total;
                    let left = (total.saturating_sub(stats.env_steps)) as f64 / rate;
                    tell(format_args!("{}/{total} steps, {}, {left:.0}s left", stats.env_steps, describe(stats, rate)));
                }
            }
        }
        self.first.get_or_insert((stats.env_steps, stats.elapsed_seconds));
    }

    /// Returns the steps per second since the first update of this process; until then, those of the run.
    fn rate(&self, stats: &UpdateStats) -> f64 {
        match self.first {
            Some((steps, seconds)) if stats.elapsed_seconds > seconds => {
                (stats.env_steps - steps) as f64 / (stats.elapsed_seconds - seconds)
            }
            _ => stats.steps_per_second,
        }
    }

    /// Leaves the last state on the screen.
    pub fn finish(&self) {
        if let Shown::Bar(bar, live) = &self.shown {
            if let Some(live) = live {
                live.draw(bar);
            }
            // A run that was interrupted has no time left.
            if bar.length().is_some_and(|len| bar.position() < len) {
                bar.set_style(style(STOPPED));
            }
            bar.abandon();
        }
    }
}

/// Returns a bar, or `None` if it would not be visible: stderr is not a terminal, or one that cannot redraw (`TERM=dumb`).
pub fn visible_bar(len: u64, template: &str) -> Option<ProgressBar> {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWINGS);
    let bar = ProgressBar::with_draw_target(Some(len), target).with_style(style(template));
    if bar.is_hidden() {
        return None;
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    tell_above(&bar);
    hide_control_keys();
    Some(bar)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}

/// Describes an update within a terminal of 80 columns.
fn short(stats: &UpdateStats, rate: f64) -> String {
    match of_texts(stats) {
        Some(texts) => format!("{}/s, {texts},", speed(rate)),
        None => format!(
            "{rate:.0}/s, return {}, EV {}, KL {},",
            number(stats.episode_return_mean),
            number(stats.explained_variance),
            kl(stats),
        ),
    }
}

fn describe(stats: &UpdateStats, rate: f64) -> String {
    match of_texts(stats) {
        Some(texts) => format!("{} steps/s, {texts}", speed(rate)),
        None => format!(
            "{rate:.0} steps/s, return {}, explained variance {}, KL {}",
            number(stats.episode_return_mean),
            number(stats.explained_variance),
            kl(stats),
        ),
    }
}

/// Describes an update that learns from texts, if it does.
fn of_texts(stats: &UpdateStats) -> Option<String> {
    let metric = |name: &str| stats.losses.get(name).copied();
    let loss = metric("loss").unwrap_or(f64::NAN);
    match (metric("score"), metric("accuracy"), metric("likelihood_loss")) {
        (Some(score), ..) => {
            let divergence = metric("kl_per_text").map_or_else(String::new, |kl| format!(", KL {kl:.2}"));
            let length = metric("completion_length").unwrap_or(f64::NAN);
            Some(format!("score {score:.3}{divergence}, length {length:.1}"))
        }
        (None, Some(accuracy), _) => Some(format!("loss {loss:.4}, accuracy {:.0} %", 100.0 * accuracy)),
        (None, None, Some(loss)) => Some(format!("loss {loss:.4}")),
        (None, None, None) => None,
    }
}

/// Large models write less than a text a second.
fn speed(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.2}"))
}

fn kl(stats: &UpdateStats) -> String {
    stats.losses.get("approx_kl").map_or_else(|| "-".into(), |kl| format!("{:.4}", kl.max(0.0)))
}
