//! Lesson 10: the whole command line for an environment and a network of your own.
//!
//! `cargo run --release -p burn-pg-examples --example 10_command_line -- train Coin-v0 --total-steps 20000`; with the
//! network, add `--set network.kind=two-heads network.width=8 learning_rate=3e-3`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use burn_pg::{
    Error,
    agent::export::{Dense, Layers, PlainNetwork},
    burn::{self, module::Module, tensor::Device},
    distribution::Categorical,
    envs::{Env, EnvRng, EnvSpec, Space, Step},
    policy::{Activation, Mlp, Observation, Policy, Prediction},
};
use serde::{Deserialize, Serialize};

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

/// One hidden layer, which actor and critic share.
#[derive(Module, Debug)]
struct TwoHeads {
    hidden: Mlp,
    actor: Mlp,
    critic: Mlp,
}

/// The settings of the network, in the table `[network]` beside `kind`.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct Size {
    width: usize,
}

impl Default for Size {
    fn default() -> Self {
        Self { width: 16 }
    }
}

impl TwoHeads {
    fn new(spec: &EnvSpec, &Size { width }: &Size, rng: &mut EnvRng, device: &Device) -> Result<Self, Error> {
        let (observations, actions) = (&spec.observation_space, &spec.action_space);
        let (Space::Box { .. }, &Space::Discrete { n, .. }, 1..=4096) = (observations, actions, width) else {
            let given = format!("{observations}, {actions} and width {width}");
            return Err(Error::Network(
                format!("it needs vectors, discrete actions and a width of 1 to 4096, not {given}").into(),
            ));
        };
        let mut mlp = |inputs, outputs, gain| Mlp::new(&[inputs, outputs], Activation::Tanh, gain, rng, device);
        let hidden = mlp(observations.flat_len(), width, 1.0);
        Ok(Self { hidden, actor: mlp(width, n as usize, 0.01), critic: mlp(width, 1, 1.0) })
    }
}

impl Policy for TwoHeads {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let hidden = Activation::Tanh.apply(self.hidden.forward(observation.vector()));
        let distribution = Categorical::new(self.actor.forward(hidden.clone()));
        Prediction::new(distribution).with_values(self.critic.forward(hidden).squeeze_dim(1))
    }
}

/// For `export`. Leave this out if the network has layers that cannot be exported.
impl Layers for TwoHeads {
    fn layers(&self) -> Result<PlainNetwork, Error> {
        let [trunk, policy, value] = [&self.hidden, &self.actor, &self.critic]
            .map(|network| Dense::new(&network.layers()[0]).map(|it| vec![it]));
        Ok(PlainNetwork { trunk: trunk?, policy: policy?, value: Some(value?), ..PlainNetwork::default() })
    }
}

/// The program: `train`, `eval`, `act`, `export` and the other commands know Coin-v0 and the network.
pub fn main() -> ExitCode {
    burn_pg_cli::main_with(|registry| {
        registry.add(|| Coin(0))?;
        registry.add_network("two-heads", TwoHeads::new)
    })
}
