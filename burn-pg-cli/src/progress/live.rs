//! What stands below the bar while a run trains.

use std::time::{Duration, Instant};

use burn_pg::UpdateStats;
use console::Term;
use indicatif::ProgressBar;

use super::{screen::Screen, short};

/// Time between two drawings: as long as that of the bar.
const BETWEEN: Duration = Duration::from_millis(125);

/// The live screen, and when it was drawn.
pub struct Live {
    screen: Screen,
    drawn: Option<Instant>,
}

impl Live {
    pub fn new(total_steps: u64, threshold: Option<f64>) -> Self {
        Self { screen: Screen::new(total_steps, threshold), drawn: None }
    }

    /// Takes note of an update.
    pub fn push(&mut self, stats: &UpdateStats) {
        self.screen.push(stats);
    }

    /// Takes note of an update, and draws if it is time. A terminal without room for a curve has one line.
    pub fn show(&mut self, bar: &ProgressBar, stats: &UpdateStats, rate: f64) {
        self.push(stats);
        if self.drawn.is_none_or(|drawn| drawn.elapsed() >= BETWEEN) {
            self.drawn = Some(Instant::now());
            bar.set_message(match self.draw(bar) {
                true => format!(": {rate:.0} steps/s,"),
                false => format!(": {}", short(stats, rate)),
            });
        }
    }

    /// Draws the newest state. Returns whether there is room for it.
    pub fn draw(&self, bar: &ProgressBar) -> bool {
        let (rows, columns) = Term::stderr().size();
        let shown = self.screen.rows(columns.into(), rows.into());
        bar.set_prefix(shown.as_ref().map_or_else(String::new, |rows| format!("\n{}", rows.join("\n"))));
        shown.is_some()
    }
}
