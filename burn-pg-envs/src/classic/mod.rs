//! Gymnasium's classic control tasks.

mod acrobot;
mod cartpole;
mod mountain_car;
mod mountain_car_continuous;
mod pendulum;
mod window;

pub use acrobot::{Acrobot, Dynamics};
pub use cartpole::{CartPole, Integrator};
pub use mountain_car::MountainCar;
pub use mountain_car_continuous::MountainCarContinuous;
pub use pendulum::Pendulum;
