//! Lesson 5: a loss term of your own, added to the objective of PPO.
//!
//! A term is a name and a formula for each sample. [`LossContext`] has everything that the formula may use; the library
//! adds the mean, the gradient, the weight and the metric of that name. No other file needs to know the term.
//!
//! `cargo run --release -p burn-pg-examples --example 05_custom_loss`
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, UpdateStats,
    algorithm::Recipe,
    config::PpoConfig,
    device,
    envs::make,
    evaluate,
    loss::{LossContext, LossTerm, PerSample},
};

/// Half the mean squared change of the log-probabilities of the actions in an update,
///
/// ```text
/// L = 0.5 mean((log pi(a|s) - log pi_old(a|s))^2)
/// ```
///
/// which approximates KL(old || new) while it is small. The clip of PPO only stops pushing a sample that has gone too
/// far; this term pulls it back.
struct StayNear;

impl LossTerm for StayNear {
    fn name(&self) -> &'static str {
        "stay_near_loss"
    }

    fn compute(&self, context: &LossContext) -> PerSample {
        let moved = context.log_probs() - context.old_log_probs();
        PerSample::new(moved.square().mul_scalar(0.5))
    }
}

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.1} over 20 episodes", train(1.0)?.0);
    Ok(())
}

/// Trains a policy with the given weight on the new term. Returns the policy's mean return in fresh episodes, and the
/// mean of the term over all updates.
///
/// # Errors
/// If the device is unavailable, or training fails.
pub fn train(weight: f64) -> Result<(f64, f64), Error> {
    let config = Config::default()
        .with(|config| {
            config.run.total_steps = 30_000;
            config.rollout.num_steps = 64;
            config.algorithm = PpoConfig { num_epochs: 8, ..PpoConfig::default() }.into();
        })
        .validate()?;
    let device = device::open(DeviceChoice::Auto)?.device;
    let recipe = Recipe::of(&config)?.with(weight, StayNear);
    let mut trainer = recipe.build(make(&config.env.name, config.env.num_envs)?, &config, &device)?;
    let mut history = Vec::new();
    trainer.run(&mut |stats: &UpdateStats| {
        let (return_mean, moved) = (stats.episode_return_mean.unwrap_or(f64::NAN), stats.losses["stay_near_loss"]);
        println!("{:6} steps: mean return {return_mean:.1}, moved by {moved:.5}", stats.env_steps);
        history.push(moved);
        ControlFlow::Continue(())
    })?;
    let evaluation = evaluate(&trainer.agent()?, make(&config.env.name, 20)?, config.run.seed, false)?;
    Ok((evaluation.return_mean(), history.iter().sum::<f64>() / history.len() as f64))
}
