//! Agents that are saved in run directories and checkpoints.

use std::fs;

use burn_pg::{
    Agent, Config, Error,
    agent::export::{Format, bytes},
    algorithm::Recipe,
    config::{CheckedConfig, PpoConfig},
    envs::{Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, spec},
    evaluate,
    policy::{ActorCritic, NetworkSpec},
    run::{
        checkpoint::Checkpoint,
        directory::{RunDir, RunDirError},
    },
    storage::weights,
};

use crate::helpers::flex;

/// Three places in a row. The first one cannot be left to the left. It is not registered.
#[derive(Default)]
struct Row(u32);

impl Env for Row {
    type Action = u32;
    type State = u32;
    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(8),
            masks_actions: true,
            ..EnvSpec::new(
                "Row-v0",
                Space::Box { low: vec![0.0], high: vec![f32::INFINITY], shape: vec![1] },
                Space::discrete(2),
            )
        }
    }

    fn reset(&mut self, _rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = 0;
        observation[0] = 0.0;
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.0 = if action == 1 { self.0 + 1 } else { self.0 - 1 };
        observation[0] = self.0 as f32;
        Step { reward: 1.0, terminated: self.0 == 3, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask[0] = self.0 > 0;
        mask[1] = true;
    }

    fn state(&self) -> u32 {
        self.0
    }

    fn set_state(&mut self, state: u32) {
        self.0 = state;
    }
}

fn row_config() -> CheckedConfig {
    let config = Config::default().with(|config| {
        config.env.name = "Row-v0".into();
        config.env.num_envs = 2;
        config.rollout.num_steps = 8;
        config.run.total_steps = 64;
        config.env.normalize_observations = true;
        config.algorithm = PpoConfig { num_minibatches: 1, ..PpoConfig::default() }.into();
    });
    config.validate().unwrap()
}

#[test]
fn an_agent_loads_and_is_exported_though_its_environment_is_not_registered() {
    let config = row_config();
    let envs = Box::new(VecEnv::<Row>::new(2).unwrap());
    let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, &flex()).unwrap();
    trainer.update().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&config).unwrap();
    let agent = trainer.agent().unwrap();
    agent.save(&dir).unwrap();
    dir.checkpoints().prepare().unwrap();
    let path = dir.checkpoints().path_of(1);
    trainer.checkpoint().unwrap().write(&path).unwrap();

    let checkpoint = Checkpoint::read(&path).unwrap();
    let opened = [Agent::open(&dir, &flex()).unwrap(), Agent::of_checkpoint(&checkpoint, &flex()).unwrap()];
    for opened in opened {
        assert_eq!(opened.spec(), &Row::default().spec());
        assert!(opened.spec().masks_actions);
        assert_eq!(opened.normalizer(), agent.normalizer());
        let decided = |agent: &Agent| agent.decide(&[0.0, 2.0], &[false, true, true, true], None).unwrap();
        assert_eq!(decided(&opened), decided(&agent));
        for format in Format::ALL {
            assert!(bytes(&opened, format).unwrap() == bytes(&agent, format).unwrap());
        }
        // A program that has the environment can evaluate in it; without it, the error names what is missing.
        let envs = Box::new(VecEnv::<Row>::new(2).unwrap());
        assert!(evaluate(&opened, envs, 0, false).unwrap().return_mean() > 0.0);
        let error = opened.make_envs(2).err().unwrap();
        assert!(matches!(&error, Error::Unregistered { env, source: EnvError::Unknown(_) } if env == "Row-v0"));
        assert!(error.to_string().contains("`Row-v0` is not registered"), "{error}");
    }
}

#[test]
fn an_environment_file_that_is_missing_or_damaged_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&Config::default()).unwrap();
    let spec = spec("CartPole-v1").unwrap();
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &flex()).unwrap();
    let agent = Agent::new(policy, spec, None).unwrap();
    agent.save(&dir).unwrap();
    Agent::open(&dir, &flex()).unwrap();

    let path = dir.path().join("environment.json");
    let text = fs::read_to_string(&path).unwrap();
    let refused = |text: &str| {
        fs::write(&path, text).unwrap();
        Agent::open(&dir, &flex()).unwrap_err()
    };
    assert!(matches!(refused("{}"), Error::RunDir(RunDirError::Environment { path: named, .. }) if named == path));
    for other in [text.replace(r#""n":2"#, r#""n":3"#), text.replace("CartPole-v1", "CartPole-v2")] {
        let error = refused(&other);
        assert!(
            matches!(&error, Error::RunDir(RunDirError::OfAnotherPolicy { path: named }) if *named == path),
            "{error}"
        );
    }
    // A policy file of an earlier version does not say which environment it belongs to.
    weights::save(agent.policy(), &dir.policy_path()).unwrap();
    let error = refused(&text.replace(r#""n":2"#, r#""n":0"#));
    assert!(matches!(error, Error::Env(EnvError::Spec { .. })), "{error}");
    let error = refused(&text.replace(r#""n":2"#, r#""n":3"#));
    assert!(matches!(error, Error::Weights(_)), "{error}");
    fs::remove_file(&path).unwrap();
    let error = Agent::open(&dir, &flex()).unwrap_err();
    assert!(matches!(error, Error::RunDir(RunDirError::NoEnvironment { path: named }) if named == path));
}

#[test]
fn an_agent_follows_its_policy_file_even_if_other_files_change() {
    let config = row_config();
    let envs = Box::new(VecEnv::<Row>::new(2).unwrap());
    let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, &flex()).unwrap();
    trainer.update().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&config).unwrap();
    let agent = trainer.agent().unwrap();
    agent.save(&dir).unwrap();
    assert_eq!(dir.policy_config().unwrap().unwrap(), *config);

    let same = || {
        let opened = Agent::open(&dir, &flex()).unwrap();
        let decided = |agent: &Agent| agent.decide(&[1.0], &[true, true], None).unwrap();
        assert_eq!((decided(&opened), opened.normalizer()), (decided(&agent), agent.normalizer()));
        let blank = |spec: &EnvSpec, seen: &CheckedConfig| {
            assert_eq!(*seen, config);
            Ok(ActorCritic::new(spec, &seen.network()?, &mut EnvRng::new(0), &flex())?)
        };
        assert_eq!(decided(&Agent::open_with(&dir, blank).unwrap()), decided(&agent));
    };
    same();
    dir.write_config(&Config::default()).unwrap();
    same();
    fs::remove_file(dir.config_path()).unwrap();
    same();
    let path = dir.path().join("normalizer.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("mean\":[", "mean\":[1", 1)).unwrap();
    let error = Agent::open(&dir, &flex()).unwrap_err();
    assert!(matches!(&error, Error::RunDir(RunDirError::OfAnotherPolicy { path: named }) if *named == path), "{error}");
    fs::remove_file(&path).unwrap();
    let error = Agent::open(&dir, &flex()).unwrap_err();
    assert!(matches!(&error, Error::RunDir(RunDirError::Read { path: named, .. }) if *named == path), "{error}");
}
