//! Whole training runs through the library.

use std::{collections::BTreeMap, ops::ControlFlow};

use burn::{
    module::{Module, ModuleMapper, Param},
    nn::Initializer,
    tensor::Tensor,
};
use burn_pg::{
    Config, DeviceChoice, Error, Trainer, UpdateStats,
    algorithm::{Recipe, ppo},
    config::{Algo, ConfigError},
    device::{self, Backend},
    envs::{Env, EnvError, EnvRng, EnvSpec, Fault, Space, Step, VecEnv, VectorEnv},
    evaluate,
    optim::Schedule,
    policy::ActorCritic,
    run::directory::{RunDir, RunDirError},
    storage::weights::{self, TensorsError, WeightsError},
};

use crate::precision::{open_devices, values};

fn small() -> Config {
    Config {
        total_steps: 64,
        num_envs: 2,
        num_steps: 16,
        num_epochs: 2,
        num_minibatches: 2,
        hidden_sizes: vec![8],
        ..Config::default()
    }
}

fn trainer(config: Config, backend: Backend) -> Trainer<ActorCritic> {
    let device = device::open(DeviceChoice::Backend(backend)).unwrap().device;
    ppo(&config.validate().unwrap(), &device).unwrap()
}

/// Everything a run reports, but the time.
fn metrics(trainer: &mut Trainer<ActorCritic>) -> Vec<String> {
    let mut lines = Vec::new();
    trainer
        .run(&mut |stats: &UpdateStats| {
            let mut line: BTreeMap<String, serde_json::Value> =
                serde_json::from_value(serde_json::to_value(stats).unwrap()).unwrap();
            for field in UpdateStats::TIME_FIELDS {
                line.remove(field).unwrap();
            }
            lines.push(serde_json::to_string(&line).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    lines
}

#[test]
fn a_short_run_trains_on_every_device_and_agrees_on_its_first_update() {
    let mut first_updates = Vec::new();
    for backend in open_devices().into_iter().map(|open| open.backend) {
        let mut trainer = trainer(small(), backend);
        let before = MlpWeights::of(trainer.policy());
        let lines = metrics(&mut trainer);
        assert_eq!(lines.len(), 2, "{backend}");
        assert_eq!(trainer.env_steps(), 64, "{backend}");
        assert_ne!(before, MlpWeights::of(trainer.policy()), "{backend}");
        first_updates.push(serde_json::from_str::<UpdateStats>(&add_time(&lines[0])).unwrap());
    }
    // The weights and all random numbers are drawn on the host, so devices differ by rounding only.
    for other in &first_updates[1..] {
        for (name, value) in &first_updates[0].losses {
            assert!((value - other.losses[name]).abs() < 1e-4, "{name}: {value} {}", other.losses[name]);
        }
    }
}

fn add_time(line: &str) -> String {
    line.replacen('{', "{\"elapsed_seconds\":0.0,\"steps_per_second\":0.0,", 1)
}

#[derive(Debug, PartialEq)]
struct MlpWeights(Vec<f64>);

impl MlpWeights {
    fn of(policy: &ActorCritic) -> Self {
        Self(values(burn_pg::optim::flatten_parameters(policy)))
    }
}

#[test]
fn a_seed_repeats_a_run_whatever_the_number_of_threads() {
    // Enough environments that they are stepped in parallel.
    let config = Config { num_envs: 512, num_steps: 4, total_steps: 8_192, num_minibatches: 4, ..small() };
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut trainer = trainer(Config { seed, ..config.clone() }, Backend::Flex);
            (metrics(&mut trainer), MlpWeights::of(trainer.policy()))
        })
    };
    let once = run(1, 5);
    assert_eq!(once, run(1, 5));
    assert_eq!(once, run(4, 5));
    assert_ne!(once, run(1, 6));
    for backend in open_devices().into_iter().map(|open| open.backend) {
        let run = || metrics(&mut trainer(small(), backend));
        assert_eq!(run(), run(), "{backend}");
    }
}

#[test]
fn a_policy_that_has_moved_too_far_is_left_alone_for_the_rest_of_the_update() {
    let epochs = |target_kl: f64| {
        let config =
            Config { target_kl, num_epochs: 5, learning_rate: Schedule::Linear { start: 0.05, end: 0.0 }, ..small() };
        let mut epochs = Vec::new();
        let mut trainer = trainer(config, Backend::Flex);
        trainer
            .run(&mut |stats: &UpdateStats| {
                epochs.push(stats.epochs);
                ControlFlow::Continue(())
            })
            .unwrap();
        epochs
    };
    assert_eq!(epochs(f64::INFINITY), [5, 5]);
    assert_eq!(epochs(1e-9), [1, 1]);
}

#[test]
fn a_loss_that_is_not_finite_leaves_the_weights_as_they_were() {
    // So large a step that the next loss overflows.
    let config = Config { learning_rate: Schedule::Linear { start: 1e30, end: 0.0 }, num_epochs: 3, ..small() };
    let mut trainer = trainer(config, Backend::Flex);
    let before = MlpWeights::of(trainer.policy());
    let error = trainer.update().unwrap_err();
    assert!(matches!(error, Error::NonFinite { update: 1, .. }), "{error}");
    assert_eq!(MlpWeights::of(trainer.policy()), before);
}

