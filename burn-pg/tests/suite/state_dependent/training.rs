//! Policies with gSDE noise, trained and evaluated.

use std::{num::NonZeroU32, ops::ControlFlow};

use burn_pg::{
    Config, Trainer, UpdateStats,
    config::PpoConfig,
    distribution::{ActionTensor, AnyDistribution, Distribution},
    envs::{Env, EnvRng, make},
    evaluate,
    policy::{ActorCritic, Exploration, GsdeNoise, NetworkSpec, Observation, Policy},
};

use super::{Basis, basis};
use crate::helpers::{flex, ignore, on_threads, parameters};
use crate::precision::{assert_close, open_devices, values};
use crate::settings::ppo_of;

#[test]
fn the_first_ratio_is_one_for_perceptrons() {
    for (squash, shared) in [(false, false), (true, true)] {
        let sde = Some(GsdeNoise { resample_every: NonZeroU32::new(4), learn_features: true });
        let exploration = Exploration { squash, sde, ..Exploration::default() };
        let shape = NetworkSpec { exploration, shared, hidden_sizes: vec![16, 8], ..NetworkSpec::default() };
        let policy = ActorCritic::new(&Basis::default().spec(), &shape, &mut EnvRng::new(0), &flex()).unwrap();
        let mut collector = basis(4);
        let rollout = collector.collect(&policy).unwrap();
        let observations = Observation::upload(rollout.observations.flat().into_owned(), &[], rollout.len(), &flex());
        let actions = ActionTensor::upload(&rollout.actions, rollout.len(), &flex());
        let distribution = policy.forward(observations).distribution;
        match (&distribution, squash) {
            (AnyDistribution::StateDependentGaussian(_), false)
            | (AnyDistribution::SquashedStateDependentGaussian(_), true) => {}
            other => panic!("{other:?}"),
        }
        let recorded: Vec<f64> = rollout.log_probs.iter().map(|&log_prob| f64::from(log_prob)).collect();
        assert_close(&recorded, &values(distribution.log_prob(&actions)), 2e-6, "log_prob");
        assert_close(&values(distribution.kl(&distribution)), &vec![0.0; rollout.len()], 2e-6, "kl");
    }
}

fn pendulum() -> Config {
    let sde = Some(GsdeNoise { resample_every: NonZeroU32::new(4), learn_features: false });
    Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.run.total_steps = 3 * 1024;
        config.env.num_envs = 4;
        config.rollout.num_steps = 256;
        config.network.hidden_sizes = vec![16, 16];
        config.network.exploration = Exploration { sde, ..Exploration::default() };
        config.algorithm = PpoConfig { num_epochs: 2, num_minibatches: 8, ..PpoConfig::default() }.into();
    })
}

#[test]
fn a_pendulum_is_trained_on_every_device_and_evaluated_with_and_without_noise() {
    for open in open_devices() {
        for squash in [false, true] {
            let mut config = pendulum();
            config.network.exploration.squash = squash;
            if !open.backend.is_cpu() {
                // A software driver takes long for each step.
                (config.rollout.num_steps, config.run.total_steps) = (64, 3 * 256);
                ppo_of(&mut config).num_minibatches = 2;
            }
            let config = config.validate().unwrap();
            let mut trainer = Trainer::of(&config, &open.device).unwrap();
            let before = parameters(trainer.policy());
            let mut updates = 0;
            trainer
                .run(&mut |stats: &UpdateStats| {
                    updates += 1;
                    assert!(stats.losses["approx_kl"] < 0.2, "{:?}", stats.losses);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(updates, 3);
            let after = parameters(trainer.policy());
            assert!(before.iter().zip(&after).filter(|(before, after)| before != after).count() > before.len() / 2);

            let agent = trainer.agent().unwrap();
            let returns =
                |stochastic: bool| evaluate(&agent, make("Pendulum-v1", 2).unwrap(), 0, stochastic).unwrap().returns;
            assert_eq!(returns(false), returns(false));
            assert_eq!(returns(true), returns(true));
            assert_ne!(returns(false), returns(true));
        }
    }
}

#[test]
fn a_seed_repeats_gsde_noise_with_any_number_of_threads() {
    // Enough environments that they are stepped in parallel.
    let config = pendulum().with(|config| {
        config.env.num_envs = 512;
        config.rollout.num_steps = 6;
        config.run.total_steps = 6_144;
        ppo_of(config).num_minibatches = 2;
    });
    let run = |threads: usize, seed: u64| {
        on_threads(threads, || {
            let config = config.clone().with(|config| config.run.seed = seed).validate().unwrap();
            let mut trainer = Trainer::of(&config, &flex()).unwrap();
            trainer.run(&mut ignore).unwrap();
            parameters(trainer.policy())
        })
    };
    let once = run(1, 5);
    assert_eq!(once, run(4, 5));
    assert_ne!(once, run(1, 6));
}
