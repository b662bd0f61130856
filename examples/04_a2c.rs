//! Lesson 4: an algorithm is a choice of parts. This one is advantage actor-critic, made of parts of the library.
//!
//! Each part can be replaced, also by one of your own, without changing the others. Unlike
//! [`Recipe::a2c`](burn_pg::algorithm::Recipe::a2c), this lesson uses the advantages of the original paper, RMSProp,
//! and a learning rate that falls.
//!
//! `cargo run --release -p burn-pg-examples --example 04_a2c`
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, Learner, Parts, Trainer, UpdateStats,
    advantage::{Bootstrap, RewardToGo},
    config::A2cConfig,
    device,
    envs::{EnvRng, make},
    evaluate,
    loss::{Entropy, Objective, PolicyGradient, Value, ValueClip},
    optim::{RmsProp, RmsPropSpec, Schedule},
    policy::{ActorCritic, NetworkSpec},
    source::{Collector, EnvSource, RolloutLength},
    update::Epochs,
};

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.1} over 20 episodes", train()?);
    Ok(())
}

/// Trains a policy and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device is unavailable, or training fails.
pub fn train() -> Result<f64, Error> {
    // From the configuration, the loop reads how long to train. The parts below are configured by their arguments.
    let config = Config::default()
        .with(|config| {
            config.run.total_steps = 100_000;
            config.env.num_envs = 16;
            config.rollout.num_steps = 8;
            config.algorithm = A2cConfig::default().into();
        })
        .validate()?;
    let device = device::open(DeviceChoice::Auto)?.device;
    let envs = make(&config.env.name, config.env.num_envs)?;
    let rng = &mut EnvRng::new(config.run.seed);
    let policy = ActorCritic::new(envs.spec(), &NetworkSpec::default(), rng, &device.clone().autodiff())?;

    // Sample: a few steps of each environment.
    let collector = Collector::new(envs, RolloutLength::Steps(config.rollout.num_steps), config.run.seed, &device)?;
    // Estimate: the rewards until the end of the rollout and the critic's value of what follows, minus the critic's
    // value of the state.
    let estimator = RewardToGo { gamma: 0.99, baseline: true, bootstrap: Bootstrap::NextValues };
    // Improve: one step on all samples.
    let objective =
        Objective::new().with(1.0, PolicyGradient).with(0.5, Value { clip: ValueClip::Off }).with(0.01, Entropy);
    let optimiser = Box::new(RmsProp::new(RmsPropSpec { epsilon: 1e-5, ..RmsPropSpec::default() }));
    let learner = Learner { max_grad_norm: 0.5, ..Learner::new(objective, optimiser) };
    let update = Epochs::once(learner, Schedule::Linear { start: 2e-3, end: 0.0 });

    let parts = Parts { policy, source: EnvSource::new(collector, Box::new(estimator)), update: Box::new(update) };
    let mut trainer = Trainer::new(parts, &config, &device)?;
    trainer.run(&mut |stats: &UpdateStats| {
        if stats.update.is_multiple_of(20) {
            let return_mean = stats.episode_return_mean.unwrap_or(f64::NAN);
            println!("{:6} steps: mean return {return_mean:.1}", stats.env_steps);
        }
        ControlFlow::Continue(())
    })?;
    Ok(evaluate(&trainer.agent()?, make(&config.env.name, 20)?, config.run.seed, false)?.return_mean())
}
