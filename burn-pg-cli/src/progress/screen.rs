//! The live screen of training: the curve of the return, and below it the figures of the newest update.

use burn_pg::UpdateStats;
use console::{Style, measure_text_width};

use super::{
    health::{Figure, Health},
    history::History,
};
use crate::{
    chart::blocks::curve,
    chart::short_numbers::short,
    commands::train::solved::{Solved, is_solved},
};

/// The smallest terminal with a curve, in columns and rows. A smaller one has one line.
const SMALLEST: [usize; 2] = [40, 16];
/// Rows besides those of the curve: the bar, a title, the axis and its labels, two of figures, two of hints, and one to spare.
const OTHER_ROWS: usize = 9;
/// Most rows of the curve, and most columns.
const LARGEST: [usize; 2] = [10, 100];
/// Hints shown at once.
const HINTS: usize = 2;

/// What the live screen knows of the run.
pub struct Screen {
    /// Return at which the task counts as solved.
    threshold: Option<f64>,
    solved: Option<Solved>,
    history: History,
    health: Health,
    total_steps: u64,
    newest: Option<UpdateStats>,
}

impl Screen {
    pub fn new(total_steps: u64, threshold: Option<f64>) -> Self {
        let (history, health) = (History::new(), Health::default());
        Self { threshold, solved: None, history, health, total_steps, newest: None }
    }

    /// Takes note of an update.
    pub fn push(&mut self, stats: &UpdateStats) {
        self.history.push(stats.episode_return_mean);
        self.health.push(stats);
        if self.solved.is_none() && is_solved(stats, self.threshold) {
            self.solved = Some(Solved::at(stats));
        }
        self.newest = Some(stats.clone());
    }

    /// Returns the rows below the bar, for a terminal of that size; `None` if there is nothing to show, or no room for it.
    pub fn rows(&self, columns: usize, rows: usize) -> Option<Vec<String>> {
        let newest = self.newest.as_ref()?;
        if columns < SMALLEST[0] || rows < SMALLEST[1] {
            return None;
        }
        // The last column stays free: some terminals begin a new row after it.
        let (width, height) = ((columns - 1).min(LARGEST[1]), (rows - OTHER_ROWS).min(LARGEST[0]));
        let axis = ["0", &format!("{} steps", short(newest.env_steps as f64))];
        let blocks = curve(self.history.points(), axis, width, height, None);
        let mut all = Vec::new();
        if let (Some(mean), false) = (newest.episode_return_mean, blocks.is_empty()) {
            let title = format!("return of the last {} episodes: {mean:.1}", newest.episodes.min(100));
            let solved = self.solved.as_ref().map_or_else(String::new, |solved| format!(", {solved}"));
            all.extend(fitting(&title, &solved, width));
            all.extend(blocks.iter().map(|row| coloured(row)));
        }
        let share = newest.env_steps as f64 / self.total_steps as f64;
        let figures = self.health.figures(share, self.solved.is_some());
        all.extend(wrapped(&figures, width));
        let hints = figures.iter().filter_map(|figure| Some((figure.label, figure.hint?)));
        let warning = warning();
        all.extend(
            hints
                .take(HINTS)
                .map(|(label, hint)| warning.apply_to(cut(&format!("! {label}: {hint}"), width)).to_string()),
        );
        Some(all)
    }
}

fn warning() -> Style {
    Style::new().for_stderr().yellow()
}

/// Returns a title, with what belongs to it if both fit.
fn fitting(title: &str, more: &str, width: usize) -> Option<String> {
    let both = format!("{title}{more}");
    let fits = |text: &str| text.chars().count() <= width;
    [both.as_str(), title].into_iter().find(|text| fits(text)).map(str::to_owned)
}

/// Colours the blocks of a row, but not its label.
fn coloured(row: &str) -> String {
    match row.find(['┤', '│']) {
        None => row.to_owned(),
        Some(axis) => {
            let (label, blocks) = row.split_at(axis + '│'.len_utf8());
            format!("{label}{}", Style::new().for_stderr().cyan().apply_to(blocks))
        }
    }
}

/// Lays figures out in rows of at most that width.
fn wrapped(figures: &[Figure], width: usize) -> Vec<String> {
    let mut rows: Vec<String> = Vec::new();
    for figure in figures {
        let text = format!("{} {}", figure.label, short(figure.value));
        let text = if figure.hint.is_some() { warning().apply_to(text).to_string() } else { text };
        match rows.last_mut().filter(|row| measure_text_width(row) + 3 + measure_text_width(&text) <= width) {
            Some(row) => row.extend(["   ", &text]),
            None => rows.push(text),
        }
    }
    rows
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(updates: u64) -> Screen {
        let mut screen = Screen::new(1000, Some(475.0));
        for update in 1..=updates {
            let line = serde_json::json!({
                "update": update, "env_steps": 10 * update, "episodes": 10 * update,
                "episode_return_mean": 5.0 * update as f64, "episode_length_mean": null, "learning_rate": 1.0, "epochs": 1,
                "explained_variance": 0.5, "approx_kl": 0.2, "clip_fraction": 0.5, "entropy": 0.69, "grad_norm": 1.5,
                "elapsed_seconds": 0.01 * update as f64, "steps_per_second": 1000.0,
            });
            screen.push(&serde_json::from_value(line).unwrap());
        }
        screen
    }

    #[test]
    fn the_screen_fits_every_terminal() {
        let screen = screen(100);
        for columns in 1..=200 {
            for rows in 1..=60 {
                let Some(shown) = screen.rows(columns, rows) else {
                    assert!(columns < 40 || rows < 16);
                    continue;
                };
                assert!(shown.len() < rows, "{columns}x{rows}: {}", shown.len());
                assert!(shown.iter().all(|row| measure_text_width(row) < columns), "{columns}x{rows}: {shown:#?}");
            }
        }
    }

    #[test]
    fn the_screen_shows_the_return_the_figures_and_what_is_not_healthy() {
        let shown = screen(100).rows(80, 24).unwrap();
        assert_eq!(shown[0], "return of the last 100 episodes: 500.0, solved after 950 steps, 0.95 s");
        let text = shown.join("\n");
        for part in
            ["1k steps", "KL 0.2", "clip fraction 0.5", "entropy 0.69", "explained variance 0.5", "gradient norm 1.5"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("! KL: steps are large"), "{text}");
        assert!(Screen::new(10, None).rows(80, 24).is_none());
    }
}
