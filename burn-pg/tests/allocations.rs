//! Acting on the host allocates nothing, and reading a checkpoint allocates no more than its files justify.
#![cfg(feature = "flex")]

use std::fs;

use burn::tensor::Device;
use burn_pg::{
    Agent, Config, Trainer,
    envs::{self, EnvRng, make, wrapper::ObservationNormalizer},
    policy::{ActorCritic, Exploration, HostWorkspace, NetworkSpec, Policy},
    run::checkpoint::Checkpoint,
};

#[test]
fn no_action_after_the_first_allocates() {
    for (id, squash, rows) in [("CartPole-v1", false, 1), ("Pendulum-v1", true, 1), ("Acrobot-v1", false, 64)] {
        let mut envs = make(id, rows).unwrap();
        let shape =
            NetworkSpec { exploration: Exploration { squash, ..Exploration::default() }, ..NetworkSpec::default() };
        let policy = ActorCritic::new(envs.spec(), &shape, &mut EnvRng::new(0), &Device::flex()).unwrap();
        let policy = policy.on_host().unwrap();
        let mut workspace = HostWorkspace::new(&envs.spec().action_space);
        let observations = envs.reset(1).unwrap().observations.clone();
        policy.act(&observations, &[], &mut workspace).unwrap();
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                policy.act(&observations, &[], &mut workspace).unwrap();
            }
        });
        assert_eq!(counted.count_total, 0, "{id}");
    }
}

#[test]
fn no_step_of_a_player_after_the_first_allocates() {
    for (id, squash, rows) in [("CartPole-v1", false, 1), ("Pendulum-v1", true, 1), ("Pendulum-v1", false, 64)] {
        let agent = agent(id, squash);
        let observations = make(id, rows).unwrap().reset(1).unwrap().observations.clone();
        for mut player in [agent.player(rows), agent.player(rows).stochastic(3)] {
            player.act(&observations, &[]).unwrap();
            let counted = allocation_counter::measure(|| {
                for _ in 0..100 {
                    player.act(&observations, &[]).unwrap();
                    player.begin_episodes(0..rows);
                }
            });
            assert_eq!(counted.count_total, 0, "{id}");
        }
    }
}

#[test]
fn a_decision_copies_no_weights() {
    let agent = agent("Pendulum-v1", true);
    let decide = || drop(agent.decide(&[0.6, 0.8, 1.0], &[], None).unwrap());
    decide();
    let counted = allocation_counter::measure(decide);
    // The hidden layer alone has 64 x 64 weights of 4 bytes.
    assert!(counted.bytes_total < 64 * 64, "{} bytes", counted.bytes_total);
}

/// An agent with hidden layers of 64, and an observation normaliser.
fn agent(id: &str, squash: bool) -> Agent {
    let spec = envs::spec(id).unwrap();
    let shape = NetworkSpec { exploration: Exploration { squash, ..Exploration::default() }, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &shape, &mut EnvRng::new(0), &Device::flex()).unwrap();
    let normalizer = ObservationNormalizer::new(spec.observation_space.flat_len());
    Agent::new(policy, spec, Some(normalizer)).unwrap()
}

#[test]
fn reading_a_checkpoint_allocates_no_more_than_its_files_justify() {
    let config = Config::default().with(|config| {
        config.run.total_steps = 1024;
        config.network.hidden_sizes = vec![8];
        config.env.normalize_observations = true;
    });
    let mut trainer = Trainer::of(&config.validate().unwrap(), &Device::flex()).unwrap();
    trainer.update().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    trainer.checkpoint().unwrap().write(&path).unwrap();
    let files = Checkpoint::FILES.map(|name| fs::read(path.join(name)).unwrap());
    let most = |files: &[Vec<u8>; 5]| {
        let read = || drop(Checkpoint::from_files(&path, files.each_ref().map(Vec::as_slice)));
        allocation_counter::measure(read).bytes_max
    };
    let length = files.iter().map(Vec::len).sum::<usize>() as u64;
    let as_written = most(&files);
    assert!(as_written < 8 * length, "{as_written} for {length}");
    // Each number in turn is made enormous: lengths, shapes, offsets, counters, settings.
    let mut numbers = 0;
    for file in 0..files.len() {
        let starts =
            |i: usize| files[file][i].is_ascii_digit() && (i == 0 || !files[file][i - 1].is_ascii_alphanumeric());
        for at in (0..files[file].len()).filter(|&i| starts(i)) {
            let mut changed = files.clone();
            changed[file].splice(at..=at, *b"999999999999999");
            let taken = most(&changed);
            assert!(
                taken < as_written + 8 * length,
                "{taken} instead of {as_written}: {} at {at}",
                Checkpoint::FILES[file]
            );
            numbers += 1;
        }
    }
    for length in [u64::MAX, 1 << 40, files[0].len() as u64] {
        let mut changed = files.clone();
        changed[0][..8].copy_from_slice(&length.to_le_bytes());
        assert!(most(&changed) <= as_written);
    }
    assert!(numbers > 200, "{numbers}");
}