#[test]
fn an_update_that_fails_leaves_what_observations_are_normalised_with_to_the_policy_that_learnt_with_it() {
    // Each of two updates has one step; that of the second leads to weights that are not finite.
    let learning_rate = Schedule::Linear { start: 1e-3, end: 1e39 };
    let config = Config { learning_rate, num_epochs: 1, num_minibatches: 1, normalize_observations: true, ..small() };
    let mut trainer = trainer(config, Backend::Flex);
    let first = trainer.observation_normalizer().unwrap().clone();
    trainer.update().unwrap();
    let (weights, second) = (MlpWeights::of(trainer.policy()), trainer.observation_normalizer().unwrap().clone());
    assert_ne!(first, second);
    let error = trainer.update().unwrap_err();
    assert!(matches!(error, Error::NonFinite { update: 2, .. }), "{error}");
    assert_eq!(trainer.env_steps(), 64, "more was observed");
    assert_eq!((&MlpWeights::of(trainer.policy()), trainer.observation_normalizer().unwrap()), (&weights, &second));
}

#[test]
fn an_observer_ends_a_run() {
    let mut trainer = trainer(small(), Backend::Flex);
    trainer.run(&mut |_: &UpdateStats| ControlFlow::Break(())).unwrap();
    assert_eq!(trainer.env_steps(), 32);
}

#[test]
fn weights_survive_a_file_and_refuse_another_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    let config = small();
    let policy = trainer(config.clone(), Backend::Flex).policy().clone();
    weights::save(&policy, &path).unwrap();

    let other = trainer(Config { seed: 9, ..config.clone() }, Backend::Flex).policy().clone();
    assert_ne!(MlpWeights::of(&other), MlpWeights::of(&policy));
    let loaded = weights::load(other, &path).unwrap();
    assert_eq!(MlpWeights::of(&loaded), MlpWeights::of(&policy));

    let wider = trainer(Config { hidden_sizes: vec![16], ..config.clone() }, Backend::Flex).policy().clone();
    let error = weights::load(wider, &path).unwrap_err();
    assert!(matches!(error, WeightsError::Content { error: TensorsError::Tensor { .. }, .. }), "{error}");
    let deeper = trainer(Config { hidden_sizes: vec![8, 8], ..config }, Backend::Flex).policy().clone();
    let error = weights::load(deeper.clone(), &path).unwrap_err();
    assert!(error.to_string().contains("missing [actor.layers.2.bias, "), "{error}");

    let whole = std::fs::read(&path).unwrap();
    let mut poisoned = whole.clone();
    let last = poisoned.len() - 4;
    poisoned[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &poisoned).unwrap();
    let content = |error| match error {
        WeightsError::Content { error, .. } => error,
        other => panic!("{other}"),
    };
    assert!(matches!(content(weights::load(policy, &path).unwrap_err()), TensorsError::NonFinite { .. }));
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(content(weights::load(deeper.clone(), &path).unwrap_err()), TensorsError::Format { .. }));
    assert!(matches!(weights::load(deeper, &folder.path().join("none")), Err(WeightsError::Io { .. })));
}

#[test]
fn a_run_directory_is_never_shared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let dir = RunDir::create(&path).unwrap();
    dir.write_config(&small()).unwrap();
    assert_eq!(dir.config().unwrap(), small());
    assert!(matches!(RunDir::create(&path), Err(RunDirError::Used(_))));
    assert_eq!(dir.config().unwrap(), small(), "untouched");

    let names: Vec<_> = (0..3)
        .map(|_| RunDir::create_numbered(folder.path(), "a").unwrap().path().file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a", "a-2", "a-3"]);

    let below_a_file = folder.path().join("run/config.toml/below");
    assert!(matches!(RunDir::create(&below_a_file), Err(RunDirError::Write { .. })));
    std::fs::write(path.join("config.toml"), "gamma = ").unwrap();
    assert!(matches!(dir.config(), Err(RunDirError::Toml { .. })));
    std::fs::write(path.join("config.toml"), "env = 'CartPole-v1'\ngama = 1").unwrap();
    assert!(matches!(dir.config(), Err(RunDirError::Config { .. })));
}

/// Two actions: 0 pays 1 and 1 pays nothing. Every episode is one step.
#[derive(Clone, Default)]
struct Bandit;

impl Env for Bandit {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Bandit".into(),
            observation_space: Space::symmetric(&[1.0]),
            action_space: Space::discrete(2),
            max_episode_steps: None,
            reward_threshold: None,
            masks_actions: false,
        }
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
fn environments_that_are_not_as_many_as_configured_are_refused() {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let envs = Box::new(VecEnv::<Bandit>::new(3).unwrap());
    let config = small().validate().unwrap();
    let Err(error) = Recipe::ppo(&config).unwrap().build(envs, &config, &device) else { panic!("accepted") };
    assert!(matches!(error, Error::Config(ConfigError::EnvCount { num_envs: 2, given: 3 })), "{error}");
}

