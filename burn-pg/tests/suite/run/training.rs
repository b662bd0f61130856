//! Runs train on every device, end when an observer says so, and keep their weights if an update fails.

use std::{
    ops::ControlFlow,
    thread::sleep,
    time::{Duration, Instant},
};

use burn_pg::{
    DeviceChoice, Error, UpdateStats,
    device::{self, Backend},
    envs::make,
    evaluate,
    optim::Schedule,
    run::{RunDir, Session},
};

use super::{metrics, trainer};
use crate::helpers::{parameters, small};
use crate::precision::open_devices;
use crate::settings::ppo_of;

#[test]
fn a_short_run_trains_on_every_device_and_agrees_on_its_first_update() {
    let mut first_updates = Vec::new();
    for backend in open_devices().into_iter().map(|open| open.backend) {
        // Environments on a GPU have random numbers of their own, and so has the order of samples in kernels.
        let config = small().with(|config| {
            config.rollout.on_device = false;
            ppo_of(config).num_minibatches = 1;
        });
        let mut trainer = trainer(config, backend);
        let before = parameters(trainer.policy());
        let lines = metrics(&mut trainer);
        assert_eq!(lines.len(), 2, "{backend}");
        assert_eq!(trainer.env_steps(), 64, "{backend}");
        assert_ne!(before, parameters(trainer.policy()), "{backend}");
        first_updates.push(lines[0].clone());
    }
    // The weights and all other random numbers are drawn on the host, so devices differ by rounding only.
    for other in &first_updates[1..] {
        for (name, value) in &first_updates[0].losses {
            assert!((value - other.losses[name]).abs() < 1e-4, "{name}: {value} {}", other.losses[name]);
        }
    }
}

#[test]
fn an_update_stops_early_beyond_the_target_kl() {
    let epochs = |target_kl: f64| {
        let config = small().with(|config| {
            config.optimiser.learning_rate = Schedule::Linear { start: 0.05, end: 0.0 }.into();
            ppo_of(config).target_kl = target_kl;
            ppo_of(config).num_epochs = 5;
        });
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
fn a_nonfinite_loss_leaves_the_weights_unchanged() {
    // The step is so large that the next loss overflows.
    let config = small().with(|config| {
        config.optimiser.learning_rate = Schedule::Linear { start: 1e30, end: 0.0 }.into();
        ppo_of(config).num_epochs = 3;
    });
    let mut trainer = trainer(config, Backend::Flex);
    let before = parameters(trainer.policy());
    let error = trainer.update().unwrap_err();
    assert!(matches!(error, Error::NonFinite { update: 1, .. }), "{error}");
    assert_eq!(parameters(trainer.policy()), before);
}

#[test]
fn a_failed_update_leaves_weights_and_observation_normaliser_unchanged() {
    // Each of two updates has one step; the step of the second leads to weights that are not finite.
    let learning_rate = Schedule::Linear { start: 1e-3, end: 1e39 }.into();
    let config = small().with(|config| {
        config.optimiser.learning_rate = learning_rate;
        config.env.normalize_observations = true;
        ppo_of(config).num_epochs = 1;
        ppo_of(config).num_minibatches = 1;
    });
    let mut trainer = trainer(config, Backend::Flex);
    let first = trainer.observation_normalizer().unwrap().clone();
    trainer.update().unwrap();
    let (weights, second) = (parameters(trainer.policy()), trainer.observation_normalizer().unwrap().clone());
    assert_ne!(first, second);
    let error = trainer.update().unwrap_err();
    assert!(matches!(error, Error::NonFinite { update: 2, .. }), "{error}");
    assert_eq!(trainer.env_steps(), 64, "more was observed");
    assert_eq!((&parameters(trainer.policy()), trainer.observation_normalizer().unwrap()), (&weights, &second));
}

#[test]
fn an_observer_ends_a_run() {
    let mut trainer = trainer(small(), Backend::Flex);
    trainer.run(&mut |_: &UpdateStats| ControlFlow::Break(())).unwrap();
    assert_eq!(trainer.env_steps(), 32);
}

#[test]
fn training_time_excludes_observers_checkpoints_and_evaluations() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = small();
    config.checkpoint.interval = Some(1);
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    let pause = Duration::from_millis(50);
    let start = Instant::now();
    let mut session = Session::begin(trainer(config, Backend::Flex), dir).unwrap().with_evaluation(move |_| {
        sleep(pause);
        Ok(0.0)
    });
    let mut last = None;
    session
        .train(&mut |stats: &UpdateStats| {
            sleep(pause);
            last = Some(stats.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    let last = last.unwrap();
    assert_eq!((last.update, last.elapsed_seconds), (2, session.trainer().seconds()));
    assert_eq!(last.steps_per_second, last.env_steps as f64 / last.elapsed_seconds);
    assert!(last.elapsed_seconds + (4 * pause).as_secs_f64() < start.elapsed().as_secs_f64());
}

/// Loggers block every thread of rayon's global pool until the run sends them something.
#[test]
fn tasks_that_block_the_global_pool_do_not_delay_a_run() {
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

/// The batch is large enough to be stepped on several threads.
#[test]
fn tasks_that_block_the_global_pool_do_not_delay_evaluations_and_other_devices() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let receiver = std::sync::Arc::new(std::sync::Mutex::new(receiver));
        for _ in 0..rayon::current_num_threads() {
            let receiver = std::sync::Arc::clone(&receiver);
            rayon::spawn(move || receiver.lock().unwrap().recv().unwrap_or_default());
        }
        for backend in Backend::compiled() {
            let config = small().with(|config| {
                config.env.num_envs = 4096;
                config.rollout.num_steps = 2;
                config.run.total_steps = 8192;
            });
            let Ok(open) = device::open(DeviceChoice::Backend(backend)) else { continue };
            let config = config.validate().unwrap();
            let mut trainer = burn_pg::Trainer::of(&config, &open.device).unwrap();
            trainer.update().unwrap();
            let agent = trainer.agent().unwrap();
            evaluate(&agent, make(&config.env.name, 4096).unwrap(), 1, false).unwrap();
        }
        drop(sender);
        done.send(()).unwrap();
    });
    assert_eq!(is_done.recv_timeout(std::time::Duration::from_mins(2)), Ok(()));
}
