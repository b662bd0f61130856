//! Faults that a run survives if its configuration allows them.

use std::ops::ControlFlow;

use burn_pg::{
    CheckedConfig, Error, Observer, Trainer, UpdateStats,
    algorithm::Recipe,
    config::{Faults, Layer, Layers, OnEnvironment, OnNumbers},
    device::Backend,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    policy::ActorCritic,
    run::checkpoint::Checkpoint,
    source::Episode,
};

use crate::helpers::{open, parameters, without_time};
use crate::settings::{settings, valid};
/// How an [`Unsound`] environment fails.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Panics,
    Observes(f32),
    Rewards(f64),
}

/// Fails in every 20th step.
#[derive(Clone)]
struct Unsound {
    way: Option<Way>,
    steps: u32,
}

#[allow(clippy::cast_possible_truncation)] // rounding is fine
fn fraction(rng: &mut EnvRng) -> f32 {
    rng.next_f64() as f32
}

impl Env for Unsound {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec { max_episode_steps: Some(5), ..EnvSpec::new("Unsound", Space::symmetric(&[1.0]), Space::discrete(2)) }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        observation[0] = fraction(rng);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.steps += 1;
        observation[0] = fraction(rng);
        let mut reward = f64::from(action) * rng.next_f64();
        if self.steps.is_multiple_of(20) {
            match self.way {
                Some(Way::Panics) => panic!("the sky has fallen"),
                Some(Way::Observes(number)) => observation[0] = number,
                Some(Way::Rewards(number)) => reward = number,
                None => {}
            }
        }
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.steps
    }

    fn set_state(&mut self, steps: u32) {
        self.steps = steps;
    }
}

fn config(faults: Faults, algo: &str) -> CheckedConfig {
    let once = if algo == "ppo" || algo == "trpo" { "num_minibatches = 1\nnum_epochs = 1\n" } else { "" };
    let small = "num_steps = 8\nnum_envs = 3\nhidden_sizes = [4]\ntotal_steps = 240";
    settings(&format!("algorithm.kind = '{algo}'\n{once}{small}"))
        .unwrap()
        .with(|config| config.faults = faults)
        .validate()
        .unwrap()
}

/// Returns a trainer with three environments, of which the second is unsound.
fn trainer(way: Option<Way>, config: &CheckedConfig, backend: Backend) -> Trainer<ActorCritic> {
    let device = open(backend);
    let envs = [None, way, None].map(|way| Unsound { way, steps: 0 });
    let recipe = Recipe::of(config).unwrap();
    recipe.build(Box::new(VecEnv::from_envs(envs.into()).unwrap()), config, &device).unwrap()
}

/// An observer that keeps what a run reports.
#[derive(Default)]
struct Log {
    updates: Vec<u64>,
    /// The messages of the faults.
    faults: Vec<String>,
    last: Option<UpdateStats>,
    episodes: u64,
}

impl Observer for Log {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        self.updates.push(stats.update);
        self.last = Some(stats.clone());
        ControlFlow::Continue(())
    }

    fn on_episode(&mut self, _: &Episode) {
        self.episodes += 1;
    }

    fn on_fault(&mut self, fault: &Error) -> ControlFlow<()> {
        self.faults.push(fault.to_string());
        ControlFlow::Continue(())
    }
}

const LENIENT: Faults = Faults { numbers: OnNumbers::Skip, environment: OnEnvironment::Restart, limit: 10 };

#[test]
fn a_failed_update_is_skipped_and_counted_and_the_run_continues() {
    for (way, message) in [
        (Way::Panics, "it panicked: the sky has fallen"),
        (Way::Observes(f32::NAN), "component 0 of its observation is NaN"),
        (Way::Rewards(f64::INFINITY), "its reward is inf"),
    ] {
        for (algo, backend) in [("ppo", Backend::Flex), ("a2c", Backend::Flex), ("trpo", Backend::Flex)] {
            let mut log = Log::default();
            let mut trainer = trainer(Some(way), &config(LENIENT, algo), backend);
            trainer.run(&mut log).unwrap();
            // The second environment fails in steps 20, 40 and so on; rollouts have 8 steps.
            assert!(log.faults.len() >= 3, "{algo}: {:?}", log.faults);
            let first = "update 3, after 57 environment steps: environment 1, seeded with 2, failed after 20 steps: ";
            assert_eq!(log.faults[0], format!("{first}{message}"), "{algo}");
            assert_eq!(log.updates[..2], [1, 2], "{algo}");
            assert!(!log.updates.contains(&3), "{algo}: it was skipped");
            assert_eq!(trainer.faults(), log.faults.len() as u64);
            assert_eq!(trainer.updates(), (log.updates.len() + log.faults.len()) as u64);
            assert!(log.last.unwrap().faults >= 3);
            assert!(trainer.is_over());
            // A panic gives the environment a new random stream, and other faults do not.
            let seeded = log.faults[1].contains("seeded with 2,");
            assert_eq!(seeded, way != Way::Panics, "{}", log.faults[1]);
        }
    }
}

#[test]
fn a_skipped_update_leaves_weights_and_optimiser_unchanged() {
    let mut trainer = trainer(Some(Way::Rewards(f64::NAN)), &config(LENIENT, "ppo"), Backend::Flex);
    trainer.update().unwrap();
    trainer.update().unwrap();
    let before = parameters(trainer.policy());
    let optimiser = |trainer: &Trainer<ActorCritic>| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c");
        trainer.checkpoint().unwrap().write(&path).unwrap();
        std::fs::read(path.join("tensors.safetensors")).unwrap()
    };
    let optimiser_before = optimiser(&trainer);
    trainer.update().unwrap_err();
    assert_eq!(parameters(trainer.policy()), before);
    assert_eq!(optimiser(&trainer), optimiser_before);
    trainer.update().unwrap();
    assert_ne!(parameters(trainer.policy()), before);
}

