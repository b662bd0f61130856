//! Classic control tasks, as Gymnasium has them.

mod cartpole;

pub use cartpole::CartPole;
