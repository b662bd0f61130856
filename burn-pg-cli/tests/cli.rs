//! The command line, as a user or a script meets it.

#[path = "cli/device_lost.rs"]
mod device_lost;
#[path = "cli/export.rs"]
mod export;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/run_folder.rs"]
mod run_folder;
#[path = "cli/unregistered.rs"]
mod unregistered;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use burn_pg::{
    DeviceChoice,
    algorithm::configured,
    burn::module::Module,
    device::{self, Backend},
    run::directory::RunDir,
    storage::weights,
};
use serde_json::Value;

/// Runs `burn-pg` in a folder.
fn burn_pg<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burn-pg"));
    // Without that variable the graphics libraries of a system without a screen write to stderr.
    command.args(arguments).current_dir(folder).env("XDG_RUNTIME_DIR", folder);
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A training run that takes a blink: 64 steps, 2 updates.
const SMALL: [&str; 16] = [
    "train",
    "CartPole-v1",
    "--preset",
    "ppo-cleanrl",
    "--total-steps",
    "64",
    "--device",
    "flex",
    "--set",
    "num_steps=4",
    "--set",
    "num_epochs=2",
    "--set",
    "hidden_sizes=[8]",
    "--set",
    "eval_episodes=3",
];

fn small(more: &[&str]) -> Vec<String> {
    SMALL.iter().chain(more).map(ToString::to_string).collect()
}

#[track_caller]
fn success(output: &Output) -> &str {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON object on the last line of stdout, which has no other line.
#[track_caller]
fn json(output: &Output) -> Value {
    let stdout = success(output);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(stdout).unwrap()
}

/// The metrics of a run without their time fields.
fn metrics(run: &Path) -> Vec<BTreeMap<String, Value>> {
    let lines = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let parse = |line: &str| {
        let mut line: BTreeMap<String, Value> = serde_json::from_str(line).unwrap();
        for field in burn_pg::UpdateStats::TIME_FIELDS {
            assert!(line.remove(field).is_some(), "{field}");
        }
        line
    };
    lines.lines().map(parse).collect()
}

/// Everything below a folder, with the content of its files.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn every_algorithm_runs_in_every_environment_and_can_be_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let envs = ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];
    for (env, algo) in envs.iter().flat_map(|env| ["reinforce", "a2c", "trpo", "ppo"].map(|algo| (*env, algo))) {
        let out = format!("{env}-{algo}");
        let mut args = vec!["train", env, "--algo", algo, "--preset", if algo == "ppo" { "ppo-cleanrl" } else { algo }];
        args.extend(["--out", &out, "--json", "--quiet", "--device", "flex", "--set", "eval_episodes=2", "num_envs=2"]);
        // A whole episode of any of them.
        args.extend(["num_steps=8", if algo == "reinforce" { "total_steps=1998" } else { "total_steps=32" }]);
        // Normalised, so that the evaluation needs what was learnt of observations.
        args.extend(["normalize_observations=true", "normalize_rewards=true", "hidden_sizes=[4]"]);
        let summary = json(&burn_pg(folder.path(), args));
        assert!(summary["env_steps"].as_u64().unwrap() > 0, "{out}");
        let evaluation = json(&burn_pg(folder.path(), ["eval", &out, "--episodes", "2", "--json"]));
        assert_eq!(evaluation["eval_return_mean"], summary["eval_return_mean"], "{out}");
    }
}

