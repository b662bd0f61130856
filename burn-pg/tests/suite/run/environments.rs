//! A user's own environments: learnt, refused, or failing during a run.

use burn_pg::{
    Config, Error, Trainer,
    algorithm::Recipe,
    config::{Algo, ConfigError},
    envs::{Env, EnvError, EnvRng, EnvSpec, Fault, Space, Step, VecEnv, VectorEnv},
    evaluate,
    optim::Schedule,
};

use crate::helpers::{flex, ignore, parameters, small};

/// Two actions: action 0 has a reward of 1, action 1 none. Every episode is one step.
#[derive(Clone, Default)]
struct Bandit;

impl Env for Bandit {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec::new("Bandit", Space::symmetric(&[1.0]), Space::discrete(2))
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation[0] = 0.5;
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        observation[0] = 1.0;
        Step { reward: f64::from(1 - action), terminated: true, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

#[test]
fn a_number_of_environments_other_than_configured_is_refused() {
    let device = flex();
    let envs = Box::new(VecEnv::<Bandit>::new(3).unwrap());
    let config = small().validate().unwrap();
    let Err(error) = Recipe::of(&config).unwrap().build(envs, &config, &device) else { panic!("accepted") };
    assert!(matches!(error, Error::Config(ConfigError::EnvCount { num_envs: 2, given: 3 })), "{error}");
}

#[test]
fn a_users_own_environment_is_learnt() {
    [Algo::Trpo, Algo::Ppo].into_iter().for_each(learns_the_bandit);
}

fn learns_the_bandit(algo: Algo) {
    let config = Config::default().with(|config| {
        config.run.total_steps = 8_000;
        config.env.num_envs = 4;
        config.rollout.num_steps = 25;
        config.optimiser.learning_rate = Schedule::Linear { start: 0.01, end: 0.0 }.into();
        config.network.hidden_sizes = vec![8];
        config.algorithm = algo.into();
    });
    let device = flex();
    let envs = Box::new(VecEnv::<Bandit>::new(4).unwrap());
    let config = config.validate().unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, &device).unwrap();
    trainer.run(&mut ignore).unwrap();
    let envs: Box<dyn VectorEnv> = Box::new(VecEnv::<Bandit>::new(50).unwrap());
    let agent = trainer.agent().unwrap();
    let greedy = evaluate(&agent, envs, 1, false).unwrap();
    assert_eq!((greedy.return_mean(), greedy.return_std(), greedy.length_mean()), (1.0, 0.0, 1.0), "{algo}");
    let envs: Box<dyn VectorEnv> = Box::new(VecEnv::<Bandit>::new(50).unwrap());
    let sampled = evaluate(&agent, envs, 1, true).unwrap();
    assert!(sampled.return_mean() > 0.9, "{algo}: {}", sampled.return_mean());
}

/// An observation that makes [`Broken`] panic in its first step.
const PANIC: f32 = 77.0;

/// Returns the given observation and reward.
struct Broken {
    observation: f32,
    reward: f64,
}

impl Env for Broken {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec { id: "Broken".into(), ..Bandit.spec() }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation[0] = self.observation;
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, _: &mut [f32]) -> Step {
        assert!(self.observation.to_bits() != PANIC.to_bits(), "as scripted");
        Step { reward: self.reward, terminated: false, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

fn run_broken(observation: f32, reward: f64) -> Error {
    let device = flex();
    let good = Broken { observation: 0.0, reward: 0.0 };
    let envs = match VecEnv::from_envs(vec![good, Broken { observation, reward }]) {
        Ok(envs) => envs,
        Err(error) => return error.into(),
    };
    let config = small().validate().unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(Box::new(envs), &config, &device).unwrap();
    let before = parameters(trainer.policy());
    let error = trainer.run(&mut ignore).unwrap_err();
    assert_eq!(before, parameters(trainer.policy()), "the weights are as they were");
    error
}

#[test]
fn a_nonfinite_reward_or_observation_ends_a_run() {
    for reward in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = run_broken(0.0, reward);
        let expected =
            "update 1, after 0 environment steps: environment 1, seeded with 2, failed after 1 steps: its reward is";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    // Finite, but infinite in single precision.
    let error = run_broken(0.0, 1e300);
    let expected =
        "update 1: environment 1 gave the reward inf in step 0 of the rollout that began at 0 environment steps";
    assert_eq!(error.to_string(), expected);

    let error = run_broken(f32::NAN, 0.0);
    let expected = "environment 1, seeded with 1, failed after 0 steps: component 0 of its observation is NaN";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_environment_that_panics_ends_a_run_and_not_the_process() {
    let error = run_broken(PANIC, 0.0);
    let Error::EnvInUpdate { update: 1, env_steps: 0, source } = error else { panic!("{error}") };
    let EnvError::Failed { env: 1, steps: 1, fault: Fault::Panic { message }, .. } = source else {
        panic!("{source}");
    };
    assert_eq!(message, "as scripted");
}

#[test]
fn an_unsupported_space_and_an_unknown_environment_are_refused() {
    #[derive(Default)]
    struct Switch;

    impl Env for Switch {
        type Action = u32;
        type State = ();

        fn spec(&self) -> EnvSpec {
            EnvSpec { id: "Switch".into(), observation_space: Space::MultiBinary { n: 1 }, ..Bandit.spec() }
        }

        fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
            observation[0] = 0.0;
        }

        fn step(&mut self, _: u32, _: &mut EnvRng, _: &mut [f32]) -> Step {
            Step { reward: 0.0, terminated: false, truncated: false }
        }

        fn state(&self) {}

        fn set_state(&mut self, (): ()) {}
    }

    let device = flex();
    let config = small().validate().unwrap();
    let envs = Box::new(VecEnv::<Switch>::new(config.env.num_envs).unwrap());
    let Err(error) = Recipe::of(&config).unwrap().build(envs, &config, &device) else { panic!("accepted") };
    assert_eq!(
        error.to_string(),
        "environment `Switch` has the observation space MultiBinary(1), for which there is no policy yet"
    );
    assert!(Trainer::of(&small().with(|config| config.env.name = "Go".into()).validate().unwrap(), &device).is_err());
}
