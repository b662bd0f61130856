//! Agents: evaluation on environments as they are made, networks of one's own, and environments that are not registered.

use std::fs;

use burn::{
    module::{Module, ModuleMapper, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use burn_pg::{
    Agent, Config, Error, Trainer,
    agent::{
        EnvMisfit,
        export::{Format, bytes},
    },
    algorithm::Recipe,
    config::{Algo, CheckedConfig, PpoConfig, Recurrence, RecurrentSpec},
    device::{self, Backend, DeviceChoice},
    distribution::SquashedGaussian,
    envs::{
        ActionBuffer, Env, EnvError, EnvRng, EnvSpec, SeedSequence, Space, Step, VecEnv, VectorEnv, make, spec,
        wrapper::{ActionTransform, Normalize, ObservationNormalizer, RunningMoments, TransformActions},
    },
    evaluate, evaluate_with,
    policy::{ActorCritic, Exploration, HostWorkspace, NetworkSpec, Observation, Policy, Prediction},
    run::{
        checkpoint::Checkpoint,
        directory::{RunDir, RunDirError},
    },
    storage::weights,
};

fn flex() -> Device {
    device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device
}

/// Moves every weight, so that actions differ from state to state.
struct Stir(EnvRng);

impl ModuleMapper for Stir {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| {
            #[allow(clippy::cast_possible_truncation)]
            let moved: Vec<f32> = (0..old.shape().num_elements()).map(|_| self.0.uniform(-0.4, 0.4) as f32).collect();
            let moved: Tensor<1> = Tensor::from_floats(&moved[..], &old.device());
            old.clone() + moved.reshape(old.shape())
        })
    }
}

/// A squashed policy for the pendulum, and a normaliser that changes its observations.
fn pendulum() -> (ActorCritic, ObservationNormalizer) {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let shape = NetworkSpec { exploration, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec("Pendulum-v1").unwrap(), &shape, &mut EnvRng::new(3), &flex()).unwrap();
    let moments = RunningMoments { mean: vec![-0.3, 0.1, 0.5], variance: vec![0.4, 0.5, 9.0], count: 1e4 };
    (policy.map(&mut Stir(EnvRng::new(4))), ObservationNormalizer { moments, clip: 10.0 })
}

/// The environments of an evaluation of the pendulum, wrapped by hand.
fn wrapped(num_envs: usize, normalizer: ObservationNormalizer) -> Normalize<Box<dyn VectorEnv>> {
    let transform = ActionTransform::rescale(&spec("Pendulum-v1").unwrap().action_space).unwrap();
    let envs = TransformActions::new(make("Pendulum-v1", num_envs).unwrap(), transform).unwrap();
    Normalize::with_normalizers(Box::new(envs) as Box<dyn VectorEnv>, Some(normalizer), None).unwrap()
}

/// The returns of `policy` in the episodes of an evaluation with `seed`, in environments wrapped by hand.
fn returns_when_wrapped(policy: &ActorCritic, normalizer: ObservationNormalizer, seed: u64) -> Vec<f64> {
    let mut envs = wrapped(3, normalizer);
    let [seed] = SeedSequence::stream(seed, &[4]).generate();
    envs.reset(seed).unwrap();
    let policy = policy.on_host().unwrap();
    let mut workspace = HostWorkspace::new(&envs.spec().action_space);
    // Its episodes are cut off after 200 steps, all at once.
    for _ in 0..200 {
        let actions = policy.act(&envs.batch().observations, &[], &mut workspace).unwrap();
        envs.step(actions.as_actions()).unwrap();
    }
    assert_eq!(envs.batch().truncated, [true; 3]);
    envs.batch().episode_returns.clone()
}

#[test]
fn an_evaluation_on_raw_environments_equals_one_on_wrapped_environments() {
    let (policy, normalizer) = pendulum();
    let expected = returns_when_wrapped(&policy, normalizer.clone(), 5);
    let spec = spec("Pendulum-v1").unwrap();
    let agent = Agent::new(policy.clone(), spec.clone(), Some(normalizer)).unwrap();
    let evaluation = evaluate(&agent, make("Pendulum-v1", 3).unwrap(), 5, false).unwrap();
    assert_eq!(evaluation.returns, expected);
    // The normaliser matters.
    let without = Agent::new(policy, spec, None).unwrap();
    let without = evaluate(&without, make("Pendulum-v1", 3).unwrap(), 5, false).unwrap();
    assert_ne!(without.returns, expected);
}

