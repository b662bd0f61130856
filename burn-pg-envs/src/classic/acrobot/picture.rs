//! The picture of [`Acrobot`](super::Acrobot): sizes and colours are Gymnasium's.

use std::f64::consts::FRAC_PI_2;

use super::LENGTH;
use crate::{
    classic::window::{Bar, Window, turned},
    render::{Colour, Scene},
};

const WINDOW: Window = Window { width: 500.0, height: 500.0 };
/// Pixels per metre: the window shows 2.2 m to each side of the fixed point.
const SCALE: f64 = WINDOW.width / (2.0 * (2.0 * LENGTH + 0.2));
const FIXED_POINT: [f64; 2] = [WINDOW.width / 2.0, WINDOW.height / 2.0];
const HALF_WIDTH: f64 = 0.1 * SCALE;
const LINK: Bar = Bar { x: (0.0, LENGTH * SCALE), y: (-HALF_WIDTH, HALF_WIDTH) };
const LINK_COLOUR: Colour = Colour([0, 204, 204]);
const JOINT_COLOUR: Colour = Colour([204, 204, 0]);

pub(super) fn of([first, second, ..]: [f64; 4]) -> Scene {
    // Angles are 0 for links that hang down.
    let angles = [first - FRAC_PI_2, first + second - FRAC_PI_2];
    let joint = turned([LENGTH * SCALE, 0.0], angles[0], FIXED_POINT);
    // The line that the free end must reach, in the middle of a row of pixels.
    let goal = (FIXED_POINT[1] + LENGTH * SCALE).floor() + 0.5;
    let mut shapes = vec![WINDOW.line([[0.0, goal], [WINDOW.width, goal]], 1.0)];
    for (at, angle) in [FIXED_POINT, joint].into_iter().zip(angles) {
        shapes.push(WINDOW.bar(&LINK, angle, at, LINK_COLOUR));
        shapes.push(WINDOW.circle(at, HALF_WIDTH, JOINT_COLOUR));
    }
    WINDOW.scene(shapes)
}