#[test]
fn every_algorithm_trains_in_every_environment_with_its_default_preset_and_takes_no_step_more() {
    let folder = tempfile::tempdir().unwrap();
    // The environments of the presets are at most 16, and the longest rollout is of 8 whole episodes of 999 steps.
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
            let args = args.into_iter().chain(["--device", "flex", "--set", "eval_episodes=2"]);
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
        total_steps = 64
        num_envs = 2
        num_steps = 16
        num_minibatches = 2
        eval_episodes = 1
        [[loss]]
        weight = 1.0
        term = { kind = 'kl_penalty', target = 0.01 }
        [[loss]]
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

    // And so can the run.
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
    // So large a step that the loss of the second epoch overflows.
    let options = ["--out", "a", "--json", "--set", "learning_rate=1e30", "normalize_observations=true"];
    let output = burn_pg(folder.path(), small(&options));
    let message = text(&output.stderr).lines().last().unwrap();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert_eq!(text(&output.stdout), "");
    let expected = "error: training failed after 32 steps; the last good policy is saved in a; there is no checkpoint yet: \
                    update 1: `";
    assert!(message.starts_with(expected), "{message}");
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
    // No update has succeeded, so it is the policy that the run began with.
    let dir = RunDir::open(&run);
    let flex = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let trainer = configured(&dir.config().unwrap().validate().unwrap(), &flex).unwrap();
    let first = folder.path().join("first.safetensors");
    weights::save(&trainer.policy().valid(), &first).unwrap();
    assert_eq!(fs::read(dir.policy_path()).unwrap(), fs::read(first).unwrap());
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

/// [`small`] without its number of steps.
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
fn several_settings_follow_one_option_or_several_and_the_environment_may_come_last() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["num_envs=2", "num_steps=8", "num_epochs=1", "num_minibatches=1", "eval_episodes=1"];
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

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(folder.path(), ["envs"]).stdout(writer).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_benchmark_says_how_fast_training_is_and_where_its_time_goes() {
    let folder = tempfile::tempdir().unwrap();
    let small = ["--total-steps", "2048", "--device", "flex", "--repeat", "3", "--threads", "2"];
    let report = json(&burn_pg(folder.path(), ["bench", "train", "--json"].iter().chain(&small)));
    // The common yardstick, if nothing else is asked for.
    assert_eq!(report["env"], "CartPole-v1");
    assert_eq!(report["hyperparameters"], "preset ppo-cleanrl");
    assert_eq!((&report["threads"], &report["env_steps"]), (&2.into(), &2048.into()));
    assert_eq!(report["steps_per_second_of_rounds"][1], report["steps_per_second"], "the median");
    let shares: Vec<f64> =
        report["shares"].as_object().unwrap().values().map(|share| share.as_f64().unwrap()).collect();
    assert_eq!(shares.len(), 8);
    assert!(shares.iter().all(|&share| share > 0.0), "{shares:?}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");

    let output = burn_pg(folder.path(), ["bench", "train", "Pendulum-v1", "--algo", "a2c"].iter().chain(&small));
    let report = success(&output);
    assert!(report.starts_with("Pendulum-v1, a2c (preset pendulum-v1-a2c), device flex, threads 2\n"), "{report}");
    assert!(report.contains("the median of 3 rounds"), "{report}");
    assert!(report.contains("\n   optimiser "), "{report}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is kept");

    refused(&["bench", "train", "--repeat", "0"], &["--repeat", "0"]);
    refused(&["bench", "train", "CartPole-v2"], &["CartPole-v2"]);
}

#[test]
fn training_is_over_when_the_return_that_was_asked_for_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        ["--preset", "ppo-cleanrl", "--total-steps", "200000", "--set", "target_return=30", "--quiet", "--json"];
    let summary = json(&burn_pg(folder.path(), ["train", "CartPole-v1"].iter().chain(&options)));
    assert!(summary["train_return_mean"].as_f64().unwrap() >= 30.0, "{summary}");
    assert!(summary["env_steps"].as_u64().unwrap() < 100_000, "{summary}");
}

#[test]
fn environments_and_devices_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(success(&burn_pg(folder.path(), ["envs"])).contains("CartPole-v1"));
    let envs = json(&burn_pg(folder.path(), ["envs", "--json"]));
    assert_eq!(envs[0]["id"], "CartPole-v1");
    assert_eq!(envs[0]["observation_space"]["high"][1], "Infinity");
    let table = burn_pg(folder.path(), ["devices"]);
    let table = success(&table);
    assert_eq!(table.matches("<- auto").count(), 1, "{table}");
    let devices = json(&burn_pg(folder.path(), ["devices", "--json"]));
    let flex = devices["backends"].as_array().unwrap().iter().find(|b| b["backend"] == "flex").unwrap();
    assert_eq!(flex["compiled"], true);
    assert_eq!(flex["adapters"][0]["kind"], "cpu");
}

