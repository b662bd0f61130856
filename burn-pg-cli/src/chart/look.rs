//! Colours, dashes and markers.

use super::{
    Stroke,
    canvas::{Canvas, Paint, Pen, Place},
};

/// Colours that people with any colour vision can tell apart, and that differ in print (M. Okabe, K. Ito, 2002).
const COLOURS: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [0, 0, 0]];

/// The dashes of each colour, if lines differ in them.
const DASHES: [&[f64]; 7] =
    [&[], &[7.0, 3.0], &[2.0, 2.0], &[10.0, 3.0, 2.0, 3.0], &[14.0, 4.0], &[7.0, 2.5, 2.0, 2.5, 2.0, 2.5], &[4.0, 2.0]];

pub const BLACK: Paint = Paint { rgb: [0, 0, 0], opacity: 1.0 };
pub const WHITE: Paint = Paint { rgb: [255, 255, 255], opacity: 1.0 };

/// Half the size of a marker.
const MARKER: f64 = 4.0;
/// Width of the white edge around a marker.
const EDGE: f64 = 1.3;

impl Paint {
    /// Returns the colour of a group.
    pub fn of(colour: usize) -> Self {
        Self { rgb: COLOURS[colour % COLOURS.len()], opacity: 1.0 }
    }

    pub fn with_opacity(self, opacity: f64) -> Self {
        Self { opacity, ..self }
    }
}

impl Stroke {
    /// Returns the pen that draws lines of a colour; `patterns` if bold lines have the dashes of their colour.
    pub fn pen(self, colour: usize, patterns: bool) -> Pen {
        let paint = Paint::of(colour);
        match self {
            Self::Bold if patterns => Pen { paint, width: 2.0, dashes: DASHES[pattern(colour) % DASHES.len()] },
            Self::Bold => Pen { paint, width: 2.0, dashes: &[] },
            Self::Faint => Pen { paint: paint.with_opacity(0.3), width: 1.0, dashes: &[] },
            Self::Dashed => Pen { paint, width: 1.2, dashes: &[5.0, 4.0] },
        }
    }
}

/// Returns the number of a pattern. When colours begin anew, they have other patterns.
fn pattern(colour: usize) -> usize {
    colour + colour / COLOURS.len()
}

/// Draws the marker of a colour.
pub fn draw_marker(canvas: &mut dyn Canvas, colour: usize, [x, y]: Place) {
    let mut draw = |corners: &[Place], size: f64, paint: Paint| {
        let outline: Vec<Place> = corners.iter().map(|[dx, dy]| [x + dx * size, y + dy * size]).collect();
        canvas.fill(&outline, paint);
    };
    let corners = corners(colour);
    // Pointed corners move further than edges when a marker grows.
    draw(&corners, MARKER + EDGE * if corners.len() < 5 { 1.5 } else { 1.0 }, WHITE);
    draw(&corners, MARKER, Paint::of(colour));
}

/// Returns the corners of the marker of a colour, about 1 away from its middle.
fn corners(colour: usize) -> Vec<Place> {
    let around = |count: u32, radius: f64, turn: f64| {
        let corner = move |at| {
            let (sin, cos) = (std::f64::consts::TAU * (f64::from(at) / f64::from(count) + turn)).sin_cos();
            [radius * cos, radius * sin]
        };
        (0..count).map(corner).collect()
    };
    match pattern(colour) % COLOURS.len() {
        0 => around(20, 1.0, 0.0),
        1 => around(4, 1.25, 0.125),
        2 => around(3, 1.3, -0.25),
        3 => around(4, 1.3, 0.0),
        4 => around(3, 1.3, 0.25),
        5 => star(0.0),
        _ => star(0.125),
    }
}

/// Returns the corners of a plus, turned by a part of a whole turn.
fn star(turn: f64) -> Vec<Place> {
    let (arm, half) = (1.25, 0.38);
    let quarter = [[half, -half], [arm, -half], [arm, half]];
    let corner = |at: u32| {
        let [x, y] = quarter[at as usize % 3];
        let (sin, cos) = (std::f64::consts::TAU * (f64::from(at / 3) / 4.0 + turn)).sin_cos();
        [x * cos - y * sin, x * sin + y * cos]
    };
    (0..12).map(corner).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_groups_look_the_same() {
        let looks: Vec<_> = (0..49).map(|colour| (Stroke::Bold.pen(colour, true), corners(colour))).collect();
        for (at, look) in looks.iter().enumerate() {
            assert!(!looks[..at].contains(look), "{at}");
        }
        // Nor the first seven without colours.
        for (at, (pen, corners)) in looks[..7].iter().enumerate() {
            assert!(looks[..at].iter().all(|look| look.0.dashes != pen.dashes && look.1 != *corners), "{at}");
        }
    }
}
