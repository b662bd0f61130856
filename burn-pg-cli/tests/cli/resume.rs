//! Resumed runs: what they use, change and report.
#![cfg(unix)]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, process::Command, thread, time::Duration};

use burn_pg::{agent::selection_seed, run::directory::RunDir};

use super::{
    assert_contains, burn_pg, content, json,
    long_run::{RUN, long_run_into, outcome, run_into, send, start, wait_for_update},
    metrics, stderr, success, text, train_small, usage_error,
};

#[test]
fn two_processes_never_train_in_one_directory() {
    let folder = tempfile::tempdir().unwrap();
    let child = start(folder.path(), long_run_into("a", "1e9"));
    wait_for_update(&folder.path().join("a"), 2);
    let output = burn_pg(folder.path(), ["train", "--resume", "a"]);
    assert_eq!(usage_error(&output), "error: another process is training in a\n");
    // The lock ends with the process that holds it.
    send("-KILL", &child);
    child.wait_with_output().unwrap();
    let child = start(folder.path(), ["train", "--resume", "a", "--quiet"]);
    thread::sleep(Duration::from_millis(200));
    send("-INT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn a_part_of_a_setting_leaves_the_rest_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let parts = ["--set", "checkpoint.interval=7", "faults={numbers=\"skip\",limit=2}", "optimiser.beta_1=0.5"];
    success(&burn_pg(folder.path(), long_run_into("a", "64").chain(parts)));
    let config = fs::read_to_string(folder.path().join("a/config.toml")).unwrap();
    for line in ["interval = 7", "keep = 3", "episodes = 1", "limit = 2", "beta_1 = 0.5", "epsilon = 0.00001"] {
        assert!(config.lines().any(|other| other == line), "{line}: {config}");
    }
    for (part, message) in [
        ("gamma.x=1", "error: --set gamma.x=1: there is no setting `gamma.x`"),
        (
            "checkpoint.intervall=1",
            "error: --set checkpoint.intervall=1: there is no setting `checkpoint.intervall`; did you mean",
        ),
    ] {
        let output = burn_pg(folder.path(), long_run_into("b", "64").chain(["--set", part]));
        assert!(usage_error(&output).starts_with(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_checkpoint_or_the_results_of_a_run_are_not_resumed_as_a_run() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), run_into("a")));
    let before = content(folder.path());
    let message =
        "is not a run directory: it is a checkpoint; give the directory of its run, and the number of its update";
    for command in [&["train", "--resume"][..], &["eval"]] {
        let output = burn_pg(folder.path(), command.iter().copied().chain(["a/checkpoints/update-000000060"]));
        assert_contains(usage_error(&output), message);
    }
    assert!(content(folder.path()) == before);
    fs::remove_file(folder.path().join("a/policy.safetensors")).unwrap();
    for checkpoint in fs::read_dir(folder.path().join("a/checkpoints")).unwrap() {
        let path = checkpoint.unwrap().path();
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let before = content(folder.path());
    let output = burn_pg(folder.path(), ["train", "--resume", "a"]);
    assert_contains(usage_error(&output), "no checkpoint, so training would start again");
    assert!(content(folder.path()) == before);
}

#[test]
fn a_run_continues_if_its_output_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("exec {} \"$@\" 2>&1 | head -n 2", env!("CARGO_BIN_EXE_burn-pg"));
    let talkative = long_run_into("a", "3840").filter(|&argument| argument != "--quiet");
    let arguments = ["-c", &script, "bash"].into_iter().chain(talkative);
    let output = Command::new("bash").args(arguments).current_dir(folder.path()).output().unwrap();
    assert_eq!(text(&output.stdout).lines().count(), 2, "{}", text(&output.stdout));
    success(&burn_pg(folder.path(), run_into("b")));
    assert!(outcome(&folder.path().join("a")) == outcome(&folder.path().join("b")));
}

#[test]
fn a_resumed_run_is_used_by_its_newest_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join("a").join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    let eval = |more: &[&str]| {
        burn_pg(folder.path(), ["eval", "a", "--episodes", "2", "--json"].into_iter().chain(more.iter().copied()))
    };
    let at_the_end = eval(&[]);
    assert_eq!(text(&at_the_end.stderr), "");
    assert_eq!(json(&at_the_end), json(&eval(&["--at", "60"])));

    let mut child = start(folder.path(), ["train", "--resume", "a", "--quiet", "--total-steps", "1e9"]);
    wait_for_update(&folder.path().join("a"), 70);
    child.kill().unwrap();
    child.wait().unwrap();
    // The results of the shorter run are removed.
    for name in ["summary.json", "policy.safetensors", "environment.json", "normalizer.json"] {
        assert!(!path(name).exists(), "{name}");
    }
    let newest = *RunDir::open(&path("")).checkpoints().updates().unwrap().last().unwrap();
    let newest = newest.to_string();
    let evaluated = eval(&[]);
    let note = format!("the run has not ended; this is its policy after update {newest}\n");
    assert_eq!(text(&evaluated.stderr), note);
    assert_eq!(json(&evaluated), json(&eval(&["--at", &newest])));

    let export = |out: &str, more: &[&str]| {
        let arguments = ["export", "a", "--format", "onnx", "--out", out].into_iter().chain(more.iter().copied());
        success(&burn_pg(folder.path(), arguments));
        fs::read(folder.path().join(out)).unwrap()
    };
    assert!(export("newest.onnx", &[]) == export("chosen.onnx", &["--at", &newest]));
    assert!(export("best.onnx", &["--at", "best"]).len() > 1000);
    let refused = burn_pg(folder.path(), ["export", "a", "--at", "3", "--format", "onnx", "--out", "none.onnx"]);
    assert_contains(usage_error(&refused), "no checkpoint of update 3");
    success(&burn_pg(folder.path(), ["act", "a", "--at", "best"]));
}

