//! Lesson 2: an environment of your own, written from scratch and trained with PPO.
//!
//! A hiker on a line of eleven places looks for the hut at its right end. Each step costs 0.1, and arriving gives 1.
//!
//! `cargo run --release -p burn-pg-examples --example 02_custom_env`
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, Trainer, UpdateStats, device,
    envs::{Env, EnvRng, EnvSpec, Space, Step, make, register_env},
    evaluate,
    optim::Schedule,
};

const HUT: u32 = 10;

/// The whole state of the environment: the place of the hiker.
#[derive(Default)]
struct Hike {
    place: u32,
}

impl Hike {
    /// Writes the place in the range 0 to 1: networks learn best from values of that size.
    fn observe(&self, observation: &mut [f32]) {
        observation[0] = self.place as f32 / HUT as f32;
    }
}

impl Env for Hike {
    /// 0 for left, 1 for right.
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        let spec =
            EnvSpec::new("Hike-v0", Space::Box { low: vec![0.0], high: vec![1.0], shape: vec![1] }, Space::discrete(2));
        // Episodes are truncated after 50 steps. That state is not terminal, so its value is bootstrapped.
        EnvSpec { max_episode_steps: Some(50), reward_threshold: Some(0.0), ..spec }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.place = rng.below(HUT);
        self.observe(observation);
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.place = if action == 1 { self.place + 1 } else { self.place.saturating_sub(1) };
        self.observe(observation);
        let arrived = self.place == HUT;
        Step { reward: if arrived { 1.0 } else { -0.1 }, terminated: arrived, truncated: false }
    }

    fn state(&self) -> u32 {
        self.place
    }

    fn set_state(&mut self, place: u32) {
        self.place = place;
    }
}

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.2} over 100 episodes", train()?);
    Ok(())
}

/// Trains a policy and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device is unavailable, or training fails.
pub fn train() -> Result<f64, Error> {
    register_env::<Hike>()?;
    let config = Config::default().with(|config| {
        config.env.name = "Hike-v0".into();
        config.run.total_steps = 40_000;
        config.optimiser.learning_rate = Schedule::Linear { start: 1e-3, end: 0.0 }.into();
    });
    let config = config.validate()?;
    let device = device::open(DeviceChoice::Auto)?.device;
    let mut trainer = Trainer::of(&config, &device)?;
    trainer.run(&mut |stats: &UpdateStats| {
        println!("{:6} steps: mean return {:.2}", stats.env_steps, stats.episode_return_mean.unwrap_or(f64::NAN));
        ControlFlow::Continue(())
    })?;
    Ok(evaluate(&trainer.agent()?, make(&config.env.name, 100)?, config.run.seed, false)?.return_mean())
}
