//! Lesson 11: an environment of your own that runs on a GPU.
//!
//! A drone holds its height with a motor that is off or on. The drone is written twice: for the host, where evaluations run
//! on every machine, and for GPUs, where a whole rollout of thousands of drones takes a few kernels.
//!
//! `cargo run --release -p burn-pg-examples --features wgpu --example 11_gpu_environment`; with `-- wgpu` (or another
//! backend) it uses this backend. In a build without a GPU backend, and on the CPU, the same program trains on the host.
#![forbid(unsafe_code)]

use std::{error::Error, ops::ControlFlow};

use burn_pg::{
    Config, DeviceChoice, Trainer, UpdateStats, device,
    envs::{Env, EnvError, EnvRng, EnvSpec, Space, Step, make, register_env},
    evaluate,
    optim::Schedule,
    source::OffDevice,
    update::Unfused,
};

/// Time between two steps.
const TIME_STEP: f32 = 0.1;
/// The motor accelerates upwards by this much, or gravity downwards.
const ACCELERATION: f32 = 1.0;
/// An episode ends at this distance from the right height.
const LIMIT: f32 = 1.0;

/// A drone on the host. Single precision, as on GPUs, so that both take the same steps.
#[derive(Default)]
struct Drone {
    /// Distance above the right height.
    height: f32,
    speed: f32,
}

impl Env for Drone {
    /// 0: the motor is off. 1: it is on.
    type Action = u32;
    type State = [f32; 2];

    fn spec(&self) -> EnvSpec {
        let spec = EnvSpec::new("Drone-v0", Space::symmetric(&[2.0, 4.0]), Space::discrete(2));
        EnvSpec { max_episode_steps: Some(100), ..spec }
    }

    #[allow(clippy::cast_possible_truncation)] // to single precision
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.set_state([0.5, 0.5].map(|most| rng.uniform(-most, most) as f32));
        observation.copy_from_slice(&self.state());
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.speed += TIME_STEP * if action == 1 { ACCELERATION } else { -ACCELERATION };
        self.height += TIME_STEP * self.speed;
        observation.copy_from_slice(&self.state());
        let distance = self.height.abs();
        Step { reward: f64::from(1.0 - distance), terminated: distance > LIMIT, truncated: false }
    }

    fn state(&self) -> [f32; 2] {
        [self.height, self.speed]
    }

    fn set_state(&mut self, [height, speed]: [f32; 2]) {
        (self.height, self.speed) = (height, speed);
    }
}

/// The drone on a GPU. Builds with a GPU backend have this module.
#[cfg(feature = "gpu")]
mod on_gpu {
    use burn_pg::{
        envs::{
            Env, EnvSpec,
            device::{
                DeviceEnv, DeviceStep, DeviceTask, Random,
                cubecl::{self, prelude::*},
            },
        },
        source::{DeviceCheckError, check_device_env},
    };

    use super::{ACCELERATION, Drone, LIMIT, TIME_STEP};

    // The state is the height and the speed.
    #[cube]
    impl DeviceEnv for Drone {
        fn reset(state: &mut Array<f32>, random: &mut Random) {
            state[0] = random.uniform(-0.5, 0.5);
            state[1] = random.uniform(-0.5, 0.5);
        }

        fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
            state[1] += TIME_STEP * select(action[0] == 1.0f32, ACCELERATION, -ACCELERATION);
            state[0] += TIME_STEP * state[1];
            let distance = state[0].abs();
            DeviceStep { reward: 1.0f32 - distance, terminated: distance > LIMIT, truncated: false.runtime() }
        }

        fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
            observation[0] = state[0];
            observation[1] = state[1];
        }
    }

    impl DeviceTask for Drone {
        const STATE: usize = 2;

        fn specification() -> EnvSpec {
            Env::spec(&Self::default())
        }
    }

    /// Compares the drone on this GPU with the one on the host.
    pub fn check(gpu: &burn_pg::burn::tensor::Device) -> Result<(), DeviceCheckError> {
        check_device_env(|state| Drone { height: state[0], speed: state[1] }, 1e-5, gpu)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    register()?;
    let name = std::env::args().nth(1);
    let trained = train(name.as_deref().unwrap_or("auto").parse()?)?;
    match trained.off_device {
        None => println!("environments ran on the GPU"),
        Some(reason) => println!("environments ran on the host: {reason}"),
    }
    match trained.unfused {
        None => println!("minibatches were fused"),
        Some(reason) => println!("minibatches were not fused: {reason}"),
    }
    println!("greedy: mean return {:.1} over 100 episodes", trained.return_mean);
    Ok(())
}

/// Gives the drone its name, on the host and on GPUs.
///
/// # Errors
/// If the name is taken.
pub fn register() -> Result<(), EnvError> {
    register_env::<Drone>()?;
    #[cfg(feature = "gpu")]
    burn_pg::source::register_device_env::<Drone>()?;
    Ok(())
}

/// The result of training.
pub struct Trained {
    /// Mean return of the trained policy in fresh episodes.
    pub return_mean: f64,
    /// Why environments ran on the host. `None` if they ran on the GPU.
    pub off_device: Option<OffDevice>,
    /// Why minibatches were not fused. `None` if they were.
    pub unfused: Option<Unfused>,
}

/// Trains a policy on this device.
///
/// # Errors
/// If the device is unavailable, the drones differ, or training fails.
pub fn train(choice: DeviceChoice) -> Result<Trained, Box<dyn Error>> {
    let open = device::open(choice)?;
    println!("{}: {}", open.backend, open.adapter().name);
    #[cfg(feature = "gpu")]
    if !open.backend.is_cpu() {
        on_gpu::check(&open.device)?;
        println!("the drone takes the same steps on the GPU and on the host");
    }
    let config = Config::default().with(|config| {
        config.env.name = "Drone-v0".into();
        config.env.num_envs = 256; // a real GPU is faster with thousands
        config.rollout.num_steps = 32;
        config.run.total_steps = 20 * 256 * 32;
        config.network.hidden_sizes = vec![32, 32];
        config.optimiser.learning_rate = Schedule::Linear { start: 3e-3, end: 0.0 }.into();
    });
    let mut trainer = Trainer::of(&config.validate()?, &open.device)?;
    trainer.run(&mut |stats: &UpdateStats| {
        println!("{:6} steps: mean return {:.1}", stats.env_steps, stats.episode_return_mean.unwrap_or(f64::NAN));
        ControlFlow::Continue(())
    })?;
    // Evaluations step the environments on the host.
    let evaluation = evaluate(&trainer.agent()?, make("Drone-v0", 100)?, 0, false)?;
    Ok(Trained {
        return_mean: evaluation.return_mean(),
        off_device: trainer.source().off_device().cloned(),
        unfused: trainer.unfused(),
    })
}
