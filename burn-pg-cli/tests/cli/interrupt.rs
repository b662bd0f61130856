//! Runs that are interrupted by a signal.
#![cfg(unix)]

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{
    burn_pg, json,
    long_run::{long_run_into, outcome, run_into, send, start, wait_for, wait_for_update, wait_until},
    metrics, stderr, success, text, usage_error,
};

#[test]
fn an_interrupted_run_saves_and_resumes_as_if_it_had_not_been_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("whole")));
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let out = format!("interrupted{signal}");
        // So long that it cannot end before the signal.
        let child = start(folder.path(), long_run_into(&out, "1e9"));
        wait_for_update(&path(&out), 3);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let message = text(&output.stderr).lines().last().unwrap();
        let advice = format!("go on with: burn-pg train --resume {out}");
        assert!(message.starts_with("interrupted: saved after update ") && message.ends_with(&advice), "{message}");
        // The interrupted run can be evaluated.
        success(&burn_pg(folder.path(), ["eval", &out, "--episodes", "1"]));
    }
    let child = start(folder.path(), run_into("halves"));
    wait_for_update(&path("halves"), 4);
    send("-INT", &child);
    // The exit code is 0 if the run ended before the signal.
    assert!(matches!(child.wait_with_output().unwrap().status.code(), Some(130 | 0)));
    let resume = ["train", "--resume", "halves", "--json", "--quiet", "--threads", "1"];
    let summary = json(&burn_pg(folder.path(), resume));
    assert_eq!(summary["env_steps"], 3840);
    assert!(outcome(&path("whole")) == outcome(&path("halves")));

    // Nothing is left to train: the outcome is printed again.
    let before = outcome(&path("halves"));
    assert_eq!(json(&burn_pg(folder.path(), resume))["eval_return_mean"], summary["eval_return_mean"]);
    assert!(outcome(&path("halves")) == before);

    // Resuming from an earlier checkpoint gives the same results again.
    let at = |update: &str| burn_pg(folder.path(), ["train", "--resume", "halves", "--at", update, "--quiet"]);
    success(&at("58"));
    assert!(outcome(&path("halves")) == before);
    // A run that went back and was killed resumes from its own checkpoints, not from those that it went back from.
    success(&burn_pg(folder.path(), run_into("other")));
    let child = start(folder.path(), ["train", "--resume", "other", "--at", "58", "--quiet"]);
    wait_for_update(&path("other"), 59);
    send("-KILL", &child);
    child.wait_with_output().unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "other", "--quiet"]);
    assert_eq!(stderr(&output), "");
    assert!(outcome(&path("other")) == before);
    let refused = at("7");
    let message = usage_error(&refused);
    let begin = "error: halves/checkpoints has no checkpoint of update 7; there are those of updates ";
    assert!(message.starts_with(begin) && message.ends_with(" and 60\n"), "{message}");
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // The updates take very long.
    let slow = ["--set", "num_envs=1024", "num_steps=65536", "--total-steps", "1e9", "--out", "slow"];
    let mut child =
        start(folder.path(), ["train", "Acrobot-v1", "--quiet", "--device", "flex"].into_iter().chain(slow));
    wait_for(&folder.path().join("slow/metrics.jsonl"));
    // Signals are handled as soon as the run trains.
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    send("-INT", &child);
    // A signal within half a second counts as the same one.
    send("-INT", &child);
    thread::sleep(Duration::from_millis(900));
    assert!(child.try_wait().unwrap().is_none(), "it still trains");
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(metrics(&folder.path().join("slow")), []);
}

#[test]
fn an_interrupt_before_the_first_update_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    for (number, arguments) in [(1, vec![]), (2, vec!["--resume", "1"])] {
        let out = number.to_string();
        let arguments = if arguments.is_empty() {
            long_run_into(&out, "1e9").collect()
        } else {
            [&["train", "--quiet"][..], &arguments].concat()
        };
        let run = folder.path().join("1");
        let before = fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default().lines().count();
        let child = start(folder.path(), arguments);
        // The first changes that the run makes on disk.
        wait_until(|| run.join(".lock").exists() && (number == 1 || !run.join("policy.safetensors").exists()));
        send("-INT", &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        let message = text(&output.stderr).lines().last().unwrap();
        assert!(message.starts_with("interrupted: saved after update "), "{message}");
        assert!(metrics(&run).len() > before && run.join("policy.safetensors").exists());
    }
}

#[test]
fn a_signal_after_training_ends_the_evaluation_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = start(folder.path(), long_run_into("a", "64").chain(["--set", "evaluation.episodes=500000"]));
    wait_for(&folder.path().join("a/policy.safetensors"));
    thread::sleep(Duration::from_millis(100));
    send("-TERM", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert!(!folder.path().join("a/summary.json").exists());
    success(&burn_pg(folder.path(), ["eval", "a", "--episodes", "1"]));
}
