//! The picture of both mountain cars: sizes and colours are Gymnasium's.

use super::POSITION;
use crate::{
    classic::window::{Bar, Window, turned},
    render::{Colour, Scene},
};

const WINDOW: Window = Window { width: 600.0, height: 400.0 };
/// Pixels per metre: the window shows all positions.
const SCALE: f64 = WINDOW.width / (POSITION.1 - POSITION.0);
/// Number of straight pieces of the road.
const PIECES: u32 = 99;
const CAR: Bar = Bar { x: (-20.0, 20.0), y: (0.0, 20.0) };
/// Height of the bottom of the car above the road.
const CLEARANCE: f64 = 10.0;
const WHEELS: [f64; 2] = [-10.0, 10.0];
const WHEEL_RADIUS: f64 = 8.0;
const WHEEL_COLOUR: Colour = Colour([128; 3]);
const FLAG_HEIGHT: f64 = 50.0;
const FLAG_COLOUR: Colour = Colour([204, 204, 0]);

/// Returns the picture of a car at `position`, with a flag at `goal`.
pub(in crate::classic) fn of(position: f64, goal: f64) -> Scene {
    let road = (0..=PIECES).map(|i| on_road(POSITION.0 + (POSITION.1 - POSITION.0) * f64::from(i) / f64::from(PIECES)));
    let [x, y] = on_road(position);
    let (car, tilt) = ([x, y + CLEARANCE], (3.0 * position).cos());
    let [flag, foot] = on_road(goal).map(f64::floor);
    let top = foot + FLAG_HEIGHT;

    // Gymnasium draws this line through the centres of pixels.
    let road = road.map(|[x, y]| [x + 0.5, y + 0.5]);
    let mut shapes = vec![WINDOW.line(road, 1.0), WINDOW.bar(&CAR, tilt, car, Colour::BLACK)];
    shapes.extend(WHEELS.map(|x| WINDOW.circle(turned([x, 0.0], tilt, car), WHEEL_RADIUS, WHEEL_COLOUR)));
    shapes.push(WINDOW.line([[flag + 0.5, foot], [flag + 0.5, top]], 1.0));
    shapes.push(WINDOW.polygon([[flag, top], [flag, top - 10.0], [flag + 25.0, top - 5.0]], FLAG_COLOUR));
    WINDOW.scene(shapes)
}

/// Returns the point of the road at `position`, in pixels.
fn on_road(position: f64) -> [f64; 2] {
    [(position - POSITION.0) * SCALE, ((3.0 * position).sin() * 0.45 + 0.55) * SCALE]
}