#[test]
fn an_evaluation_says_after_each_step_how_many_episodes_have_ended() {
    let spec = spec("CartPole-v1").unwrap();
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(2), &flex()).unwrap();
    let agent = Agent::new(policy, spec, None).unwrap();
    let mut seen = Vec::new();
    let envs = || make("CartPole-v1", 5).unwrap();
    let evaluation = evaluate_with(&agent, envs(), 3, false, |ended| seen.push(ended)).unwrap();
    let ended_by = |step: usize| evaluation.lengths.iter().filter(|&&length| length as usize <= step).count();
    let longest = *evaluation.lengths.iter().max().unwrap() as usize;
    assert!(seen.into_iter().eq((1..=longest).map(ended_by)));
    assert_eq!(evaluation, evaluate(&agent, envs(), 3, false).unwrap());
}

#[test]
fn the_agent_of_a_trainer_is_evaluated_as_it_was_trained() {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let config = Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.run.total_steps = 1024;
        config.env.normalize_observations = true;
        config.env.normalize_rewards = true;
        config.network.exploration = exploration;
    });
    let config = config.validate().unwrap();
    let mut trainer = Trainer::of(&config, &flex()).unwrap();
    for _ in 0..3 {
        trainer.update().unwrap();
    }
    let normalizer = trainer.observation_normalizer().cloned().unwrap();
    let expected = returns_when_wrapped(&trainer.policy().valid(), normalizer, 5);
    let agent = trainer.agent().unwrap();
    assert_eq!(evaluate(&agent, agent.make_envs(3).unwrap(), 5, false).unwrap().returns, expected);
}

#[test]
fn environments_that_are_wrapped_or_others_are_refused() {
    let (policy, normalizer) = pendulum();
    let agent = Agent::new(policy, spec("Pendulum-v1").unwrap(), Some(normalizer.clone())).unwrap();
    let refused = |envs: Box<dyn VectorEnv>| match evaluate(&agent, envs, 0, false) {
        Err(Error::EnvMisfit(misfit)) => misfit,
        other => panic!("{other:?}"),
    };
    let envs = Normalize::with_normalizers(make("Pendulum-v1", 1).unwrap(), Some(normalizer.clone()), None).unwrap();
    assert!(matches!(refused(Box::new(envs)), EnvMisfit::Normalized { .. }));
    assert!(matches!(refused(Box::new(wrapped(1, normalizer))), EnvMisfit::Space { what: "action", .. }));
    let other = refused(make("CartPole-v1", 1).unwrap());
    assert!(matches!(other, EnvMisfit::Space { what: "observation", .. }));
    let message = other.to_string();
    for part in ["`Pendulum-v1`", "Box[3]", "`CartPole-v1`", "Box[4]", "without wrappers"] {
        assert!(message.contains(part), "{message}");
    }
}

/// A network of one's own with squashed actions.
#[derive(Module, Debug)]
struct OneLayer {
    layer: Linear,
}

impl OneLayer {
    fn new(environment: &EnvSpec, device: &Device) -> Self {
        let [inputs, outputs] = [&environment.observation_space, &environment.action_space].map(Space::flat_len);
        Self { layer: LinearConfig::new(inputs, outputs).init(device) }
    }
}

impl Policy for OneLayer {
    type Observation = Observation;
    type Dist = SquashedGaussian;

    fn forward(&self, observation: Observation) -> Prediction<SquashedGaussian> {
        let mean = self.layer.forward(observation.vector());
        Prediction::new(SquashedGaussian::new(mean.clone(), mean.zeros_like()))
    }
}

