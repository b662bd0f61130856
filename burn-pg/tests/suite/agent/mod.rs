//! Agents: evaluated, saved, and with networks and environments of a user's own.

mod evaluation;
mod own_network;
mod saved;

use burn::module::Module;
use burn_pg::{
    Config, Trainer,
    config::{PpoConfig, Recurrence, RecurrentSpec},
    envs::{
        EnvRng, spec,
        wrapper::{ObservationNormalizer, RunningMoments},
    },
    policy::{ActorCritic, Exploration, NetworkSpec},
};

use crate::helpers::{AddNoise, flex};

/// A squashed policy for the pendulum, and a normaliser that changes its observations.
fn pendulum() -> (ActorCritic, ObservationNormalizer) {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let shape = NetworkSpec { exploration, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec("Pendulum-v1").unwrap(), &shape, &mut EnvRng::new(3), &flex()).unwrap();
    let moments = RunningMoments { mean: vec![-0.3, 0.1, 0.5], variance: vec![0.4, 0.5, 9.0], count: 1e4 };
    (policy.map(&mut AddNoise(EnvRng::new(4))), ObservationNormalizer { moments, clip: 10.0 })
}

#[test]
fn a_player_carries_recurrent_state_from_step_to_step() {
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