#[test]
fn paths_need_not_be_utf8() {
    let folder = tempfile::tempdir().unwrap();
    let out = OsStr::from_bytes(b"run-\xff\xfe");
    let arguments = RUN.into_iter().chain(["--total-steps", "128", "--out"]).map(OsStr::new);
    success(&burn_pg(folder.path(), arguments.chain([out])));
    success(&burn_pg(folder.path(), [OsStr::new("train"), OsStr::new("--quiet"), OsStr::new("--resume"), out]));
    success(&burn_pg(folder.path(), [OsStr::new("eval"), out, OsStr::new("--episodes"), OsStr::new("1")]));
}

#[test]
fn the_best_checkpoint_is_kept_if_checkpoints_are_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--set", "checkpoint={interval=1,keep=1,episodes=2}"];
    success(&burn_pg(folder.path(), run_into("a").chain(settings)));
    let checkpoints = RunDir::open(&folder.path().join("a")).checkpoints();
    let best = checkpoints.best().unwrap().unwrap();
    assert!(best.return_mean >= 9.0, "{best:?}");
    let mut kept = vec![best.update, 60];
    kept.dedup();
    assert_eq!(checkpoints.updates().unwrap(), kept);
    // It is chosen with other episodes than those of `eval` and of the summary, which use the seed of the run.
    let seed = selection_seed(1).to_string();
    let chosen = ["eval", "a", "--at", "best", "--episodes", "2", "--json", "--seed", &seed];
    assert_eq!(json(&burn_pg(folder.path(), chosen))["eval_return_mean"], best.return_mean);
    let eval = |at: &str| burn_pg(folder.path(), ["eval", "a", "--at", at, "--episodes", "2", "--json"]);
    let last = json(&burn_pg(folder.path(), ["eval", "a", "--episodes", "2", "--json"]));
    assert_eq!(json(&eval("60"))["eval_return_mean"], last["eval_return_mean"]);
    success(&burn_pg(folder.path(), run_into("b").chain(["--set", "checkpoint={interval=7}"])));
    let none = burn_pg(folder.path(), ["eval", "b", "--at", "best"]);
    assert_eq!(
        usage_error(&none),
        "error: b has no best checkpoint: none was evaluated during training (`checkpoint.episodes`), or it was removed\n"
    );
    assert!(outcome(&folder.path().join("a")) == outcome(&folder.path().join("b")), "evaluations leave no trace");
}

