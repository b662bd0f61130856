//! An update whose environments are on the GPU launches few kernels, and waits for the device twice. A test of its own process,
//! because it counts the launches of all threads.
#![cfg(feature = "cube")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use burn_pg::{
    Config, Trainer,
    config::PpoConfig,
    device::{self, Backend, DeviceChoice, waits},
    envs::device::cubecl::logging::{LaunchObservation, LaunchObserver},
};

#[derive(Default)]
struct Launches(AtomicUsize);

impl LaunchObserver for Launches {
    fn launched(&self, _kernel: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn an_update_takes_at_most_100_launches_and_2_synchronisations() {
    for backend in Backend::compiled().into_iter().filter(|backend| !backend.is_cpu()) {
        let Ok(open) = device::open(DeviceChoice::Backend(backend)) else { continue };
        let config = Config::default().with(|config| {
            config.run.total_steps = 1 << 20;
            config.env.num_envs = 32;
            config.rollout.num_steps = 128;
            config.network.hidden_sizes = vec![8, 8];
            let ppo = PpoConfig { num_epochs: 4, num_minibatches: 4, target_kl: 1.0, ..PpoConfig::default() };
            config.algorithm = ppo.into();
        });
        let mut trainer = Trainer::of(&config.validate().unwrap(), &open.device).unwrap();
        trainer.update().unwrap();
        let launches = Arc::new(Launches::default());
        let (observation, before) = (LaunchObservation::new(launches.clone()), waits());
        let stats = trainer.update().unwrap();
        drop(observation);
        let (launches, waited) = (launches.0.load(Ordering::Relaxed), waits() - before);
        println!("{backend}: {launches} launches, {waited} synchronisations");
        assert_eq!(stats.epochs, 4);
        assert!((20..=100).contains(&launches), "{launches} launches");
        assert_eq!(waited, 2);
    }
}
