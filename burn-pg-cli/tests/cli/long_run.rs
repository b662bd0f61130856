//! Runs that are long enough to be interrupted.
#![cfg(unix)]

use std::{
    ffi::OsStr,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use burn_pg::run::directory::RunDir;

use super::{command, metrics, tensors};

/// A run of 60 updates that saves a checkpoint after each.
pub const RUN: [&str; 13] = [
    "train",
    "CartPole-v1",
    "--preset",
    "ppo-cleanrl",
    "--device",
    "flex",
    "--quiet",
    "--set",
    "num_steps=8",
    "hidden_sizes=[8]",
    "evaluation.episodes=3",
    "checkpoint={interval=1,keep=3,episodes=1}",
    "normalize_observations=true",
];

pub fn run_into(out: &str) -> impl Iterator<Item = &str> {
    long_run_into(out, "3840")
}

pub fn long_run_into<'a>(out: &'a str, total_steps: &'a str) -> impl Iterator<Item = &'a str> {
    RUN.into_iter().chain(["--out", out, "--total-steps", total_steps])
}

pub fn start<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Child {
    command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn send(signal: &str, to: &Child) {
    assert!(Command::new("kill").args([signal, &to.id().to_string()]).status().unwrap().success());
}

/// Waits until a path exists.
#[track_caller]
pub fn wait_for(path: &Path) {
    wait_until(|| path.exists());
}

/// Waits until a run has a checkpoint of this update or a later one: an old one is removed soon.
#[track_caller]
pub fn wait_for_update(run: &Path, update: u64) {
    let checkpoints = RunDir::open(run).checkpoints();
    wait_until(|| checkpoints.updates().is_ok_and(|updates| updates.last() >= Some(&update)));
}

#[track_caller]
pub fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_mins(1), "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Returns the metrics of a run without time fields, and its weights.
pub fn outcome(
    run: &Path,
) -> (Vec<impl PartialEq + std::fmt::Debug + use<>>, impl PartialEq + std::fmt::Debug + use<>) {
    (metrics(run), tensors(&run.join("policy.safetensors")))
}