#[test]
fn an_environment_of_ones_own_is_learnt() {
    [Algo::Trpo, Algo::Ppo].into_iter().for_each(learns_the_bandit);
}

fn learns_the_bandit(algo: Algo) {
    let config = Config {
        algo,
        total_steps: 8_000,
        num_envs: 4,
        num_steps: 25,
        learning_rate: Schedule::Linear { start: 0.01, end: 0.0 },
        hidden_sizes: vec![8],
        ..Config::default()
    };
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let envs = Box::new(VecEnv::<Bandit>::new(4).unwrap());
    let config = config.validate().unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, &device).unwrap();
    trainer.run(&mut |_: &UpdateStats| ControlFlow::Continue(())).unwrap();
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

/// Says what it is told to for an observation and a reward.
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
        assert!(self.observation.to_bits() != PANIC.to_bits(), "told to");
        Step { reward: self.reward, terminated: false, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

fn run_broken(observation: f32, reward: f64) -> Error {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let good = Broken { observation: 0.0, reward: 0.0 };
    let envs = match VecEnv::from_envs(vec![good, Broken { observation, reward }]) {
        Ok(envs) => envs,
        Err(error) => return error.into(),
    };
    let config = small().validate().unwrap();
    let mut trainer = Recipe::ppo(&config).unwrap().build(Box::new(envs), &config, &device).unwrap();
    let before = MlpWeights::of(trainer.policy());
    let error = trainer.run(&mut |_: &UpdateStats| ControlFlow::Continue(())).unwrap_err();
    assert_eq!(before, MlpWeights::of(trainer.policy()), "the weights are as they were");
    error
}

#[test]
fn a_reward_or_an_observation_that_is_not_a_number_ends_a_run() {
    for reward in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = run_broken(0.0, reward);
        let expected =
            "update 1, after 0 environment steps: environment 1, seeded with 2, failed after 1 steps: its reward is";
        assert!(error.to_string().starts_with(expected), "{error}");
    }
    // Finite, but not in single precision.
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
    assert_eq!(message, "told to");
}

#[test]
fn a_space_without_a_policy_and_an_unknown_environment_are_refused() {
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

    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let config = small().validate().unwrap();
    let envs = Box::new(VecEnv::<Switch>::new(config.num_envs).unwrap());
    let Err(error) = Recipe::ppo(&config).unwrap().build(envs, &config, &device) else { panic!("accepted") };
    assert_eq!(
        error.to_string(),
        "environment `Switch` has the observation space MultiBinary(1), for which there is no policy yet"
    );
    assert!(ppo(&Config { env: "Go".into(), ..small() }.validate().unwrap(), &device).is_err());
}

/// Loggers that wait for what a run sends them, one for each thread of rayon's global pool.
#[test]
fn tasks_that_block_in_the_global_pool_do_not_hold_a_run_up() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let loggers: Vec<_> = (0..rayon::current_num_threads())
            .map(|_| {
                let (sender, receiver) = std::sync::mpsc::channel::<u64>();
                rayon::spawn(move || while receiver.recv().is_ok() {});
                sender
            })
            .collect();
        let mut trainer = self::trainer(small(), Backend::Flex);
        let mut log = |stats: &UpdateStats| {
            for logger in &loggers {
                logger.send(stats.update).unwrap();
            }
            ControlFlow::Continue(())
        };
        trainer.run(&mut log).unwrap();
        drop(loggers);
        done.send(trainer.updates()).unwrap();
    });
    assert_eq!(is_done.recv_timeout(std::time::Duration::from_mins(1)), Ok(2));
}

/// Layers that Burn initialises, not this crate's streams, and initialises when they are first used.
#[test]
fn a_seed_repeats_the_weights_of_burns_initialisers_while_others_draw_theirs() {
    let weights = |seed: u64| {
        let config = Config { seed, ..small() }.validate().unwrap();
        let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
        let envs = burn_pg::envs::make(&config.env, config.num_envs).unwrap();
        let recipe = Recipe::ppo(&config).unwrap();
        let trainer = recipe.build_with(envs, &config, &device, |spec, rng, device| {
            ActorCritic::new(spec, &config.network(), rng, device).unwrap().map(&mut DrawnByBurn)
        });
        MlpWeights::of(trainer.unwrap().policy())
    };
    let expected = [1, 2].map(weights);
    assert_ne!(expected[0], expected[1]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let expected = &expected;
            scope.spawn(move || {
                for round in 0..20 {
                    let i = (thread + round) % 2;
                    assert_eq!(weights([1, 2][i]), expected[i]);
                }
            });
        }
    });
}

/// Puts weights that Burn draws in place of those of a policy.
struct DrawnByBurn;

impl ModuleMapper for DrawnByBurn {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (shape, device) = (param.shape(), param.device());
        Initializer::Normal { mean: 0.0, std: 1.0 }.init(shape, &device)
    }
}
