//! Training runs: what they do, show and write.

use std::fs;

use burn_pg::{
    DeviceChoice, Trainer,
    burn::module::Module,
    device::{self, Backend},
    run::directory::RunDir,
    storage::weights,
};
use serde_json::Value;

use super::{burn_pg, content, json, metrics, refused, small, success, tensors, text};

#[test]
fn every_algorithm_runs_in_every_environment_and_can_be_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let envs = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];
    for (env, algo) in envs.iter().flat_map(|env| ["reinforce", "a2c", "trpo", "ppo"].map(|algo| (*env, algo))) {
        let out = format!("{env}-{algo}");
        let mut args = vec!["train", env, "--algo", algo, "--preset", if algo == "ppo" { "ppo-cleanrl" } else { algo }];
        args.extend([
            "--out",
            &out,
            "--json",
            "--quiet",
            "--device",
            "flex",
            "--set",
            "evaluation.episodes=2",
            "num_envs=2",
        ]);
        // Long enough for a whole episode in each environment.
        args.extend(if algo == "reinforce" { &["total_steps=1998"][..] } else { &["total_steps=32", "num_steps=8"] });
        // Normalised, so that the evaluation needs the observation statistics.
        args.extend(["normalize_observations=true", "normalize_rewards=true", "hidden_sizes=[4]"]);
        let summary = json(&burn_pg(folder.path(), args));
        assert!(summary["env_steps"].as_u64().unwrap() > 0, "{out}");
        let evaluation = json(&burn_pg(folder.path(), ["eval", &out, "--episodes", "2", "--json"]));
        assert_eq!(evaluation["eval_return_mean"], summary["eval_return_mean"], "{out}");
    }
}

#[test]
fn default_presets_train_every_algorithm_in_every_environment_within_total_steps() {
    let folder = tempfile::tempdir().unwrap();
    // Presets have at most 16 environments, and the longest rollout is 8 whole episodes of 999 steps.
    for (env, rollout) in [
        ("CartPole-v1", 4_000),
        ("Acrobot-v1", 4_000),
        ("MountainCar-v0", 1_600),
        ("MountainCarContinuous-v0", 7_992),
        ("Pendulum-v1", 1_600),
    ] {
        for algo in ["reinforce", "a2c", "trpo", "ppo"] {
            let total: u64 = if algo == "reinforce" { rollout + 50 } else { 4_100 };
            let (out, total_steps) = (format!("{env}-{algo}"), total.to_string());
            let args =
                ["train", env, "--algo", algo, "--total-steps", &total_steps, "--out", &out, "--json", "--quiet"];
            let args = args.into_iter().chain(["--device", "flex", "--set", "evaluation.episodes=2"]);
            let summary = json(&burn_pg(folder.path(), args));
            let steps = summary["env_steps"].as_u64().unwrap();
            assert!(steps > 0 && steps <= total, "{out}: {steps} of {total}");
        }
        let short = (rollout - 1).to_string();
        let args = ["train", env, "--algo", "reinforce", "--total-steps", &short];
        refused(&args, &[&format!("is less than the {rollout} steps that one rollout may take")]);
    }
}

#[test]
fn an_objective_can_be_mixed_in_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
        run.total_steps = 64
        env.num_envs = 2
        rollout.num_steps = 16
        evaluation.episodes = 1
        algorithm.num_minibatches = 2
        [[algorithm.loss]]
        weight = 1.0
        term = { kind = 'kl_penalty', target = 0.01 }
        [[algorithm.loss]]
        weight = 0.5
        term = { kind = 'value', clip = { kind = 'hard', range = 0.2 } }
    ";
    fs::write(folder.path().join("mix.toml"), text).unwrap();
    let args = ["train", "CartPole-v1", "--config", "mix.toml", "--out", "mixed", "--quiet", "--device", "flex"];
    success(&burn_pg(folder.path(), args));
    let lines = metrics(&folder.path().join("mixed"));
    let losses = &lines[0];
    assert!(losses.contains_key("kl_weight") && losses.contains_key("value_loss"), "{losses:?}");
    assert!(!losses.contains_key("clip_fraction"), "{losses:?}");
}

#[test]
fn a_run_leaves_a_directory_that_can_be_evaluated_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let summary = json(&burn_pg(folder.path(), small(&["--seed", "7", "--out", "a", "--json"])));
    for (key, value) in [
        ("env", Value::from("CartPole-v1")),
        ("algo", "ppo".into()),
        ("device", "flex".into()),
        ("seed", 7.into()),
        ("env_steps", 64.into()),
        ("eval_episodes", 3.into()),
        ("run_dir", "a".into()),
    ] {
        assert_eq!(summary[key], value, "{key}");
    }
    for key in ["train_seconds", "steps_per_second", "episodes", "eval_return_mean", "eval_return_std"] {
        assert!(summary[key].is_number(), "{key}");
    }
    assert!(summary.get("train_return_mean").is_some());
    let run = folder.path().join("a");
    let files = [
        ".lock",
        "checkpoints",
        "checkpoints/update-000000002",
        "checkpoints/update-000000002/SHA256SUMS",
        "checkpoints/update-000000002/config.toml",
        "checkpoints/update-000000002/source.json",
        "checkpoints/update-000000002/state.json",
        "checkpoints/update-000000002/tensors.safetensors",
        "checkpoints/update-000000002/update.json",
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "policy.safetensors",
        "summary.json",
    ];
    assert!(content(&run).into_keys().eq(files.map(|name| run.join(name))));
    let saved: Value = serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap();
    assert_eq!(saved, summary);

    // The evaluation of the run can be repeated.
    let evaluation = json(&burn_pg(folder.path(), ["eval", "a", "--episodes", "3", "--json"]));
    for key in ["env", "algo", "device", "seed", "eval_episodes", "eval_return_mean", "eval_return_std"] {
        assert_eq!(evaluation[key], summary[key], "{key}");
    }
    let stochastic = ["eval", "a", "--episodes", "2", "--seed", "3", "--stochastic", "--device", "flex"];
    assert!(success(&burn_pg(folder.path(), stochastic)).contains("2 episodes"));

    // The run can be repeated.
    let again = ["train", "CartPole-v1", "--config", "a/config.toml", "--out", "b", "--quiet"];
    assert_eq!(success(&burn_pg(folder.path(), again)), "");
    assert_eq!(metrics(&run), metrics(&folder.path().join("b")));
    assert_eq!(
        fs::read(run.join("policy.safetensors")).unwrap(),
        fs::read(folder.path().join("b/policy.safetensors")).unwrap()
    );
}

