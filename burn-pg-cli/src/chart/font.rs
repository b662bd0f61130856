//! The font of pictures: DejaVu Sans, with Latin and Greek letters. Its licence is in `font/LICENSE`.

use std::sync::LazyLock;

use ttf_parser::{Face, OutlineBuilder};

static FACE: LazyLock<Face<'static>> =
    LazyLock::new(|| Face::parse(include_bytes!("font/DejaVuSans-subset.ttf"), 0).expect("the font is whole"));

/// Returns how wide a text is. Few sans-serif fonts are wider, so the width is also used for SVG.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|letter| advance(letter) * scale(size)).sum()
}

/// Adds the outlines of a text to a path, whose axes point right and up, in units of a pixel. It starts at 0.
pub fn outline(text: &str, size: f64, path: &mut impl OutlineBuilder) {
    let scale = scale(size);
    let mut x = 0.0;
    for letter in text.chars() {
        let mut moved = Moved { path, x, scale };
        // A letter that the font does not have is a box.
        FACE.outline_glyph(FACE.glyph_index(letter).unwrap_or_default(), &mut moved);
        x += advance(letter) * scale;
    }
}

fn advance(letter: char) -> f64 {
    let glyph = FACE.glyph_index(letter).unwrap_or_default();
    FACE.glyph_hor_advance(glyph).map_or(0.0, f64::from)
}

fn scale(size: f64) -> f64 {
    size / f64::from(FACE.units_per_em())
}

/// A path, to which glyphs are added in another place and size.
struct Moved<'a, P> {
    path: &'a mut P,
    x: f64,
    scale: f64,
}

impl<P> Moved<'_, P> {
    #[allow(clippy::cast_possible_truncation)] // places in a picture
    fn place(&self, x: f32, y: f32) -> (f32, f32) {
        ((self.x + f64::from(x) * self.scale) as f32, (f64::from(y) * self.scale) as f32)
    }
}

impl<P: OutlineBuilder> OutlineBuilder for Moved<'_, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.place(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.place(x1, y1), self.place(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.path.curve_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// Breaks a text into lines that are at most `most` wide, at spaces. A longer word is a line of its own.
pub fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // DejaVu Sans has 2048 units; its digits are 1303 wide.
        assert!((width("100", 2048.0) - 3.0 * 1303.0).abs() < 1e-9);
        assert_eq!(width("", 13.0), 0.0);
        // All characters that charts use themselves are there.
        assert!("0123456789.kMBe−γ %é".chars().all(|letter| FACE.glyph_index(letter).is_some()));
    }

    #[test]
    fn texts_are_broken_at_spaces() {
        assert_eq!(wrapped("100 100 1", 2048.0, 6000.0), ["100", "100 1"]);
        assert_eq!(wrapped("100", 2048.0, 10.0), ["100"]);
        assert!(wrapped("", 2048.0, 10.0).is_empty());
    }
}
