//! Environments of Python on the command line.
//!
//! Needs a Python with `gymnasium[box2d]`: that of `BURN_PG_PYTHON`, or else `python3`. Without it, the tests are skipped and
//! say so.

use std::{env::var, ffi::OsStr, fs, path::Path, process::Command, thread, time::Duration};

use serde_json::Value;

use super::{acted, assert_contains, burn_pg, command, json, success, text, usage_error};

/// False if there is no Python with Gymnasium and Box2D.
fn has_gymnasium() -> bool {
    let set = var("BURN_PG_PYTHON").ok();
    let python = set.clone().unwrap_or_else(|| "python3".into());
    let imports = Command::new(&python).args(["-c", "import gymnasium, Box2D"]).output();
    let has_it = imports.is_ok_and(|output| output.status.success());
    assert!(has_it || set.is_none(), "BURN_PG_PYTHON names a Python without gymnasium[box2d]");
    if !has_it {
        eprintln!("skipped: `{python}` has no gymnasium[box2d]; set BURN_PG_PYTHON");
    }
    has_it
}

/// Returns a short run of LunarLander.
fn lander(out: &str) -> Vec<&str> {
    let run = ["train", "gym:LunarLander-v3", "--out", out, "--total-steps", "4096", "--workers", "2"];
    let small = ["num_envs=4", "num_steps=128", "num_minibatches=4", "checkpoint.interval=1", "evaluation.episodes=3"];
    run.into_iter().chain(["--set"]).chain(small).collect()
}

/// Runs a command that succeeds, and returns what it printed to stdout.
fn done<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    success(&burn_pg(folder, arguments)).into()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn everything_works_as_for_built_in_environments() {
    if !has_gymnasium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let trained = done(folder, lander("run"));
    assert!(trained.contains("trained 4096 steps") && trained.contains("3 episodes"), "{trained}");
    assert!(done(folder, ["eval", "run", "--episodes", "2"]).contains("2 episodes"));
    done(folder, ["watch", "run", "--gif", "lander.gif", "--episodes", "1"]);
    done(folder, ["plot", "run", "--out", "curve.svg"]);
    done(folder, ["report", "run", "--out", "run.html"]);
    done(folder, ["export", "run", "--format", "onnx", "--out", "policy.onnx"]);
    for (file, least) in [("lander.gif", 5_000), ("curve.svg", 1_000), ("run.html", 5_000), ("policy.onnx", 1_000)] {
        assert!(fs::metadata(folder.join(file)).unwrap().len() > least, "{file}");
    }
    assert_contains(success(&acted(folder, &[], "[0, 1, 0, 0, 0, 0, 0, 0]\n")), "\"action\":");
}

#[test]
fn a_run_that_is_killed_goes_on_with_new_episodes_and_says_so() {
    if !has_gymnasium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let temporary = tempfile::tempdir().unwrap();
    let mut child = command(folder, lander("run")).env("TMPDIR", temporary.path()).spawn().unwrap();
    while !folder.join("run/checkpoints").read_dir().is_ok_and(|entries| entries.count() > 1) {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it was killed");
        thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // Its workers notice, and remove what it could not.
    let is_left = || {
        let entries = temporary.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).count() > 0
    };
    for _ in 0..300 {
        if is_left() {
            thread::sleep(Duration::from_millis(100));
        }
    }
    assert!(!cfg!(unix) || !is_left());
    let output = burn_pg(folder, ["train", "--resume", "run", "--workers", "1"]);
    success(&output);
    assert_contains(text(&output.stderr), "their episodes begin anew");
    assert_eq!(read_json(&folder.join("run/summary.json"))["env_steps"], 4_096);
    let lines = fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 8);
}

#[test]
fn arguments_and_wrappers_come_from_the_settings() {
    if !has_gymnasium() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let settings = r#"
        [env]
        name = "gym:LunarLander-v3"
        kwargs = { continuous = true }
        wrappers = [{ name = "TimeLimit", kwargs = { max_episode_steps = 20 } }]
        num_envs = 2
        [rollout]
        num_steps = 64
        [algorithm]
        kind = "ppo"
        num_minibatches = 4
        [run]
        total_steps = 256
        [evaluation]
        episodes = 2
    "#;
    fs::write(folder.join("run.toml"), settings).unwrap();
    done(folder, ["train", "--config", "run.toml", "--out", "run"]);
    let trained = read_json(&folder.join("run/environment.json"));
    assert_eq!(trained["action_space"]["kind"], "box");
    let evaluated = json(&burn_pg(folder, ["eval", "run", "--episodes", "4", "--json"]));
    assert!(evaluated["eval_length_mean"].as_f64().unwrap() <= 20.0, "{evaluated}");

    let misspelt = burn_pg(folder, ["train", "gym:LunarLander-v3", "--set", "env.kwargs.gravty=-5.0"]);
    assert_contains(usage_error(&misspelt), "gravty");
    let built_in = burn_pg(folder, ["train", "CartPole-v1", "--set", "env.kwargs.length=2.0"]);
    assert_contains(usage_error(&built_in), "kwargs");
}

#[test]
fn a_python_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), ["train", "gym:CartPole-v1", "--python", "no-such-python"]);
    let said = usage_error(&output);
    assert_contains(said, "no Python at `no-such-python`");
    assert_contains(said, "--python");
}
