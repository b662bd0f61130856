//! Episodes in files.

use std::{collections::BTreeMap, ops::ControlFlow};

use anyhow::Result;
use burn_pg::{
    agent::Moment,
    envs::render::{Gif, Picture, Scene},
};

use super::{Stage, end_of};

/// Moments of an episode in a [`Sheet`].
const MOMENTS: usize = 6;
/// Pixels between the pictures of a sheet.
const GAP: usize = 4;
/// How long the end of an episode is shown, in hundredths of a second.
const PAUSE: u16 = 60;

/// An animation.
pub struct Film {
    gif: Gif<Vec<u8>>,
    width: u32,
    delay: u16,
}

impl Film {
    pub fn new(width: u32, fps: u32) -> Self {
        // Delays are whole hundredths of a second.
        let delay = u16::try_from((100 + fps / 2) / fps).unwrap_or(u16::MAX);
        Self { gif: Gif::new(Vec::new(), delay), width, delay }
    }

    /// Returns the bytes of the file.
    pub fn finish(self) -> Result<Vec<u8>> {
        Ok(self.gif.finish()?)
    }
}

impl Stage for Film {
    fn show(&mut self, moment: &Moment<'_>, scene: Option<&Scene>) -> Result<ControlFlow<()>> {
        let Some(scene) = scene else { return Ok(ControlFlow::Continue(())) };
        self.gif.set_delay(if end_of(moment).is_some() { PAUSE } else { self.delay });
        self.gif.push(&scene.rasterise(self.width))?;
        Ok(ControlFlow::Continue(()))
    }
}

/// Most scenes of an episode that are kept; of more, every second one is forgotten.
const KEPT: usize = 512;

/// Evenly spaced moments of each episode, one row an episode.
pub struct Sheet {
    width: u32,
    episodes: Vec<Vec<Scene>>,
    /// Steps between two scenes of an episode.
    every: BTreeMap<usize, u32>,
}

impl Sheet {
    pub fn new(width: u32) -> Self {
        Self { width, episodes: Vec::new(), every: BTreeMap::new() }
    }

    /// Returns the bytes of the file.
    pub fn finish(self) -> Vec<u8> {
        let row =
            |scenes: &Vec<Scene>| chosen(scenes.len()).into_iter().map(|at| scenes[at].rasterise(self.width)).collect();
        let rows: Vec<Vec<Picture>> = self.episodes.iter().filter(|scenes| !scenes.is_empty()).map(row).collect();
        together(&rows).png()
    }
}

impl Stage for Sheet {
    fn show(&mut self, moment: &Moment<'_>, scene: Option<&Scene>) -> Result<ControlFlow<()>> {
        self.episodes.resize_with(moment.episode + 1, Vec::new);
        let scenes = &mut self.episodes[moment.episode];
        let every = self.every.entry(moment.episode).or_insert(1);
        if moment.step.is_multiple_of(*every) || end_of(moment).is_some() {
            scenes.extend(scene.cloned());
        }
        if scenes.len() == KEPT {
            let mut index = 0;
            scenes.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            *every *= 2;
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Returns the indices of evenly spaced moments, the first and the last among them.
fn chosen(moments: usize) -> Vec<usize> {
    let most = MOMENTS.min(moments);
    (0..most).map(|index| index * (moments - 1) / (most - 1).max(1)).collect()
}

/// The grey of the gaps.
const GREY: u8 = 208;

/// Returns rows of pictures of one size as one picture, with grey gaps.
fn together(rows: &[Vec<Picture>]) -> Picture {
    let all = || rows.iter().flatten();
    let [width, height] = [all().map(|one| one.width).max(), all().map(|one| one.height).max()]
        .map(|side| side.unwrap_or_default() as usize + GAP);
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let (total_width, total_height) = (columns * width + GAP, rows.len() * height + GAP);
    let mut rgb = vec![GREY; 3 * total_width * total_height];
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let line = 3 * picture.width as usize;
            for (y, pixels) in picture.rgb.chunks_exact(line).enumerate() {
                let start = 3 * ((GAP + row * height + y) * total_width + GAP + column * width);
                rgb[start..start + line].copy_from_slice(pixels);
            }
        }
    }
    let [width, height] =
        [total_width, total_height].map(|side| u32::try_from(side).expect("a picture of a few thousand pixels"));
    Picture { width, height, rgb }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_from_the_start_to_the_end() {
        assert_eq!(chosen(501), [0, 100, 200, 300, 400, 500]);
        assert_eq!([chosen(1), chosen(2), chosen(0)], [vec![0], vec![0, 1], vec![]]);
    }

    #[test]
    fn pictures_stand_in_rows_with_gaps() {
        let black = Picture { width: 2, height: 1, rgb: vec![0; 6] };
        let sheet = together(&[vec![black.clone(), black.clone()], vec![black]]);
        assert_eq!((sheet.width, sheet.height), (2 * 6 + 4, 2 * 5 + 4));
        let is_black = |x: usize, y: usize| sheet.rgb[3 * (y * 16 + x)] == 0;
        let ink: Vec<_> = (0..14).flat_map(|y| (0..16).map(move |x| (x, y))).filter(|&(x, y)| is_black(x, y)).collect();
        assert_eq!(ink, [(4, 4), (5, 4), (10, 4), (11, 4), (4, 9), (5, 9)]);
    }
}
