//! Lesson 8: a convolutional policy for images of your own, with a run directory from which a killed run resumes.
//!
//! Apples and bombs fall in an image of 10 x 10 pixels and 4 planes: the basket, the apple, the bomb, and the place of
//! the apple or bomb one step before. An apple gives 1, a bomb -1. The basket is 3 pixels wide; its middle is drawn.
//!
//! `cargo run --release -p burn-pg-examples --example 08_images -- runs/catch` begins or resumes a run. Then
//! `burn-pg export runs/catch --format onnx --out catch.onnx` writes the policy for onnxruntime.
#![forbid(unsafe_code)]

use std::{error::Error, ops::ControlFlow, path::Path};

use burn_pg::{
    Config, DeviceChoice, UpdateStats,
    algorithm::Recipe,
    device,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    evaluate,
    optim::Schedule,
    policy::{Activation, EncoderSpec},
    run::{EarlierRun, RunDir, Session},
};
use serde::{Deserialize, Serialize};

const SIDE: usize = 10;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Catch {
    basket: usize,
    bomb: bool,
    at: [usize; 2], // row and column of the apple or the bomb
    before: [usize; 2],
    drift: usize, // columns to the right in each step, wrapping around
}

impl Catch {
    fn draw(&self, image: &mut [f32]) {
        image.fill(0.0);
        let thing = 1 + usize::from(self.bomb);
        for (plane, [row, column]) in [(0, [SIDE - 1, self.basket]), (thing, self.at), (3, self.before)] {
            image[(plane * SIDE + row) * SIDE + column] = 1.0;
        }
    }
}

impl Env for Catch {
    type Action = u32;
    type State = Self;

    fn spec(&self) -> EnvSpec {
        let image = Space::Image { shape: [4, SIDE, SIDE], high: 1 };
        EnvSpec { max_episode_steps: Some(20), ..EnvSpec::new("Catch-v0", image, Space::discrete(3)) }
    }

    fn reset(&mut self, rng: &mut EnvRng, image: &mut [f32]) {
        let [basket, column, drift] = [10, 10, 3].map(|n| rng.below(n) as usize);
        let at = [0, column];
        *self = Self { basket, bomb: rng.below(2) == 1, at, before: at, drift: (drift + SIDE - 1) % SIDE };
        self.draw(image);
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, image: &mut [f32]) -> Step {
        self.basket = (self.basket + action as usize).saturating_sub(1).min(SIDE - 1);
        self.before = self.at;
        self.at = [self.at[0] + 1, (self.at[1] + self.drift) % SIDE];
        self.draw(image);
        let (down, caught) = (self.at[0] == SIDE - 1, self.at[1].abs_diff(self.basket) <= 1);
        let reward = if self.bomb { -1.0 } else { 1.0 } * f64::from(u8::from(down && caught));
        Step { reward, terminated: down, truncated: false }
    }

    fn state(&self) -> Self {
        self.clone()
    }
    fn set_state(&mut self, state: Self) {
        *self = state;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "runs/catch".into());
    train(path.as_ref(), 200_000, u64::MAX).map(|mean| println!("mean return {mean:.2} over 200 episodes"))
}

/// Begins or resumes a run until `total_steps` or the end of update `stop`. Returns the mean return.
pub(crate) fn train(path: &Path, total_steps: u64, stop: u64) -> Result<f64, Box<dyn Error>> {
    let config = Config::default().with(|Config { run, env, rollout, network, optimiser, checkpoint, .. }| {
        (run.total_steps, env.name, env.num_envs, rollout.num_steps) = (total_steps, "Catch-v0".into(), 16, 32);
        (network.encoder, network.activation) = (EncoderSpec::minatar(), Activation::Relu);
        (network.hidden_sizes, network.shared_layers) = (vec![64], true);
        (optimiser.learning_rate, checkpoint.interval) = (Schedule::Linear { start: 2e-3, end: 0.0 }.into(), Some(10));
    });
    let (config, device) = (config.validate()?, device::open(DeviceChoice::Auto)?.device);
    let trainer = Recipe::of(&config)?.build(Box::new(VecEnv::<Catch>::new(16)?), &config, &device)?;
    let mut session = match path.exists() {
        true => EarlierRun::open(path, None)?.resume(trainer)?,
        false => Session::begin(trainer, RunDir::create(path)?)?,
    };
    let flow = |update: u64| if update < stop { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
    session.train(&mut |stats: &UpdateStats| flow(stats.update)).map_err(|stopped| stopped.error)?;
    Ok(evaluate(&session.trainer().agent()?, Box::new(VecEnv::<Catch>::new(200)?), 1, false)?.return_mean())
}
