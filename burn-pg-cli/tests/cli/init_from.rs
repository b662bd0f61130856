//! Training that starts from the weights of a run or a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    assert_contains, burn_pg, content, export::save_state_dict, json, small, success, tensors, text, usage_error,
};

/// A learning rate with which no weight moves.
const STILL: &str = "learning_rate=1e-12";

/// Runs [`small`] with `--init-from`, without its hidden sizes: the preset has another network than the policies here.
fn init(folder: &Path, from: &str, out: &str, more: &[&str]) -> std::process::Output {
    let own = ["--init-from", from, "--out", out, "--json", "--set", "evaluation.episodes=3"];
    let arguments = small(&own).into_iter().filter(|argument| argument != "hidden_sizes=[8]");
    // `--set` without a value is left over.
    let mut arguments: Vec<String> = arguments.collect();
    let lone = arguments.windows(2).position(|pair| pair[0] == "--set" && pair[1] == "--set").unwrap();
    arguments.remove(lone);
    burn_pg(folder, arguments.iter().map(String::as_str).chain(more.iter().copied()))
}

/// A folder with `run`, its export `policy.safetensors`, and its summary.
fn trained(more: &[&str]) -> (tempfile::TempDir, Value) {
    let folder = tempfile::tempdir().unwrap();
    let summary = json(&burn_pg(folder.path(), small(&[&["--out", "run", "--json", "--quiet"], more].concat())));
    let export = ["export", "run", "--format", "safetensors", "--out", "policy.safetensors"];
    success(&burn_pg(folder.path(), export));
    (folder, summary)
}

fn normalizer(run: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(run.join("normalizer.json")).unwrap()).unwrap()
}

