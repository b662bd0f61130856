//! Lesson 10: the whole command line for an environment of your own.
//!
//! `cargo run --release -p burn-pg-examples --example 10_command_line -- train Coin-v0 --total-steps 20000`
#![forbid(unsafe_code)]

use std::process::ExitCode;

use burn_pg::envs::{Env, EnvRng, EnvSpec, Space, Step};

/// A coin is shown, 0 or 1; the action that names it gives 1. An episode has ten coins.
struct Coin(u32);

impl Env for Coin {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new("Coin-v0", Space::symmetric(&[1.0]), Space::discrete(2));
        EnvSpec { max_episode_steps: Some(10), ..spec }
    }
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = rng.below(2);
        observation[0] = self.0 as f32;
    }
    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let reward = f64::from(u8::from(action == self.0));
        self.reset(rng, observation);
        Step { reward, terminated: false, truncated: false }
    }
    fn state(&self) -> u32 {
        self.0
    }
    fn set_state(&mut self, coin: u32) {
        self.0 = coin;
    }
}
/// The program: `train`, `eval`, `act`, `export` and the other commands know Coin-v0.
pub fn main() -> ExitCode {
    burn_pg_cli::main_with(|registry| registry.add(|| Coin(0)))
}
