//! Lesson 1: train PPO on CartPole-v1 from a program of your own, on a device of your choice.
//!
//! `cargo run --release -p burn-pg-examples --example 01_cartpole`
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, Trainer, UpdateStats, config::PpoConfig, device, envs::make, evaluate, optim::Schedule,
};

/// `Auto` takes a GPU if this build and this machine have one, and the CPU otherwise. To choose a backend, write
/// `DeviceChoice::Backend(burn_pg::device::Backend::Wgpu)`.
const DEVICE: DeviceChoice = DeviceChoice::Auto;

fn main() -> Result<(), Error> {
    let return_mean = train()?;
    println!("greedy: mean return {return_mean:.1} over 20 episodes");
    Ok(())
}

/// Trains a policy and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device is unavailable, or training fails.
pub fn train() -> Result<f64, Error> {
    let device = device::open(DEVICE)?.device;
    let config = Config::default()
        .with(|config| {
            config.env.name = "CartPole-v1".into();
            config.run.total_steps = 50_000;
            config.rollout.num_steps = 32;
            config.optimiser.learning_rate = Schedule::Linear { start: 1e-3, end: 0.0 }.into();
            config.algorithm = PpoConfig {
                num_epochs: 20,
                num_minibatches: 1,
                gamma: 0.98,
                gae_lambda: 0.8,
                clip_value: false,
                entropy_weight: 0.0.into(),
                ..PpoConfig::default()
            }
            .into();
        })
        .validate()?;

    let mut trainer = Trainer::of(&config, &device)?;
    trainer.run(&mut |stats: &UpdateStats| {
        let return_mean = stats.episode_return_mean.unwrap_or(f64::NAN);
        println!("{:6} steps: mean return {return_mean:.1}", stats.env_steps);
        // Stop once the mean return of the last 100 episodes is high enough.
        if return_mean >= 400.0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;

    let evaluation = evaluate(&trainer.agent()?, make(&config.env.name, 20)?, config.run.seed, false)?;
    Ok(evaluation.return_mean())
}