#[test]
fn training_starts_from_a_run_an_export_or_a_state_dict() {
    let (folder, trained) = trained(&["--seed", "5"]);
    let path = folder.path();
    assert_eq!(trained["init_from"], Value::Null);
    let evaluated = |run: &str| {
        json(&burn_pg(path, ["eval", run, "--episodes", "3", "--seed", "1", "--json"]))["eval_return_mean"].clone()
    };
    for (from, out) in [("run", "from-run"), ("policy.safetensors", "from-export")] {
        let output = init(path, from, out, &["--set", STILL]);
        assert_contains(text(&output.stderr), &format!("\nstarting from {from}\n"));
        let summary = json(&output);
        assert_eq!(summary["init_from"], from);
        assert_eq!(summary["eval_return_mean"], evaluated("run"), "{from}");
        let [before, after] = ["run", out].map(|run| tensors(&path.join(run).join("policy.safetensors")));
        assert!(before == after, "{from}: no weight moves");
    }

    save_state_dict(&path.join("sb3.safetensors"), 4, 2);
    success(&burn_pg(path, ["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "imported"]));
    let summary = json(&init(path, "sb3.safetensors", "from-sb3", &["--set", STILL]));
    assert_eq!(summary["eval_return_mean"], evaluated("imported"));
    // A state dict does not contain the activation.
    let relu = ["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "relu", "--activation", "relu"];
    success(&burn_pg(path, relu));
    json(&init(path, "sb3.safetensors", "from-relu", &["--set", STILL, "activation=relu"]));
    let written = fs::read_to_string(path.join("from-relu/config.toml")).unwrap();
    assert!(written.contains("activation = \"relu\"") && written.contains("hidden_sizes = [2]"), "{written}");
}

#[test]
fn a_run_that_started_from_a_file_resumes_without_it() {
    let (folder, _) = trained(&[]);
    let path = folder.path();
    // With a KL penalty, checkpoints contain the reference.
    json(&init(path, "policy.safetensors", "on", &["--set", "kl_in_reward=0.1"]));
    fs::remove_file(path.join("policy.safetensors")).unwrap();
    let resume = ["train", "--resume", "on", "--total-steps", "128", "--json", "--quiet"];
    assert_eq!(json(&burn_pg(path, resume))["init_from"], "policy.safetensors");
}

#[test]
fn observation_statistics_come_with_the_policy() {
    let (folder, _) = trained(&["--set", "normalize_observations=true"]);
    let path = folder.path();
    let count = |run: &str| normalizer(&path.join(run))["moments"]["count"].as_f64().unwrap();
    for (from, out) in [("run", "from-run"), ("policy.safetensors", "from-export")] {
        json(&init(path, from, out, &[]));
        assert!((count(out) - 2.0 * count("run")).abs() < 0.01, "{} {}", count(out), count("run"));
    }
    // An export is imported with its statistics.
    let import = ["import", "policy.safetensors", "--env", "CartPole-v1", "--out", "imported"];
    assert_eq!(success(&burn_pg(path, import)), "CartPole-v1, hidden layers [8], in imported\n");
    assert_eq!(count("imported"), count("run"));
    let [before, after] = ["run", "imported"].map(|run| tensors(&path.join(run).join("policy.safetensors")));
    assert!(before == after, "the same weights");
    for (more, message) in [
        (["--normalizer", "run/normalizer.json"], "policy.safetensors contains a normaliser; leave out --normalizer"),
        (["--activation", "relu"], "`activation` is relu; it must be tanh, as in the file"),
    ] {
        let arguments = ["import", "policy.safetensors", "--env", "CartPole-v1", "--out", "other"];
        let output = burn_pg(path, arguments.into_iter().chain(more));
        assert_contains(usage_error(&output), message);
    }
}

#[test]
fn a_policy_without_a_critic_gets_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let reinforce = ["train", "CartPole-v1", "--algo", "reinforce", "--total-steps", "500", "--out", "run", "--quiet"];
    let settings = ["--device", "flex", "--set", "num_envs=1", "hidden_sizes=[8]", "evaluation.episodes=1"];
    success(&burn_pg(folder.path(), reinforce.iter().chain(&settings)));
    let output = init(folder.path(), "run", "on", &[]);
    json(&output);
    let warning = "warning: the policy of run has no critic; training starts with a new one\n";
    assert!(text(&output.stderr).starts_with(warning), "{}", text(&output.stderr));
}

#[test]
fn settings_that_a_file_lacks_are_those_of_the_preset() {
    let folder = tempfile::tempdir().unwrap();
    let train = ["train", "Pendulum-v1", "--preset", "pendulum-v1-ppo-sde", "--device", "flex", "--quiet"];
    let short = ["--set", "num_envs=2", "num_steps=8", "num_minibatches=1", "num_epochs=1", "evaluation.episodes=1"];
    let run = |more: &[&str]| {
        success(&burn_pg(folder.path(), train.iter().chain(more).chain(&["--total-steps", "16"]).chain(&short)));
    };
    run(&["--out", "run"]);
    let export = ["export", "run", "--format", "safetensors", "--out", "policy.safetensors"];
    success(&burn_pg(folder.path(), export));
    // The weights of a policy have its standard deviations.
    let start = ["train", "Pendulum-v1", "--init-from", "policy.safetensors", "--set", "log_std=-1"];
    let output = burn_pg(folder.path(), start);
    assert_eq!(output.status.code(), Some(2));
    let message = "error: `network.exploration.log_std` is not read: the standard deviations are those of the policy in \
                   policy.safetensors; leave it out (--set)\n";
    assert_eq!(text(&output.stderr), message);
    run(&["--out", "on", "--init-from", "policy.safetensors"]);
    let config = |run: &str| fs::read_to_string(folder.path().join(run).join("config.toml")).unwrap();
    let noise = |run: &str| config(run).split("[network.exploration.sde]").nth(1).unwrap().to_owned();
    assert_eq!(noise("on"), noise("run"));
}

#[test]
fn a_policy_that_does_not_fit_is_refused_before_anything_is_written() {
    let (folder, _) = trained(&[]);
    let path = folder.path();
    fs::create_dir(path.join("empty")).unwrap();
    let before: Vec<PathBuf> = content(path).into_keys().collect();
    let policy = "policy.safetensors";
    for (from, more, message) in [
        (
            "run",
            vec!["--set", "hidden_sizes=[9]"],
            "`network.hidden_sizes` is [9]; it must be [8], as for the policy in run (--set)",
        ),
        (
            policy,
            vec!["--set", "hidden_sizes=[9]"],
            "`network.hidden_sizes` is [9]; it must be [8], as for the policy in",
        ),
        (
            "run",
            vec!["--set", "activation=relu"],
            "`network.activation` is \"relu\"; it must be \"tanh\", as for the policy in run (--set)",
        ),
        (policy, vec!["--set", "activation=relu"], "`activation` is relu; it must be tanh, as in the file"),
        (
            policy,
            vec!["--set", "normalize_observations=true"],
            "`env.normalize_observations` is true; it must be false",
        ),
        ("run/policy.safetensors", vec![], "is a file of a run directory; give the directory"),
        ("run/config.toml", vec![], "not a valid safetensors file"),
        ("nowhere", vec![], "nowhere cannot be read"),
        ("empty", vec![], "empty is not a run directory"),
        ("run", vec!["--resume", "run"], "cannot be used with"),
    ] {
        let output = init(path, from, "new", &more);
        assert_contains(usage_error(&output), message);
        assert_eq!(content(path).into_keys().collect::<Vec<_>>(), before, "{from} {more:?}");
    }
    for (from, message) in [
        ("run", "the agent is for `CartPole-v1` with the observation space Box[4]"),
        (policy, "`policy.0.weight` is F32[8, 4]; it must be F32[8, 6] for Acrobot-v1"),
    ] {
        let output = burn_pg(path, ["train", "Acrobot-v1", "--init-from", from, "--device", "flex"]);
        assert_contains(usage_error(&output), message);
        assert_eq!(content(path).into_keys().collect::<Vec<_>>(), before);
    }
}
