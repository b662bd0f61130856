//! Episodes in the terminal.

use std::{
    env,
    fmt::Write as _,
    io::{Write, stdout},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use burn_pg::{agent::Moment, envs::render::Scene};
use console::Term;

use super::{Stage, blocks::Colours, end_of, place};

/// Draws each moment in the place of the one before.
pub struct Theatre {
    id: String,
    episodes: u32,
    colours: Colours,
    between: Duration,
    next: Instant,
    /// Rows of the last picture.
    rows: usize,
}

impl Theatre {
    pub fn new(id: String, episodes: u32, fps: u32) -> Self {
        // On Windows, this turns control sequences on.
        let _ = console::colors_enabled();
        let colours = Colours::of(|name| env::var(name).ok());
        Self { id, episodes, colours, between: Duration::from_secs(1) / fps, next: Instant::now(), rows: 0 }
    }
}

impl Stage for Theatre {
    fn show(&mut self, moment: &Moment<'_>, scene: Option<&Scene>) -> Result<()> {
        let Some(scene) = scene else { return Ok(()) };
        let (rows, columns) = Term::stdout().size();
        let picture = self.colours.rows(&scene.rasterise(width(scene, self.colours.pixels(), [columns, rows])));
        let caption = format!("{}, {}", self.id, place(moment, self.episodes));
        let caption = end_of(moment).map_or(caption.clone(), |end| format!("{caption}, {end}"));
        let mut text = String::new();
        if self.rows > 0 {
            let _ = write!(text, "\x1b[{}A\r", self.rows);
        }
        for row in &picture {
            let _ = writeln!(text, "{row}\x1b[K");
        }
        let caption: String = caption.chars().take(usize::from(columns).saturating_sub(1)).collect();
        // What is left of a larger picture is cleared.
        let _ = write!(text, "{caption}\x1b[K\n\x1b[J");
        let mut out = stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout cannot be written")?;
        // The next episode is drawn below the last one's caption, which says how it ended.
        self.rows = picture.len() + 1;
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = self.next.max(Instant::now()) + self.between;
        Ok(())
    }
}

/// Returns the width in pixels of the largest picture that fits a terminal, with a row for the caption and one for the cursor.
fn width(scene: &Scene, [pixels_across, pixels_down]: [u32; 2], [columns, rows]: [u16; 2]) -> u32 {
    let across = u32::from(columns).saturating_sub(1) * pixels_across;
    let down = u32::from(rows).saturating_sub(2) * pixels_down;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // positive, and of the size of a terminal
    let by_height = (down as f32 * scene.width / scene.height) as u32;
    across.min(by_height).max(8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_fits_the_terminal_in_both_directions() {
        let scene = |width, height| Scene::new(width, height, Vec::new());
        // Twenty-two rows of two pixels, as wide as the ratio of the sides says.
        assert_eq!(width(&scene(600.0, 400.0), [1, 2], [80, 24]), 66);
        assert_eq!(width(&scene(600.0, 400.0), [1, 2], [40, 60]), 39);
        assert_eq!(width(&scene(500.0, 500.0), [2, 4], [80, 24]), 88);
        assert_eq!(width(&scene(600.0, 400.0), [1, 2], [1, 1]), 8);
    }
}
