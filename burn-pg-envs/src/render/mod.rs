//! Pictures of environments.
//!
//! A [`Scene`] is a picture as a list of shapes, without pixels. [`Env::render`](crate::Env::render) returns one of the
//! current state. With the feature `raster` a scene becomes pixels, a PNG file or a frame of an animated GIF.
//!
//! An environment of your own draws itself in a few lines. This house shows each room as a column, red if it is too warm
//! and blue if it is too cold:
//!
//! ```
//! # use burn_pg_envs::{Env, EnvRng, EnvSpec, Space, Step};
//! use burn_pg_envs::render::{Colour, Scene, Shape};
//!
//! # struct House { rooms: Vec<f32> }
//! impl Env for House {
//!     # type Action = [f32];
//!     # type State = Vec<f32>;
//!     # fn spec(&self) -> EnvSpec { EnvSpec::new("House-v0", Space::symmetric(&[1.0; 3]), Space::symmetric(&[1.0; 3])) }
//!     # fn reset(&mut self, _: &mut EnvRng, _: &mut [f32]) {}
//!     # fn step(&mut self, _: &[f32], _: &mut EnvRng, _: &mut [f32]) -> Step { unimplemented!() }
//!     # fn state(&self) -> Vec<f32> { self.rooms.clone() }
//!     # fn set_state(&mut self, rooms: Vec<f32>) { self.rooms = rooms; }
//!     // spec, reset, step, state and set_state as usual
//!     fn render(&self) -> Option<Scene> {
//!         let (middle, mut shapes) = (100.0, Vec::new());
//!         for (room, &error) in self.rooms.iter().enumerate() {
//!             let colour = if error > 0.0 { Colour([200, 60, 40]) } else { Colour([50, 90, 200]) };
//!             let (left, height) = (10.0 + 60.0 * room as f32, 90.0 * error.abs());
//!             let top = if error > 0.0 { middle - height } else { middle };
//!             shapes.push(Shape::rectangle([left, top], [50.0, height], colour));
//!         }
//!         Some(Scene::new(10.0 + 60.0 * self.rooms.len() as f32, 2.0 * middle, shapes))
//!     }
//! }
//! # let scene = House { rooms: vec![1.0, -0.5, 0.2] }.render().unwrap();
//! # assert_eq!((scene.width, scene.height, scene.shapes.len()), (190.0, 200.0, 3));
//! ```

#[cfg(feature = "raster")]
mod animation;
#[cfg(feature = "raster")]
mod palette;
#[cfg(feature = "raster")]
mod raster;
mod scene;

#[cfg(feature = "raster")]
pub use animation::{Gif, GifError};
#[cfg(feature = "raster")]
pub use raster::Picture;
pub use scene::{Colour, Point, Scene, Shape};