#[test]
fn going_back_keeps_later_checkpoints_and_results() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    let names =
        ["policy.safetensors", "normalizer.json", "environment.json", "summary.json", "metrics.jsonl", "config.toml"];
    let before = names.map(|name| fs::read(path("a").join(name)).unwrap());
    let evaluated = |run: &str| {
        json(&burn_pg(folder.path(), ["eval", run, "--episodes", "2", "--json"]))["eval_return_mean"].clone()
    };
    let return_mean = evaluated("a");

    let go_back = ["train", "--resume", "a", "--at", "58", "--total-steps", "3776"];
    let output = burn_pg(folder.path(), go_back);
    assert_contains(stderr(&output), "what came after update 58 is kept in a/aside-after-58\n");
    let aside = path("a/aside-after-58");
    assert!(names.map(|name| fs::read(aside.join(name)).unwrap()) == before);
    assert_eq!(evaluated("a/aside-after-58"), return_mean);
    assert_eq!(RunDir::open(&aside).checkpoints().updates().unwrap(), [59, 60]);
    assert_eq!(RunDir::open(&path("a")).checkpoints().updates().unwrap().last(), Some(&59));

    // Going back again leaves that folder unchanged.
    let kept = content(&aside);
    let output = burn_pg(folder.path(), go_back);
    assert_contains(stderr(&output), "is kept in a/aside-after-58-2\n");
    assert!(content(&aside) == kept);
    // There is nothing after the newest checkpoint.
    success(&burn_pg(folder.path(), ["train", "--resume", "a", "--at", "59", "--quiet"]));
    assert!(!path("a/aside-after-59").exists());
}

#[test]
fn a_step_count_that_leaves_nothing_to_train_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "a", &[]);
    let resumed = |more: &[&str]| burn_pg(folder.path(), ["train", "--resume", "a"].iter().chain(more));
    let refused = |steps: &str| {
        let before = content(folder.path());
        let output = resumed(&["--total-steps", steps]);
        let expected = format!(
            "error: the run has already done 64 steps, so with --total-steps {steps} nothing is left to train; give at least 96, \
             which leaves room for one rollout, or more, such as --total-steps 128\n"
        );
        assert_eq!(usage_error(&output), expected);
        assert!(content(folder.path()) == before);
    };
    for steps in ["32", "64", "95"] {
        refused(steps);
    }
    // Without a step count, the run is evaluated again.
    let output = resumed(&[]);
    let outcome = success(&output);
    assert!(outcome.starts_with("nothing was left to train after 64 steps\nevaluation: "), "{outcome}");
    assert_eq!(text(&output.stderr), "nothing left to train: the run has done all its 64 steps\n");
    // A run that was killed during its evaluation can be finished with the same command.
    let summary = folder.path().join("a/summary.json");
    fs::remove_file(&summary).unwrap();
    refused("32");
    success(&resumed(&["--total-steps", "64"]));
    assert!(summary.exists());
    // The least step count that is suggested is enough for one more update.
    success(&resumed(&["--total-steps", "96"]));
    assert_eq!(metrics(&folder.path().join("a")).len(), 3);
}

#[test]
fn a_learning_rate_that_rises_because_a_run_is_extended_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "a", &[]);
    let resumed = |more: &[&str]| {
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"].iter().chain(more));
        stderr(&output).to_owned()
    };
    let expected = "warning: the learning rate goes from 1.25e-4 (last update) to 2.25e-4, because its schedule now spans 640 steps\n";
    assert_eq!(resumed(&["--total-steps", "640"]), expected);
    assert_eq!(resumed(&[]), "");
}
