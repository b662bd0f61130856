//! Training on a GPU: tasks are solved, results repeat, and the device is rarely waited for.

use burn::tensor::Device;
use burn_pg::{
    Config, Trainer, UpdateStats,
    algorithm::Recipe,
    config::PpoConfig,
    envs::make,
    evaluate,
    optim::{LearningRate, Schedule},
    run::checkpoint::Checkpoint,
    source::OffDevice,
    update::Unfused,
};

use super::gpus;
use crate::helpers::{Own, ignore, parameters, without_time};

/// PPO with small networks, for a driver that emulates a GPU.
fn config(env: &str, seed: u64, change: impl FnOnce(&mut Config, &mut PpoConfig)) -> Config {
    Config::default().with(|config| {
        let mut ppo = PpoConfig { entropy_weight: 0.0.into(), clip_value: false, ..PpoConfig::default() };
        config.env.name = env.into();
        config.run.seed = seed;
        config.env.num_envs = 64;
        config.network.hidden_sizes = vec![16, 16];
        change(config, &mut ppo);
        config.algorithm = ppo.into();
    })
}

fn trainer(config: &Config, device: &Device) -> Trainer<burn_pg::policy::ActorCritic> {
    Trainer::of(&config.clone().validate().unwrap(), device).unwrap()
}

/// Returns the mean return of 50 episodes after training.
fn trained(config: &Config, device: &Device) -> f64 {
    let mut trainer = trainer(config, device);
    assert_eq!(trainer.source().off_device(), None);
    trainer.run(&mut ignore).unwrap();
    assert_eq!(trainer.unfused(), None);
    let agent = trainer.agent().unwrap();
    evaluate(&agent, make(&config.env.name, 10).unwrap(), 50, false).unwrap().return_mean()
}

fn falling(start: f64) -> LearningRate {
    Schedule::Linear { start, end: 0.0 }.into()
}

#[test]
fn cartpole_is_solved_on_a_gpu() {
    for device in gpus() {
        let config = config("CartPole-v1", 1, |config, ppo| {
            config.run.total_steps = 98_304;
            config.rollout.num_steps = 32;
            config.optimiser.learning_rate = falling(0.01);
            (ppo.gamma, ppo.gae_lambda, ppo.num_epochs, ppo.num_minibatches) = (0.98, 0.9, 6, 4);
        });
        let mean = trained(&config, &device);
        assert!(mean >= 475.0, "{mean}");
    }
}

#[test]
fn acrobot_is_solved_on_a_gpu() {
    for device in gpus() {
        let config = config("Acrobot-v1", 1, |config, ppo| {
            config.run.total_steps = 131_072;
            config.env.num_envs = 32;
            config.rollout.num_steps = 128;
            config.network.hidden_sizes = vec![32, 32];
            config.optimiser.learning_rate = falling(0.003);
            (ppo.gamma, ppo.gae_lambda, ppo.num_epochs, ppo.num_minibatches) = (0.99, 0.95, 6, 4);
            ppo.entropy_weight = 0.01.into();
        });
        let mean = trained(&config, &device);
        assert!(mean >= -100.0, "{mean}");
    }
}

#[test]
fn pendulum_is_solved_on_a_gpu() {
    for device in gpus() {
        let config = config("Pendulum-v1", 1, |config, ppo| {
            config.run.total_steps = 196_608;
            config.rollout.num_steps = 64;
            config.optimiser.learning_rate = falling(0.005);
            (ppo.gamma, ppo.gae_lambda, ppo.num_epochs, ppo.num_minibatches) = (0.9, 0.95, 10, 8);
        });
        let mean = trained(&config, &device);
        assert!(mean >= -250.0, "{mean}");
    }
}

/// A few updates of a small run.
fn short(seed: u64) -> Config {
    config("CartPole-v1", seed, |config, ppo| {
        config.run.total_steps = 64 * 8 * 4;
        config.rollout.num_steps = 8;
        (ppo.num_epochs, ppo.num_minibatches) = (2, 4);
    })
}

fn updates(trainer: &mut Trainer<burn_pg::policy::ActorCritic>, count: usize) -> Vec<UpdateStats> {
    (0..count).map(|_| without_time(&trainer.update().unwrap())).collect()
}

#[test]
fn the_same_seed_gives_the_same_bits_on_a_gpu_and_a_run_resumes_exactly() {
    for device in gpus() {
        let [mut one, mut same] = [(); 2].map(|()| trainer(&short(3), &device));
        let first = updates(&mut one, 2);
        assert_eq!(first, updates(&mut same, 2));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("after-two");
        one.checkpoint().unwrap().write(&path).unwrap();
        let second = updates(&mut one, 2);
        let mut restored = trainer(&short(3), &device);
        restored.restore(Checkpoint::read(&path).unwrap()).unwrap();
        assert_eq!(second, updates(&mut restored, 2));
        assert_eq!(parameters(one.policy()), parameters(restored.policy()));
        let mut other = trainer(&short(4), &device);
        assert_ne!(first, updates(&mut other, 2));
    }
}

#[test]
fn ordinary_epochs_learn_from_samples_on_a_gpu() {
    for device in gpus() {
        // A term of one's own is not fused.
        let config = short(3).validate().unwrap();
        let recipe = Recipe::of(&config).unwrap().with(0.1, Own);
        let mut trainer = recipe.build(make("CartPole-v1", 64).unwrap(), &config, &device).unwrap();
        updates(&mut trainer, 1);
        assert_eq!(trainer.unfused(), Some(Unfused::Term { term: "own_loss" }));
        assert_eq!(trainer.source().off_device(), None);
        // Shared layers are, and so is gradient descent.
        let mut config = short(3);
        config.network.shared_layers = true;
        config.optimiser.kind = toml::from_str("kind = 'sgd'\nmomentum = 0.9").unwrap();
        let mut trainer = self::trainer(&config, &device);
        updates(&mut trainer, 2);
        assert_eq!((trainer.unfused(), trainer.source().off_device()), (None, None));
        // A recipe may keep the environments on the host; minibatches are fused all the same.
        let mut config = short(3);
        config.rollout.on_device = false;
        let mut trainer = self::trainer(&config, &device);
        updates(&mut trainer, 1);
        assert_eq!(trainer.unfused(), None);
        assert!(matches!(trainer.source().off_device(), Some(OffDevice::Config(_))));
    }
}

#[test]
fn a_run_goes_on_where_the_environments_are_elsewhere() {
    for device in gpus() {
        let mut host = short(3);
        host.rollout.on_device = false;
        let (mut here, mut there) = (trainer(&short(3), &device), trainer(&host, &device));
        let folder = tempfile::tempdir().unwrap();
        for (i, (from, to)) in [(&mut here, &host), (&mut there, &short(3))].into_iter().enumerate() {
            updates(from, 2);
            let path = folder.path().join(i.to_string());
            from.checkpoint().unwrap().write(&path).unwrap();
            let mut restored = trainer(to, &device);
            restored.restore(Checkpoint::read(&path).unwrap()).unwrap();
            assert_eq!(restored.env_steps(), from.env_steps());
            assert_eq!(restored.episodes(), from.episodes());
            assert_eq!(parameters(restored.policy()), parameters(from.policy()));
            updates(&mut restored, 2);
            assert!(restored.is_over());
        }
    }
}
