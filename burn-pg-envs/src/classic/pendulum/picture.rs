//! The picture of [`Pendulum`](super::Pendulum): sizes and colours are Gymnasium's. The arrow is drawn here; it is an image
//! in Gymnasium.

use std::f64::consts::{FRAC_PI_2, PI};

use crate::{
    classic::window::{Bar, Window, turned},
    render::{Colour, Scene, Shape},
};

const WINDOW: Window = Window { width: 500.0, height: 500.0 };
/// Pixels per metre: the window shows 2.2 m to each side of the axle.
const SCALE: f64 = WINDOW.width / 4.4;
const AXLE: [f64; 2] = [WINDOW.width / 2.0, WINDOW.height / 2.0];
const AXLE_RADIUS: f64 = 0.05 * SCALE;
const HALF_WIDTH: f64 = 0.1 * SCALE;
const ROD: Bar = Bar { x: (0.0, SCALE), y: (-HALF_WIDTH, HALF_WIDTH) };
const ROD_COLOUR: Colour = Colour([204, 77, 77]);
/// Number of straight pieces of the arrow's arc.
const PIECES: u32 = 48;

pub(super) fn of(angle: f64, torque: Option<f32>) -> Scene {
    // The angle is 0 for a rod that stands upright.
    let angle = angle + FRAC_PI_2;
    let end = turned([SCALE, 0.0], angle, AXLE);
    let mut shapes = vec![WINDOW.bar(&ROD, angle, AXLE, ROD_COLOUR)];
    shapes.extend([AXLE, end].map(|at| WINDOW.circle(at, HALF_WIDTH, ROD_COLOUR)));
    shapes.extend(torque.into_iter().flat_map(|torque| arrow(torque.into())));
    shapes.push(WINDOW.circle(AXLE, AXLE_RADIUS, Colour::BLACK));
    WINDOW.scene(shapes)
}

/// Returns an arrow of three quarters of a circle about the axle, in the direction of the torque, whose size is
/// proportional to it.
fn arrow(torque: f64) -> [Shape; 2] {
    let size = torque.abs() / 2.0 * SCALE;
    let radius = 0.465 * size;
    // A positive torque turns counter-clockwise: from the top over the left to the right.
    let at = |turn: f64, radius: f64| turned([0.0, radius], torque.signum() * turn, AXLE);
    let arc = (0..=PIECES).map(|i| at(1.5 * PI * f64::from(i) / f64::from(PIECES), radius));
    let head = [(0.36, 0.0), (-0.06, 0.15), (0.03, 0.0), (-0.06, -0.15)];
    let head = head.map(|(ahead, outward)| at(1.5 * PI + ahead, radius * (1.0 + outward)));
    [WINDOW.line(arc, 0.034 * size), WINDOW.polygon(head, Colour::BLACK)]
}