#[test]
fn a_run_ends_with_the_first_fault_that_its_settings_do_not_allow() {
    let stop = Faults::default();
    let numbers = Faults { numbers: OnNumbers::Skip, ..stop };
    let environment = Faults { environment: OnEnvironment::Restart, ..stop };
    for (way, faults, survives) in [
        (Way::Panics, stop, false),
        (Way::Panics, numbers, false),
        (Way::Panics, environment, true),
        (Way::Observes(f32::INFINITY), stop, false),
        (Way::Observes(f32::INFINITY), environment, false),
        (Way::Observes(f32::INFINITY), numbers, true),
        (Way::Rewards(f64::NAN), stop, false),
        (Way::Rewards(f64::NAN), numbers, true),
    ] {
        let mut trainer = trainer(Some(way), &config(faults, "ppo"), Backend::Flex);
        let mut log = Log::default();
        let outcome = trainer.run(&mut log);
        // The episodes of the last update are reported too, even if it failed.
        assert_eq!(log.episodes, trainer.episodes().count(), "{way:?}, {faults:?}");
        assert_eq!(outcome.is_ok(), survives, "{way:?}, {faults:?}");
        assert_eq!(trainer.faults() > 0, survives, "{way:?}, {faults:?}");
        if let Err(error) = outcome {
            assert!(matches!(error, Error::EnvInUpdate { update: 3, .. }), "{error}");
        }
    }
    let mut log = Log::default();
    let mut trainer = trainer(Some(Way::Panics), &config(Faults { limit: 2, ..LENIENT }, "ppo"), Backend::Flex);
    let error = trainer.run(&mut log).unwrap_err();
    assert!(matches!(&error, Error::Faults { limit: 2, .. }), "{error}");
    assert!(error.to_string().starts_with("more updates failed than `faults.limit` allows (2); update "), "{error}");
    assert_eq!((log.faults.len(), trainer.faults()), (2, 2));
    let none = Faults { limit: 0, ..LENIENT };
    let error = self::trainer(Some(Way::Panics), &config(none, "ppo"), Backend::Flex).run(&mut log).unwrap_err();
    assert!(matches!(error, Error::EnvInUpdate { .. }), "{error}");
}

#[test]
fn updates_with_nonfinite_losses_are_skipped() {
    // The step is so large that the second pass overflows, in each update until the limit is reached.
    let text = "num_envs = 3\nnum_steps = 8\nnum_minibatches = 1\nhidden_sizes = [4]\ntotal_steps = 2400\n\
                learning_rate = 1e30\nfaults = { numbers = 'skip', limit = 4 }";
    let config = valid(text);
    let mut trainer = trainer(None, &config, Backend::Flex);
    let before = parameters(trainer.policy());
    let mut log = Log::default();
    let error = trainer.run(&mut log).unwrap_err();
    let Error::Faults { limit: 4, source } = &error else { panic!("{error}") };
    assert!(matches!(**source, Error::NonFinite { update: 5, .. }), "{error}");
    assert_eq!((log.updates, log.faults.len()), (vec![], 4));
    assert_eq!(parameters(trainer.policy()), before);
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one_after_faults() {
    for (way, settings) in [
        (Way::Panics, ""),
        (Way::Panics, "recurrence = { cell = 'gru', size = 3, burn_in = 2 }"),
        (Way::Observes(f32::NAN), "normalize_observations = true"),
        (Way::Rewards(f64::NAN), "normalize_rewards = true"),
        (Way::Panics, "overlap = true"),
        (Way::Rewards(f64::NAN), "overlap = true\nnormalize_observations = true"),
    ] {
        let text = config(LENIENT, "ppo").to_toml();
        let mut layers = Layers::default();
        layers.push("", text.parse().unwrap());
        layers.push("", Layer::from_short_keys("", settings.parse().unwrap()).unwrap().settings);
        let config = layers.config().unwrap().validate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |update: u64| folder.path().join(update.to_string());
        let mut whole = trainer(Some(way), &config, Backend::Flex);
        let mut reports = Vec::new();
        let report = |reports: &mut Vec<String>, outcome: Result<&UpdateStats, &Error>| {
            reports.push(format!("{:?}", outcome.map(without_time).map_err(ToString::to_string)));
        };
        let outcome = whole.run_with(|trainer, outcome| {
            trainer.checkpoint().unwrap().write(&path(trainer.updates())).unwrap();
            report(&mut reports, outcome);
            ControlFlow::Continue(())
        });
        outcome.unwrap();
        assert!(whole.faults() > 2, "{way:?}");
        for update in 1..=whole.updates() {
            let mut resumed = trainer(Some(way), &config, Backend::Flex);
            resumed.restore(Checkpoint::read(&path(update)).unwrap()).unwrap();
            let mut again = Vec::new();
            let outcome = resumed.run_with(|_, outcome| {
                report(&mut again, outcome);
                ControlFlow::Continue(())
            });
            outcome.unwrap();
            assert_eq!(reports[usize::try_from(update).unwrap()..], again, "{way:?}, from update {update}");
            let [theirs, ours] = [&whole, &resumed].map(|trainer| parameters(trainer.policy()));
            assert_eq!(theirs, ours, "{way:?}, from update {update}");
        }
    }
}
