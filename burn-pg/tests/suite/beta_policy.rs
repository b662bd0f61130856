//! Policies with a Beta distribution: settings, bounds, and training.

use burn_pg::{
    Config, Error, Trainer,
    algorithm::Recipe,
    config::PpoConfig,
    envs::{Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, make},
    evaluate,
    policy::{ActionDistribution, Exploration},
    update::Unfused,
};

use crate::{
    helpers::{flex, ignore},
    settings::{settings, valid},
};

/// Rewards actions near a number of the observation; its bounds are not symmetric.
struct Aim {
    low: f32,
    high: f32,
    at: f32,
}

impl Env for Aim {
    type Action = [f32; 2];
    type State = f32;

    fn spec(&self) -> EnvSpec {
        let actions = Space::Box { low: vec![self.low, -1.0], high: vec![self.high, 1.0], shape: vec![2] };
        EnvSpec { max_episode_steps: Some(8), ..EnvSpec::new("Aim", Space::symmetric(&[1.0]), actions) }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.at = rng.uniform(-1.0, 1.0) as f32;
        observation[0] = self.at;
    }

    #[allow(clippy::cast_possible_truncation)]
    fn step(&mut self, [action, other]: [f32; 2], rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert!((self.low..=self.high).contains(&action) && (-1.0..=1.0).contains(&other));
        let [error, of_other] = [action - 2.0 - self.at, other + 0.5].map(f64::from);
        self.at = rng.uniform(-1.0, 1.0) as f32;
        observation[0] = self.at;
        Step { reward: -error * error - of_other * of_other, terminated: false, truncated: false }
    }

    fn state(&self) -> f32 {
        self.at
    }

    fn set_state(&mut self, at: f32) {
        self.at = at;
    }
}

fn aim(low: f32, high: f32, count: usize) -> Box<VecEnv<Aim>> {
    Box::new(VecEnv::from_envs((0..count).map(|_| Aim { low, high, at: 0.0 }).collect()).unwrap())
}

fn config(algorithm: &str) -> Config {
    settings(&format!(
        "total_steps = 32768\nnum_envs = 16\nnum_steps = 64\nhidden_sizes = [16]\nlearning_rate = 1e-2\n\
         exploration = {{ distribution = 'beta' }}\nentropy_weight = 0\n{algorithm}"
    ))
    .unwrap()
}

#[test]
fn a_beta_policy_learns_to_aim_within_bounds_that_are_not_symmetric() {
    for algorithm in ["gamma = 0.5", "algorithm.kind = 'trpo'\ngamma = 0.5"] {
        let config = config(algorithm).validate().unwrap();
        let mut trainer = Recipe::of(&config).unwrap().build(aim(0.5, 4.0, 16), &config, &flex()).unwrap();
        trainer.run(&mut ignore).unwrap();
        assert_eq!(trainer.unfused(), Some(Unfused::Policy("the policy has a Beta distribution")));
        let agent = trainer.agent().unwrap();
        let found = evaluate(&agent, aim(0.5, 4.0, 10), 50, false).unwrap().return_mean();
        // At best 0; the middle of the bounds gives -8 x (1/16 + 1/3 + 1/4) = -5.2.
        assert!(found > -0.8, "{algorithm}: {found}");
    }
}

#[test]
fn infinite_bounds_are_refused() {
    let config = config("").validate().unwrap();
    let error = Recipe::of(&config).unwrap().build(aim(0.0, f32::INFINITY, 16), &config, &flex()).err().unwrap();
    assert!(matches!(error, Error::Env(EnvError::Unsuited { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("a box with finite bounds"), "{text}");
}

#[test]
fn the_distribution_is_read_and_written_and_excludes_the_settings_of_gaussians() {
    let config = config("").validate().unwrap();
    assert_eq!(config.network.exploration.distribution, ActionDistribution::Beta);
    assert_eq!(*valid(&config.to_toml()), *config);
    for (other, message) in [
        ("squash = true", "`network.exploration.squash` is true; it must be left out"),
        ("state_dependent = true", "`network.exploration.state_dependent` is true; it must be left out"),
        ("log_std = -1", "`network.exploration.log_std` is -1; it must be left out"),
        ("sde = {}", "`network.exploration.sde` is a table; it must be left out"),
    ] {
        let text = format!("exploration = {{ distribution = 'beta', {other} }}");
        let error = settings(&text).unwrap().validate().unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
    let error = settings("exploration = { distribution = 'gamma' }").unwrap_err().to_string();
    assert!(error.contains("`network.exploration.distribution`") && error.contains("\"beta\""), "{error}");
}

#[test]
fn weights_of_another_distribution_are_refused_as_a_start() {
    let of = |exploration: Exploration| {
        Config::default().with(|config| {
            config.env.name = "Pendulum-v1".into();
            config.env.num_envs = 2;
            config.rollout.num_steps = 32;
            config.network.exploration = exploration;
            config.algorithm = PpoConfig { num_minibatches: 2, ..PpoConfig::default() }.into();
        })
    };
    let beta = of(Exploration { distribution: ActionDistribution::Beta, ..Exploration::default() });
    // Both have two outputs for each action.
    let gaussian = of(Exploration { state_dependent: true, ..Exploration::default() });
    let beta = beta.validate().unwrap();
    let agent = Trainer::of(&beta, &flex()).unwrap().agent().unwrap();
    let start = |config: &burn_pg::CheckedConfig| {
        Recipe::of(config).unwrap().build_from(&agent, "here", make("Pendulum-v1", 2).unwrap(), config, &flex())
    };
    assert!(start(&beta).is_ok());
    let error = start(&gaussian.validate().unwrap()).err().unwrap().to_string();
    assert!(error.contains("network.exploration.distribution"), "{error}");
}