#[test]
fn a_network_of_ones_own_is_saved_and_opened_as_an_agent() {
    let spec = spec("Pendulum-v1").unwrap();
    let (_, normalizer) = pendulum();
    let agent = Agent::new(OneLayer::new(&spec, &flex()), spec, Some(normalizer)).unwrap();
    let rows = [0.6, 0.8, 1.0, -1.0, 0.0, -8.0];
    let decision = agent.decide(&rows, &[], None).unwrap();
    // The bounds of its actions come from its distribution: they are rescaled from ±1 to ±2.
    let ActionBuffer::Continuous(actions) = &decision.actions else { panic!("{decision:?}") };
    for (action, parameters) in actions.iter().zip(decision.parameters.chunks_exact(2)) {
        assert!((action - 2.0 * parameters[0].tanh()).abs() < 1e-6, "{decision:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&Config::default().with(|config| config.env.normalize_observations = true)).unwrap();
    agent.save(&dir).unwrap();
    let opened = Agent::open_with(&dir, |spec, _| Ok(OneLayer::new(spec, &flex()))).unwrap();
    assert_eq!(opened.decide(&rows, &[], None).unwrap(), decision);
    assert_eq!(agent.player(2).act(&rows, &[]).unwrap(), &decision.actions);
}

#[test]
fn a_network_of_ones_own_is_loaded_from_a_checkpoint_as_an_agent() {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let config = Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.env.num_envs = 1;
        config.run.total_steps = 400;
        config.algorithm = Algo::Reinforce.into();
        config.network.exploration = exploration;
    });
    let config = config.validate().unwrap();
    let recipe = Recipe::of(&config).unwrap();
    let envs = make("Pendulum-v1", 1).unwrap();
    let mut trainer =
        recipe.build_with(envs, &config, &flex(), |spec, _, device| Ok(OneLayer::new(spec, device))).unwrap();
    trainer.update().unwrap();
    let checkpoint = trainer.checkpoint().unwrap();
    let blank = |spec: &EnvSpec, _: &CheckedConfig| Ok(OneLayer::new(spec, &flex()));
    let loaded = Agent::of_checkpoint_with(&checkpoint, blank).unwrap();
    let decided = |agent: &Agent<OneLayer>| agent.decide(&[0.6, 0.8, 1.0], &[], None).unwrap();
    assert_eq!(decided(&loaded), decided(&trainer.agent().unwrap()));
}

/// Three places in a row, of which one cannot be left to the left. Nobody registers it.
#[derive(Default)]
struct Row(u32);

impl Env for Row {
    type Action = u32;
    type State = u32;
    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Row-v0".into(),
            observation_space: Space::Box { low: vec![0.0], high: vec![f32::INFINITY], shape: vec![1] },
            action_space: Space::discrete(2),
            max_episode_steps: Some(8),
            reward_threshold: None,
            masks_actions: true,
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
        // Those who have the environment evaluate in it; the others are told what is missing.
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
fn an_agent_is_what_its_policy_file_says_whatever_becomes_of_the_other_files() {
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

#[test]
fn a_player_carries_the_recurrent_state_as_decisions_do() {
    let recurrence = Recurrence::Gru(RecurrentSpec { size: 4, ..RecurrentSpec::default() });
    let config = Config::default()
        .with(|config| {
            config.network.recurrence = recurrence;
            config.env.num_envs = 2;
            config.run.total_steps = 1024;
            config.algorithm = PpoConfig { num_minibatches: 1, ..PpoConfig::default() }.into();
        })
        .validate()
        .unwrap();
    let agent = Trainer::of(&config, &flex()).unwrap().agent().unwrap();
    let rows = [0.5, -0.5, 0.1, 0.2, -1.0, 2.0, 0.3, 0.0];
    let first = agent.decide(&rows, &[], None).unwrap();
    let second = agent.decide(&rows, &[], first.state.as_deref()).unwrap();
    assert_ne!(first.parameters, second.parameters);
    let mut player = agent.player(2);
    for decision in [&first, &second] {
        assert_eq!(player.act(&rows, &[]).unwrap(), &decision.actions);
    }
    player.begin_episodes(0..2);
    assert_eq!(player.act(&rows, &[]).unwrap(), &first.actions);
}
