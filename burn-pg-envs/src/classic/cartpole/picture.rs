//! The picture of [`CartPole`](super::CartPole): sizes and colours are Gymnasium's.

use super::{HALF_LENGTH, POSITION_LIMIT};
use crate::{
    classic::window::{Bar, Window},
    render::{Colour, Scene},
};

const WINDOW: Window = Window { width: 600.0, height: 400.0 };
/// Pixels per metre: the window shows the positions within ±[`POSITION_LIMIT`].
const SCALE: f64 = WINDOW.width / (2.0 * POSITION_LIMIT);
/// Height of the track, which the middle of the cart runs on.
const TRACK: f64 = 100.0;
const CART: Bar = Bar { x: (-25.0, 25.0), y: (-15.0, 15.0) };
/// Height of the axle above the middle of the cart.
const AXLE: f64 = 7.5;
const POLE_WIDTH: f64 = 10.0;
const POLE_COLOUR: Colour = Colour([202, 152, 101]);
const AXLE_COLOUR: Colour = Colour([129, 132, 203]);

pub(super) fn of([position, _, angle, _]: [f64; 4]) -> Scene {
    let x = position * SCALE + WINDOW.width / 2.0;
    let axle = [x, TRACK + AXLE];
    let half_width = POLE_WIDTH / 2.0;
    let pole = Bar { x: (-half_width, half_width), y: (-half_width, 2.0 * HALF_LENGTH * SCALE - half_width) };
    WINDOW.scene(vec![
        WINDOW.bar(&CART, 0.0, [x, TRACK], Colour::BLACK),
        WINDOW.bar(&pole, -angle, axle, POLE_COLOUR),
        WINDOW.circle(axle, half_width, AXLE_COLOUR),
        WINDOW.line([[0.0, TRACK + 0.5], [WINDOW.width, TRACK + 0.5]], 1.0),
    ])
}
