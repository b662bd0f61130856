//! Pictures as lists of shapes.

use std::sync::Arc;

/// A picture as a list of shapes.
///
/// All lengths are in pixels. The origin is the upper left corner, x points right and y points down. Whole numbers are
/// the borders between pixels: the first pixel covers 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Width in pixels, greater than 0.
    pub width: f32,
    /// Height in pixels, greater than 0.
    pub height: f32,
    /// Colour behind all shapes.
    pub background: Colour,
    /// The shapes, from back to front. What lies outside the picture is not shown.
    pub shapes: Vec<Shape>,
}

impl Scene {
    /// Creates a scene of `width` x `height` pixels with a white background.
    #[must_use]
    pub fn new(width: f32, height: f32, shapes: Vec<Shape>) -> Self {
        Self { width, height, background: Colour::WHITE, shapes }
    }
}

/// A point as x and y, in pixels from the upper left corner.
pub type Point = [f32; 2];

/// One shape of a [`Scene`]. A shape with a coordinate that is not finite, or pixels of another number than their sides
/// say, are not drawn.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Shape {
    /// A filled polygon.
    Polygon {
        /// The corners, at least 3. The last one is joined to the first.
        points: Vec<Point>,
        /// Colour of the area.
        colour: Colour,
    },
    /// A line through points, with round ends and corners.
    Line {
        /// The points, at least 2.
        points: Vec<Point>,
        /// Thickness in pixels.
        width: f32,
        /// Colour of the line.
        colour: Colour,
    },
    /// A filled circle.
    Circle {
        /// The centre.
        centre: Point,
        /// Radius in pixels.
        radius: f32,
        /// Colour of the area.
        colour: Colour,
    },
    /// A picture that covers the scene from its upper left corner on, one pixel for each unit of length.
    Pixels {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// Red, green and blue of each pixel, row by row from the top: `3 * width * height` bytes.
        rgb: Arc<[u8]>,
    },
}

impl Shape {
    /// Returns a filled rectangle with the upper left corner `corner`, `size` (width, height) pixels large.
    #[must_use]
    pub fn rectangle([x, y]: Point, [width, height]: [f32; 2], colour: Colour) -> Self {
        let (right, bottom) = (x + width, y + height);
        Self::Polygon { points: vec![[x, y], [right, y], [right, bottom], [x, bottom]], colour }
    }
}

/// An opaque colour: red, green and blue, each 0 to 255, as in an image file (sRGB).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour(pub [u8; 3]);

impl Colour {
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// White.
    pub const WHITE: Self = Self([255; 3]);
}