/// Exit code 2, nothing on stdout, nothing written, and one message that holds all `parts`.
#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a-file"), "").unwrap();
    fs::write(folder.path().join("typo.toml"), "gama = 0.9\n").unwrap();
    fs::write(folder.path().join("broken.toml"), "gamma = \n").unwrap();
    fs::write(folder.path().join("pendulum.toml"), "env = \"Pendulum-v1\"\n").unwrap();
    fs::create_dir(folder.path().join("used")).unwrap();
    fs::write(folder.path().join("used/notes.txt"), "mine").unwrap();
    let before = content(folder.path());

    let output = burn_pg(folder.path(), arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    assert!(message.matches("(os error").count() <= 1, "said twice: {message}");
    for part in parts {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    assert_eq!(content(folder.path()), before, "nothing is written");
}

/// [`refused`], for options of `train CartPole-v1`.
#[track_caller]
fn train_refused(options: &[&str], parts: &[&str]) {
    let mut arguments = vec!["train", "CartPole-v1"];
    arguments.extend(options);
    refused(&arguments, parts);
}

#[test]
fn an_unknown_environment_is_refused() {
    refused(
        &["train", "Acrobat", "--total-steps", "1"],
        &["unknown environment `Acrobat` (did you mean `Acrobot-v1`?)"],
    );
    refused(&["train"], &["no environment was given"]);
    refused(&["train", "CartPole-v0"], &["unknown environment `CartPole-v0` (did you mean `CartPole-v1`?)"]);
}

#[test]
fn an_unknown_algorithm_is_refused() {
    train_refused(&["--algo", "pppo"], &["unknown algorithm `pppo` (did you mean `ppo`?)"]);
    train_refused(&["--set", "algo=pppo"], &["unknown algorithm `pppo` (did you mean `ppo`?)"]);
}

#[test]
fn an_unknown_preset_is_refused() {
    train_refused(
        &["--preset", "ppo-clean"],
        &["unknown preset `ppo-clean` (did you mean `ppo-cleanrl`?); known are: a2c, acrobot-v1-a2c, "],
    );
}

#[test]
fn an_unknown_key_is_refused() {
    train_refused(&["--set", "gama=0.9"], &["--set: unknown key `gama` (did you mean `gamma`?)"]);
    train_refused(&["--set", "lr=0.9"], &["unknown key `lr` (did you mean `learning_rate`?)"]);
    train_refused(&["--config", "typo.toml"], &["typo.toml: unknown key `gama` (did you mean `gamma`?)"]);
}

#[test]
fn a_value_out_of_range_is_refused() {
    for (setting, message) in [
        ("gamma=1.5", "`gamma` is 1.5, but must be between 0 and 1"),
        ("clip_range=-0.2", "`clip_range` is -0.2, but must be more than 0"),
        ("num_envs=0", "`num_envs` is 0, but must be between 1 and 1048576"),
        ("num_minibatches=3", "`num_minibatches` is 3, which does not divide the"),
        ("num_envs=many", "`num_envs` = \"many\": invalid type"),
        ("activation=tahn", "`tahn`"),
    ] {
        train_refused(&["--set", setting], &[message]);
    }
    train_refused(&["--total-steps", "10"], &["`total_steps` is 10, which is less than"]);
    train_refused(&["--total-steps", "-5"], &["--total-steps", "expected a whole number"]);
    train_refused(&["--threads", "60000"], &["`threads` is 60000, but must be at most 1024"]);
    train_refused(&["--set", "hidden_sizes=[1000000000]"], &["`hidden_sizes` is [1000000000], but must be"]);
    train_refused(&["--seed", "18446744073709551615"], &["must be below 2^63"]);
    train_refused(&["--set", "gamma"], &["--set gamma: expected KEY=VALUE"]);
    refused(&["train", "--set", "CartPole-v1", "gamma"], &["--set gamma: expected KEY=VALUE"]);
    // Wrong even where a stronger layer overrides it.
    train_refused(&["--seed", "3", "--set", "seed=-1"], &["--set: `seed` = -1: "]);
}

#[test]
fn a_network_that_does_not_fit_the_environment_is_refused() {
    let fix = "leave `encoder` out";
    train_refused(&["--set", "encoder={kind=\"cnn\"}"], &["observes Box[4], in which there is no image", fix]);
    train_refused(&["--preset", "ppo-nature"], &["environment `CartPole-v1` observes Box[4]", fix]);
    train_refused(
        &["--set", "encoder={kind=\"cnn\",layers=[]}"],
        &["`encoder.layers` is [], but must be 1 to 16 layers"],
    );
    train_refused(&["--set", "encoder={kind=\"rnn\"}"], &["`encoder` = ", "unknown variant `rnn`"]);
}

#[test]
fn a_configuration_that_cannot_be_used_is_refused() {
    train_refused(&["--config", "none.toml"], &["none.toml cannot be read"]);
    train_refused(&["--config", "broken.toml"], &["broken.toml is not valid TOML"]);
    train_refused(&["--config", "pendulum.toml"], &["is for `Pendulum-v1`, not for `CartPole-v1`"]);
    train_refused(&["--set", "env=Pendulum-v1"], &["--set env contradicts `CartPole-v1`"]);
}

#[test]
fn an_output_folder_that_is_used_or_unwritable_is_refused() {
    train_refused(&["--out", "used"], &["used is already used"]);
    train_refused(&["--out", "a-file/run"], &["a-file/run cannot be written"]);
    train_refused(&["--out", "a-file"], &["a-file cannot be written"]);
    refused(&["eval", "none"], &["none/config.toml cannot be read"]);
    refused(&["eval", "used", "--episodes", "0"], &["--episodes"]);
    refused(&["eval", "used", "--episodes", "4000000000"], &["--episodes"]);
}

#[test]
fn a_device_that_is_unknown_or_not_compiled_in_is_refused() {
    train_refused(&["--device", "gpu"], &["unknown device `gpu`", "auto, cuda"]);
    if !cfg!(feature = "cuda") {
        train_refused(&["--device", "cuda"], &["device `cuda` is not compiled in; this build has: ", "flex"]);
    }
}

/// [`small`] on another device.
#[cfg(feature = "wgpu")]
fn small_on(device: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = small(more);
    *arguments.iter_mut().find(|argument| *argument == "flex").unwrap() = device.into();
    arguments
}

#[cfg(feature = "wgpu")]
#[test]
fn a_gpu_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), small_on("wgpu", &[]))
        // Hides every driver, those of Vulkan and those of OpenGL.
        .envs([("VK_DRIVER_FILES", "/nowhere"), ("VK_ICD_FILENAMES", "/nowhere")])
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere")
        .output()
        .unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    let expected = "device `wgpu` finds no adapter on this machine; this build can use: flex";
    assert!(message.contains(expected), "{message}");
    assert!(!folder.path().join("runs").exists());
}