#[test]
fn a_run_that_fails_keeps_the_last_good_policy_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    // The step is so large that the loss of the second epoch overflows.
    let options = ["--out", "a", "--json", "--set", "learning_rate=1e30", "normalize_observations=true"];
    let output = burn_pg(folder.path(), small(&options));
    let message = text(&output.stderr).lines().last().unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(text(&output.stdout), "");
    assert!(message.starts_with("error: training failed after 32 steps: update 1: `"), "{message}");
    assert!(
        message.ends_with("; the last good policy is saved in a; there is no checkpoint yet to resume from"),
        "{message}"
    );
    assert_eq!(message.matches("update").count(), 1, "{message}");

    let run = folder.path().join("a");
    let files = [
        ".lock",
        "checkpoints",
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "normalizer.json",
        "policy.safetensors",
    ];
    assert!(content(&run).into_keys().eq(files.map(|name| run.join(name))));
    assert_eq!(metrics(&run), []);
    // No update has succeeded, so the policy is the initial one.
    let dir = RunDir::open(&run);
    let flex = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let trainer = Trainer::of(&dir.config().unwrap().validate().unwrap(), &flex).unwrap();
    let first = folder.path().join("first.safetensors");
    weights::save(&trainer.policy().valid(), &first).unwrap();
    assert_eq!(tensors(&dir.policy_path()), tensors(&first));
    assert_eq!(json(&burn_pg(folder.path(), ["eval", "a", "--episodes", "2", "--json"]))["eval_episodes"], 2);
}

#[test]
fn the_number_of_threads_changes_no_metric() {
    let folder = tempfile::tempdir().unwrap();
    // Enough environments that they are stepped in parallel.
    let run = |threads: &str| {
        let options = ["--set", "num_envs=300", "--total-steps", "2400", "--threads", threads, "--out", threads];
        success(&burn_pg(folder.path(), many(&options)));
        metrics(&folder.path().join(threads))
    };
    let one = run("1");
    assert_eq!(one.len(), 2);
    assert_eq!(one, run("3"));
}

/// The arguments of [`small`] without its number of steps.
fn many(more: &[&str]) -> Vec<String> {
    let mut arguments = small(more);
    arguments.drain(4..6);
    arguments
}

#[test]
fn progress_goes_to_stderr_in_plain_lines_and_quiet_shows_none() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), small(&[]));
    assert!(success(&output).contains("saved in runs/CartPole-v1-ppo-seed1\n"));
    let progress = text(&output.stderr);
    assert_eq!(progress.lines().count(), 3, "{progress}");
    let first = progress.lines().next().unwrap();
    assert_eq!(
        first,
        "CartPole-v1, ppo (preset ppo-cleanrl), device flex, seed 1, run directory runs/CartPole-v1-ppo-seed1"
    );
    for part in ["64/64 steps", "steps/s", "return", "explained variance", "KL", "left"] {
        assert!(progress.lines().last().unwrap().contains(part), "{part}: {progress}");
    }
    let output = burn_pg(folder.path(), small(&["--quiet", "--json"]));
    assert_eq!(json(&output)["run_dir"], "runs/CartPole-v1-ppo-seed1-2");
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn settings_may_share_one_option_and_the_environment_may_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["num_envs=2", "num_steps=8", "num_epochs=1", "num_minibatches=1", "evaluation.episodes=1"];
    let run = |rest: &[&str]| {
        let mut arguments = vec!["train", "--quiet", "--json", "--total-steps", "1_6", "--device", "flex"];
        arguments.extend(rest);
        assert_eq!(json(&burn_pg(folder.path(), arguments))["env_steps"], 16);
    };
    let mut one_option = vec!["CartPole-v1", "--set"];
    one_option.extend(settings);
    run(&one_option);
    run(&["--set", "num_envs=2", "num_steps=8", "CartPole-v1", "num_epochs=1", "--set", "num_minibatches=1"]);
    let mut several: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
    several.push("CartPole-v1");
    run(&several);
}

#[test]
fn training_ends_when_the_target_return_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["--preset", "ppo-cleanrl", "--total-steps", "200000", "--set", "target_return=30", "--quiet", "--json"];
    let summary = json(&burn_pg(folder.path(), ["train", "CartPole-v1"].iter().chain(&options)));
    assert!(summary["train_return_mean"].as_f64().unwrap() >= 30.0, "{summary}");
    assert!(summary["env_steps"].as_u64().unwrap() < 100_000, "{summary}");
}
