//! Noise that is a function of the state and held over several steps (gSDE).

mod marginal;
mod noise;
mod training;

use burn_pg::{
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    source::{Collector, RolloutLength},
};

use crate::helpers::flex;

/// Returns `sum_f phi_f^2 exp(2 log_std_fk) + 1e-6` for one state and each of `len` actions.
fn variances(features: &[f64], log_std: &[f64], len: usize) -> Vec<f64> {
    let one = |k: usize| {
        let terms = features.iter().enumerate().map(|(f, phi)| phi * phi * (2.0 * log_std[f * len + k]).exp());
        terms.sum::<f64>() + 1e-6
    };
    (0..len).map(one).collect()
}

/// Observes a unit vector of three dimensions, the next one in each step; truncated after 5 steps.
#[derive(Default)]
struct Basis(u32);

impl Basis {
    fn observe(&mut self, observation: &mut [f32]) {
        observation.fill(0.0);
        observation[self.0 as usize % 3] = 1.0;
        self.0 += 1;
    }
}

impl Env for Basis {
    type Action = [f32; 1];
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(5),
            ..EnvSpec::new("Basis", Space::symmetric(&[1.0; 3]), Space::symmetric(&[1e6]))
        }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        self.observe(observation);
    }

    fn step(&mut self, action: [f32; 1], _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.observe(observation);
        Step { reward: f64::from(action[0]), terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.0
    }

    fn set_state(&mut self, state: u32) {
        self.0 = state;
    }
}

fn basis(num_envs: usize) -> Collector {
    let envs = Box::new(VecEnv::<Basis>::new(num_envs).unwrap());
    Collector::new(envs, RolloutLength::Steps(12), 7, &flex()).unwrap()
}
