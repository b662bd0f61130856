//! Two processes that `mpirun` starts exchange numbers, and train a policy together.

use std::{
    env,
    ops::ControlFlow,
    process::{self, Command},
};

use burn_pg::{
    CheckedConfig, Config, DeviceChoice, UpdateStats,
    algorithm::Recipe,
    device,
    envs::make,
    optim::flatten_parameters,
    ranks::{GradientSync, Ranks},
};
use burn_pg_mpi::Mpi;

/// Set in the processes that `mpirun` starts.
const IS_RANK: &str = "BURN_PG_TEST_RANK";

fn main() {
    if env::var_os(IS_RANK).is_some() {
        return on_rank();
    }
    // As one line of a test of Rust would be.
    for ranks in [1, 2] {
        let status = Command::new("mpirun")
            .args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string()])
            .arg(env::current_exe().expect("this program has a path"))
            .env(IS_RANK, "1")
            .status();
        match status {
            Ok(status) if status.success() => println!("test {ranks} ranks ... ok"),
            Ok(status) => {
                println!("test {ranks} ranks ... FAILED: {status}");
                process::exit(1);
            }
            Err(error) => {
                println!("mpirun cannot be started: {error}");
                process::exit(1);
            }
        }
    }
}

fn on_rank() {
    let mpi = Mpi::connect().expect("MPI is not used yet");
    let (rank, ranks) = (mpi.rank(), mpi.ranks());
    // Rank r passes r + 1 bytes.
    let all = mpi.all_gather(&vec![u8::try_from(rank).unwrap(); rank + 1]).unwrap();
    let expected: Vec<Vec<u8>> = (0..ranks).map(|rank| vec![u8::try_from(rank).unwrap(); rank + 1]).collect();
    assert_eq!(all, expected);
    for len in [1, 1000, 300_000] {
        let mut values: Vec<f32> = (0..len).map(|i| (rank + 1) as f32 * (i % 7) as f32).collect();
        mpi.add_up(&mut values).unwrap();
        let factor = (1..=ranks).sum::<usize>() as f32;
        assert!(values.iter().enumerate().all(|(i, &value)| value == factor * (i % 7) as f32));
    }

    let config = Config::default().with(|config| {
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.run.total_steps = 8 * 32 * 4;
    });
    let config = config.validate().unwrap();
    let together = Ranks::new(mpi);
    let ours = trained(&config, together.clone());
    let alone = trained(&config, Ranks::default());
    assert_eq!(ours.len(), alone.len());
    for (ours, alone) in ours.iter().zip(&alone) {
        assert!((ours - alone).abs() < 1e-4, "{ours} {alone}");
    }
    // The weights of all ranks are equal to the bit.
    let bytes: Vec<u8> = ours.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    assert!(together.sync().all_gather(&bytes).unwrap().iter().all(|of_rank| *of_rank == bytes));
}

/// Trains a policy and returns its weights.
fn trained(config: &CheckedConfig, ranks: Ranks) -> Vec<f32> {
    let device = device::open("flex".parse::<DeviceChoice>().unwrap()).unwrap().device;
    let envs = make("CartPole-v1", config.env.num_envs / ranks.count()).unwrap();
    let recipe = Recipe { ranks, ..Recipe::of(config).unwrap() };
    let mut trainer = recipe.build(envs, config, &device).unwrap();
    trainer.run(&mut |_: &UpdateStats| ControlFlow::Continue(())).unwrap();
    flatten_parameters(trainer.policy()).into_data().try_into_vec().unwrap()
}
