//! Lesson 6: a network of your own, trained with the loop of the library.
//!
//! Actor and critic share a trunk with a residual block. The loop, the collector and the evaluation accept any
//! [`Policy`]. The library finds and trains its parameters because it is a [`Module`].
//!
//! `cargo run --release -p burn-pg-examples --example 06_custom_network`
#![forbid(unsafe_code)]

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, UpdateStats,
    algorithm::Recipe,
    burn::{self, module::Module, tensor},
    config::PpoConfig,
    device,
    distribution::Categorical,
    envs::{EnvRng, make},
    evaluate,
    policy::{Activation, Mlp, Observation, Policy, Prediction},
};

const WIDTH: usize = 64;

#[derive(Module, Debug)]
struct Residual {
    stem: Mlp,
    block: Mlp,
    actor: Mlp,
    critic: Mlp,
}

impl Residual {
    /// Weights come from `rng`, so they are the same on every device. The second argument of `mlp` is the gain of the
    /// last layer: with a small gain, the output of the block starts near 0, and the policy starts near uniform.
    fn new(inputs: usize, actions: usize, rng: &mut EnvRng, device: &tensor::Device) -> Self {
        let mut mlp = |sizes: &[usize], gain: f64| Mlp::new(sizes, Activation::Tanh, gain, rng, device);
        Self {
            stem: mlp(&[inputs, WIDTH], 1.0),
            block: mlp(&[WIDTH, WIDTH, WIDTH], 0.1),
            actor: mlp(&[WIDTH, actions], 0.01),
            critic: mlp(&[WIDTH, 1], 1.0),
        }
    }
}

impl Policy for Residual {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let stem = Activation::Tanh.apply(self.stem.forward(observation.vector()));
        let features = stem.clone() + self.block.forward(stem);
        let distribution = Categorical::new(self.actor.forward(features.clone()));
        Prediction::new(distribution).with_values(self.critic.forward(features).squeeze_dim(1))
    }
}

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.1} over 20 episodes", train()?);
    Ok(())
}

/// Trains a policy and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device is unavailable, or training fails.
pub fn train() -> Result<f64, Error> {
    let config = Config::default()
        .with(|config| {
            config.run.total_steps = 30_000;
            config.rollout.num_steps = 64;
            config.algorithm = PpoConfig { num_epochs: 8, ..PpoConfig::default() }.into();
        })
        .validate()?;
    let device = device::open(DeviceChoice::Auto)?.device;
    let envs = make(&config.env.name, config.env.num_envs)?;
    let mut trainer = Recipe::of(&config)?.build_with(envs, &config, &device, |spec, rng, device| {
        Ok(Residual::new(spec.observation_space.flat_len(), 2, rng, device))
    })?;
    trainer.run(&mut |stats: &UpdateStats| {
        println!("{:6} steps: mean return {:.1}", stats.env_steps, stats.episode_return_mean.unwrap_or(f64::NAN));
        ControlFlow::Continue(())
    })?;
    let evaluation = evaluate(&trainer.agent()?, make(&config.env.name, 20)?, config.run.seed, false)?;
    Ok(evaluation.return_mean())
}
