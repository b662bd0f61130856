//! Gymnasium's windows, in which x points right and y points up.

use crate::render::{Colour, Point, Scene, Shape};

/// A window of Gymnasium's, in pixels.
pub(super) struct Window {
    pub width: f64,
    pub height: f64,
}

/// A rectangle by its left and right, lower and upper border, in pixels.
pub(super) struct Bar {
    pub x: (f64, f64),
    pub y: (f64, f64),
}

#[allow(clippy::cast_possible_truncation)] // pictures are single precision
impl Window {
    /// Returns the scene of these shapes, on white.
    pub fn scene(&self, shapes: Vec<Shape>) -> Scene {
        Scene::new(self.width as f32, self.height as f32, shapes)
    }

    /// Returns a point of the window as a point of the scene.
    pub fn point(&self, [x, y]: [f64; 2]) -> Point {
        [x as f32, (self.height - y) as f32]
    }

    /// Returns the polygon through points of the window.
    pub fn polygon<const N: usize>(&self, points: [[f64; 2]; N], colour: Colour) -> Shape {
        Shape::Polygon { points: points.map(|point| self.point(point)).into(), colour }
    }

    /// Returns a rectangle that is turned by `angle` (rad, counter-clockwise) about its origin, which lies at `at`.
    pub fn bar(&self, bar: &Bar, angle: f64, at: [f64; 2], colour: Colour) -> Shape {
        let &Bar { x: (left, right), y: (low, high) } = bar;
        let corners = [[left, low], [left, high], [right, high], [right, low]];
        self.polygon(corners.map(|corner| turned(corner, angle, at)), colour)
    }

    /// Returns a filled circle.
    pub fn circle(&self, centre: [f64; 2], radius: f64, colour: Colour) -> Shape {
        Shape::Circle { centre: self.point(centre), radius: radius as f32, colour }
    }

    /// Returns a black line through points of the window.
    pub fn line(&self, points: impl IntoIterator<Item = [f64; 2]>, width: f64) -> Shape {
        let points = points.into_iter().map(|point| self.point(point)).collect();
        Shape::Line { points, width: width as f32, colour: Colour::BLACK }
    }
}

/// Returns `point` turned by `angle` (rad, counter-clockwise) about the origin, which is then moved to `at`.
pub(super) fn turned([x, y]: [f64; 2], angle: f64, at: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = angle.sin_cos();
    [at[0] + cos * x - sin * y, at[1] + sin * x + cos * y]
}
