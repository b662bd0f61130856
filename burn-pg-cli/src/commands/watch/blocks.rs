//! Pictures as characters of a terminal.

use std::fmt::Write;

use burn_pg::envs::render::Picture;

/// How a terminal shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// All colours, two pixels a character.
    True,
    /// The 256 colours of xterm, two pixels a character.
    Indexed,
    /// None: eight dots a character.
    None,
}

impl Colours {
    /// Returns what the environment variables of a terminal say.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, value: &str| variable(name).is_some_and(|found| found.contains(value));
        if variable("NO_COLOR").is_some_and(|set| !set.is_empty()) || is("TERM", "dumb") {
            Self::None
        } else if is("COLORTERM", "truecolor") || is("COLORTERM", "24bit") {
            Self::True
        } else {
            Self::Indexed
        }
    }

    /// Returns the width and height in pixels of a character.
    pub fn pixels(self) -> [u32; 2] {
        if self == Self::None { [2, 4] } else { [1, 2] }
    }

    /// Returns the rows of characters of a picture.
    pub fn rows(self, picture: &Picture) -> Vec<String> {
        let [_, height] = self.pixels();
        (0..picture.height)
            .step_by(height as usize)
            .map(|top| match self {
                Self::None => braille(picture, top),
                _ => self.half_blocks(picture, top),
            })
            .collect()
    }

    /// Returns a row of upper half blocks, each in the colour of the upper pixel on a background of the lower one.
    fn half_blocks(self, picture: &Picture, top: u32) -> String {
        let (mut row, mut last) = (String::new(), None);
        for x in 0..picture.width {
            let colours = [pixel(picture, x, top), pixel(picture, x, top + 1)];
            if last != Some(colours) {
                let [upper, lower] = colours.map(|colour| self.code(colour));
                let _ = write!(row, "\x1b[38;{upper};48;{lower}m");
                last = Some(colours);
            }
            row.push('▀');
        }
        row + "\x1b[0m"
    }

    /// Returns the end of the control sequence for a colour.
    fn code(self, [red, green, blue]: [u8; 3]) -> String {
        match self {
            Self::True => format!("2;{red};{green};{blue}"),
            _ => format!("5;{}", indexed([red, green, blue])),
        }
    }
}

/// Returns the nearest of xterm's 256 colours: of its cube of 6x6x6, or of its 24 shades of grey.
fn indexed(colour: [u8; 3]) -> u32 {
    const LEVELS: [i32; 6] = [0, 95, 135, 175, 215, 255];
    let distance = |other: [i32; 3]| -> i32 {
        colour.into_iter().zip(other).map(|(ours, theirs)| (i32::from(ours) - theirs).pow(2)).sum()
    };
    let nearest = |value: u8| (0..).zip(LEVELS).min_by_key(|(_, level)| (level - i32::from(value)).abs());
    let cube = colour.map(|value| nearest(value).expect("there are six levels"));
    let index = cube.iter().fold(0, |index, (level, _)| 6 * index + level) + 16;
    let in_cube = distance(cube.map(|(_, level)| level));
    let grey = (0..24).min_by_key(|&shade| distance([8 + 10 * shade; 3])).unwrap_or_default();
    if distance([8 + 10 * grey; 3]) < in_cube { 232 + grey.unsigned_abs() } else { index }
}

/// Returns a row of characters with a dot for each pixel that differs from the background, which is the pixel at the top left.
fn braille(picture: &Picture, top: u32) -> String {
    /// The bits of the dots, row by row.
    const DOTS: [[u32; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
    let background = pixel(picture, 0, 0);
    let differs =
        |x, y| pixel(picture, x, y).into_iter().zip(background).any(|(ours, theirs)| ours.abs_diff(theirs) > 64);
    let cell = |left: u32| {
        let dots = DOTS.iter().zip(top..).flat_map(|(row, y)| row.iter().zip(left..).map(move |(bit, x)| (*bit, x, y)));
        let bits = dots.filter(|&(_, x, y)| differs(x, y)).fold(0, |bits, (bit, ..)| bits | bit);
        char::from_u32(0x2800 + bits).unwrap_or(' ')
    };
    (0..picture.width).step_by(2).map(cell).collect()
}

/// Returns the colour of a pixel, or of the nearest one if it is outside the picture.
fn pixel(picture: &Picture, x: u32, y: u32) -> [u8; 3] {
    let (x, y) = (x.min(picture.width - 1), y.min(picture.height - 1));
    let at = 3 * (y * picture.width + x) as usize;
    [picture.rgb[at], picture.rgb[at + 1], picture.rgb[at + 2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, ink: &[[u32; 2]]) -> Picture {
        let mut rgb = vec![255; (3 * width * height) as usize];
        for [x, y] in ink {
            rgb[3 * (y * width + x) as usize..][..3].fill(0);
        }
        Picture { width, height, rgb }
    }

    #[test]
    fn half_blocks_have_two_pixels_and_change_colours_only_where_needed() {
        let rows = Colours::True.rows(&picture(3, 3, &[[2, 0]]));
        let white = "\x1b[38;2;255;255;255;48;2;255;255;255m";
        assert_eq!(rows[0], format!("{white}▀▀\x1b[38;2;0;0;0;48;2;255;255;255m▀\x1b[0m"));
        // Below the last row of pixels is the last row.
        assert_eq!(rows[1..], [format!("{white}▀▀▀\x1b[0m")]);
        assert_eq!(Colours::Indexed.rows(&picture(1, 2, &[])), ["\x1b[38;5;231;48;5;231m▀\x1b[0m"]);
    }

    #[test]
    fn braille_has_a_dot_for_each_pixel_that_is_not_background() {
        assert_eq!(Colours::None.rows(&picture(4, 4, &[[1, 0], [0, 3]])), ["⡈⠀"]);
    }

    #[test]
    fn the_nearest_of_256_colours_is_found() {
        assert_eq!([[0, 0, 0], [255, 255, 255], [129, 132, 203], [128, 128, 128]].map(indexed), [16, 231, 104, 244]);
    }

    #[test]
    fn colours_are_those_of_the_terminal() {
        let of = |variables: &[(&str, &str)]| {
            Colours::of(|name| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned()))
        };
        assert_eq!(of(&[("COLORTERM", "truecolor")]), Colours::True);
        assert_eq!(of(&[("TERM", "xterm-256color")]), Colours::Indexed);
        assert_eq!(of(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), Colours::None);
        assert_eq!(of(&[("TERM", "dumb")]), Colours::None);
    }
}