#[cfg(feature = "wgpu")]
#[test]
fn a_short_run_trains_on_the_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let devices = json(&burn_pg(folder.path(), ["devices", "--json"]));
    let backends = devices["backends"].as_array().unwrap();
    let wgpu = backends.iter().find(|b| b["backend"] == "wgpu").unwrap();
    let adapters = wgpu["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty(), "this test needs an adapter; a software one is enough");
    let arguments = small_on("wgpu", &["--out", "run", "--json"]);
    assert_eq!(json(&burn_pg(folder.path(), arguments))["device"], "wgpu");
    assert_eq!(metrics(&folder.path().join("run")).len(), 2);
    // What was trained there plays anywhere.
    assert_eq!(json(&burn_pg(folder.path(), ["eval", "run", "--device", "flex", "--json"]))["device"], "flex");
}

/// The lines of an `env-trace`.
fn trace(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = burn_pg(folder, ["env-trace"].iter().chain(arguments));
    success(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_environment_is_traced_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let lines = trace(folder.path(), &["Pendulum-v1", "--seed", "3", "--steps", "4", "--policy", "random"]);
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["reward"], Value::Null);
    for (step, line) in lines.iter().enumerate() {
        assert_eq!(line["step"], step);
        assert_eq!(line["observation"].as_array().unwrap().len(), 3);
        assert_eq!(line["state"].as_array().unwrap().len(), 2);
        assert_eq!(line["terminated"], false);
    }
    assert_eq!(lines, trace(folder.path(), &["Pendulum-v1", "--seed", "3", "--steps", "4"]), "a seed repeats");

    // An episode that ends ends the trace, with its final observation.
    fs::write(folder.path().join("left.json"), "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]").unwrap();
    let lines = trace(folder.path(), &["CartPole-v1", "--actions", "left.json"]);
    assert!(lines.len() < 14);
    let last = lines.last().unwrap();
    assert_eq!((&last["terminated"], &last["truncated"]), (&Value::from(true), &Value::from(false)));
    assert!(last["observation"][2].as_f64().unwrap().abs() > 0.2);
}

#[test]
fn actions_that_cannot_be_taken_end_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    for (env, actions, message) in [
        ("CartPole-v1", "[0, 2]", "action 2 is outside Discrete(2)"),
        ("CartPole-v1", "[-1]", "step 1: action -1 is outside Discrete(2)"),
        ("MountainCar-v0", "[0, -1]", "step 2: action -1 is outside Discrete(3)"),
        ("Acrobot-v1", "[-1]", "action -1 is outside Discrete(3)"),
        ("Acrobot-v1", "[-4]", "action -4 is outside Discrete(3)"),
        ("Pendulum-v1", "[[0.5, 0.5]]", "2 numbers were given as actions of 1 environments, which take 1 each"),
        ("Pendulum-v1", "[\"NaN\"]", "action \"NaN\" is outside Box[1]"),
        ("Pendulum-v1", "{}", "actions.json is not an array of actions"),
    ] {
        fs::write(folder.path().join("actions.json"), actions).unwrap();
        let output = burn_pg(folder.path(), ["env-trace", env, "--actions", "actions.json"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}
