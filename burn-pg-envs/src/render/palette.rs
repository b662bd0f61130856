//! Pixels as indices of a palette.

use std::collections::HashMap;

/// Largest number of colours of a frame; one more index is left for transparent pixels.
const COLOURS: usize = 255;

type Rgb = [u8; 3];

/// Pixels as indices of a palette. `transparent` is the index of pixels that are not drawn.
pub(super) struct Indexed {
    pub pixels: Vec<u8>,
    /// Red, green and blue of each colour.
    pub palette: Vec<u8>,
    pub transparent: u8,
}

/// Returns the indices of `pixels`, of which `None` is transparent. Up to 255 colours are exact. Of more, the 255 most
/// frequent ones are, and each of the others becomes the nearest of them.
pub(super) fn index(pixels: impl Iterator<Item = Option<Rgb>> + Clone) -> Indexed {
    let mut counts: HashMap<Rgb, usize> = HashMap::new();
    // Most pixels have the colour of the pixel before, which then needs no look-up.
    let mut run: Option<(Rgb, usize)> = None;
    for pixel in pixels.clone().flatten() {
        match &mut run {
            Some((colour, count)) if *colour == pixel => *count += 1,
            _ => {
                if let Some((colour, count)) = run.replace((pixel, 1)) {
                    *counts.entry(colour).or_default() += count;
                }
            }
        }
    }
    if let Some((colour, count)) = run {
        *counts.entry(colour).or_default() += count;
    }
    let mut colours: Vec<(Rgb, usize)> = counts.into_iter().collect();
    // The colour itself decides between equal counts, so that the same frames give the same file.
    colours.sort_unstable_by_key(|&(colour, count)| (std::cmp::Reverse(count), colour));
    let colours: Vec<Rgb> = colours.into_iter().map(|(colour, _)| colour).collect();
    let (palette, rare) = colours.split_at(colours.len().min(COLOURS));

    let exact = palette.iter().zip(0u8..).map(|(&colour, index)| (colour, index));
    let nearest = rare.iter().map(|&colour| (colour, nearest(palette, colour)));
    let indices: HashMap<Rgb, u8> = exact.chain(nearest).collect();
    #[allow(clippy::cast_possible_truncation)] // at most `COLOURS`
    let transparent = palette.len() as u8;
    let mut before: Option<(Rgb, u8)> = None;
    let mut look_up = |colour: Rgb| match before {
        Some((same, index)) if same == colour => index,
        _ => {
            let index = indices[&colour];
            before = Some((colour, index));
            index
        }
    };
    let pixels = pixels.map(|pixel| pixel.map_or(transparent, &mut look_up)).collect();
    let palette = palette.iter().copied().chain([[0; 3]]).flatten().collect();
    Indexed { pixels, palette, transparent }
}

/// Returns the index of the colour of `palette` with the least squared distance from `colour`.
fn nearest(palette: &[Rgb], colour: Rgb) -> u8 {
    let distance =
        |other: &Rgb| -> u32 { other.iter().zip(colour).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
    (0u8..).zip(palette).min_by_key(|(_, other)| distance(other)).map_or(0, |(index, _)| index)
}
