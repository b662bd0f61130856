//! Episodes in the terminal.

use std::{
    env,
    fmt::Write as _,
    io::{Write, stdout},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use burn_pg::{agent::Moment, envs::render::Scene};
use console::Term;

use super::{Stage, blocks::Colours, end_of, exit::Exit, place, step};

/// Draws each moment in the place of the one before.
pub struct Theatre {
    id: String,
    episodes: u32,
    colours: Colours,
    between: Duration,
    next: Instant,
    /// Rows of the last picture, and the size of the terminal then.
    rows: usize,
    size: Option<(u16, u16)>,
    exit: Exit,
}

impl Theatre {
    /// Takes the keys and signals that end the play.
    pub fn new(id: String, episodes: u32, fps: u32) -> Result<Self> {
        // On Windows, this turns control sequences on.
        let _ = console::colors_enabled();
        let colours = Colours::of(|name| env::var(name).ok());
        let (between, exit) = (Duration::from_secs(1) / fps, Exit::install()?);
        Ok(Self { id, episodes, colours, between, next: Instant::now(), rows: 0, size: None, exit })
    }
}

impl Stage for Theatre {
    fn show(&mut self, moment: &Moment<'_>, scene: Option<&Scene>) -> Result<ControlFlow<()>> {
        let Some(scene) = scene else { return Ok(ControlFlow::Continue(())) };
        let size @ (rows, columns) = Term::stdout().size();
        let picture = self.colours.rows(&scene.rasterise(width(scene, self.colours.pixels(), [columns, rows])));
        let caption = caption(&self.id, moment, self.episodes, usize::from(columns).saturating_sub(1));
        let mut text = String::new();
        if self.size.is_some_and(|before| before != size) {
            // Rows of the last picture may have wrapped.
            text.push_str("\x1b[H\x1b[2J");
        } else if self.rows > 0 {
            let _ = write!(text, "\x1b[{}A\r", self.rows);
        }
        for row in &picture {
            let _ = writeln!(text, "{row}\x1b[K");
        }
        // What is left of a larger picture is cleared.
        let _ = write!(text, "{caption}\x1b[K\n\x1b[J");
        let mut out = stdout();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("stdout cannot be written")?;
        // The next episode is drawn below the last one's caption, which says how it ended.
        self.rows = picture.len() + 1;
        self.size = Some(size);
        if self.exit.wait_until(self.next) {
            return Ok(ControlFlow::Break(()));
        }
        self.next = self.next.max(Instant::now()) + self.between;
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for Theatre {
    fn drop(&mut self) {
        self.exit.finish();
    }
}

/// Describes a moment within a width: with the environment, the episode and how it ended, as far as they fit.
fn caption(id: &str, moment: &Moment<'_>, episodes: u32, width: usize) -> String {
    let end = end_of(moment).map_or_else(String::new, |end| format!(", {end}"));
    let (whole, step) = (place(moment, episodes), step(moment));
    let captions = [format!("{id}, {whole}{end}"), format!("{whole}{end}"), format!("{step}{end}"), step];
    let fitting = captions.iter().find(|caption| caption.chars().count() <= width);
    fitting.map_or_else(|| captions[3].chars().take(width).collect(), String::clone)
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
    fn a_caption_has_what_fits() {
        let moment =
            Moment { env: None, episode: 1, step: 57, episode_return: 57.0, terminated: true, truncated: false };
        for (width, expected) in [
            (80, "CartPole-v1, episode 2 of 3, step 57, return 57.0, terminated"),
            (50, "episode 2 of 3, step 57, return 57.0, terminated"),
            (40, "step 57, return 57.0, terminated"),
            (25, "step 57, return 57.0"),
            (7, "step 57"),
            (0, ""),
        ] {
            assert_eq!(caption("CartPole-v1", &moment, 3, width), expected);
        }
    }

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
