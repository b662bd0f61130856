//! Benchmarks of training.

use std::fs;

use super::{burn_pg, json, refused, success};

#[test]
fn a_benchmark_reports_the_speed_of_training_and_the_share_of_each_phase() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["--total-steps", "2048", "--device", "flex", "--repeat", "3", "--threads", "2"];
    let report = json(&burn_pg(folder.path(), ["bench", "train", "--json"].iter().chain(&small)));
    // The default is CartPole-v1 with CleanRL's hyperparameters.
    assert_eq!(report["env"], "CartPole-v1");
    assert_eq!(report["hyperparameters"], "preset ppo-cleanrl");
    assert_eq!((&report["threads"], &report["env_steps"]), (&2.into(), &2048.into()));
    assert_eq!(report["steps_per_second_of_rounds"][1], report["steps_per_second"], "the median");
    let shares: Vec<f64> =
        report["shares"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).collect();
    assert_eq!(shares.len(), 6);
    assert!(report["unfused"].is_null(), "{report}");
    assert!(shares.iter().all(|&share| share > 0.0), "{shares:?}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");

    let output = burn_pg(folder.path(), ["bench", "train", "Pendulum-v1", "--algo", "a2c"].iter().chain(&small));
    let report = success(&output);
    assert!(report.starts_with("Pendulum-v1, a2c (preset pendulum-v1-a2c), device flex, threads 2\n"), "{report}");
    assert!(report.contains("the median of 3 rounds"), "{report}");
    assert!(report.contains("\nminibatches are fused\n") && report.contains("\n   minibatch "), "{report}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is kept");

    let gsde = ["--algo", "ppo", "--set", "network.exploration.sde.learn_features=true", "num_envs=2"];
    let output = burn_pg(folder.path(), ["bench", "train", "Pendulum-v1"].iter().chain(&gsde).chain(&small));
    let report = success(&output);
    assert!(report.contains("\nminibatches are not fused: the policy explores with gSDE noise\n"), "{report}");
    assert!(report.contains("\n   optimiser "), "{report}");

    refused(&["bench", "train", "--repeat", "0"], &["--repeat", "0"]);
    refused(&["bench", "train", "CartPole-v2"], &["CartPole-v2"]);
}
