//! Runs that are interrupted, killed, cut off by a full disk, and gone on with.
#![cfg(unix)]

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, process::ExitStatusExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use burn_pg::run::directory::RunDir;

use super::{burn_pg, command, content, json, metrics, success, text};

/// A run of 60 updates that saves a checkpoint after each.
const RUN: [&str; 13] = [
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
    "eval_episodes=3",
    "checkpoint={interval=1,keep=3,eval_episodes=1}",
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

/// Waits until something is there.
#[track_caller]
pub fn wait_for(path: &Path) {
    wait_until(|| path.exists());
}

#[track_caller]
pub fn wait_until(it_is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !it_is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a run has come to: metrics but for the time, and weights.
pub fn outcome(run: &Path) -> (Vec<impl PartialEq + std::fmt::Debug + use<>>, Vec<u8>) {
    (metrics(run), fs::read(run.join("policy.safetensors")).unwrap())
}

#[test]
fn an_interrupted_run_saves_and_goes_on_as_if_nothing_had_been() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("whole")));
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let out = format!("interrupted{signal}");
        // So long that it cannot be over.
        let child = start(folder.path(), long_run_into(&out, "1e9"));
        wait_for(&path(&out).join("checkpoints/update-000000003"));
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let message = text(&output.stderr).lines().last().unwrap();
        let advice = format!("go on with: burn-pg train --resume {out}");
        assert!(message.starts_with("interrupted: saved after update ") && message.ends_with(&advice), "{message}");
        // It can be evaluated as it is.
        success(&burn_pg(folder.path(), ["eval", &out, "--episodes", "1"]));
    }
    let child = start(folder.path(), run_into("halves"));
    wait_for(&path("halves/checkpoints/update-000000004"));
    send("-INT", &child);
    // (Or it was over before.)
    assert!(matches!(child.wait_with_output().unwrap().status.code(), Some(130 | 0)));
    let resume = ["train", "--resume", "halves", "--json", "--quiet", "--threads", "1"];
    let summary = json(&burn_pg(folder.path(), resume));
    assert_eq!(summary["env_steps"], 3840);
    assert!(outcome(&path("whole")) == outcome(&path("halves")));

    // Nothing is left to do: the outcome is told again.
    let before = outcome(&path("halves"));
    assert_eq!(json(&burn_pg(folder.path(), resume))["eval_return_mean"], summary["eval_return_mean"]);
    assert!(outcome(&path("halves")) == before);

    // From an earlier checkpoint: what came after it is replaced, by the same.
    let at = |update: &str| burn_pg(folder.path(), ["train", "--resume", "halves", "--at", update, "--quiet"]);
    success(&at("58"));
    assert!(outcome(&path("halves")) == before);
    // Gone back, and ended before it has come to where it was: it goes on from there, and not from what it went back from.
    success(&burn_pg(folder.path(), run_into("other")));
    let child = start(folder.path(), ["train", "--resume", "other", "--at", "58", "--quiet"]);
    wait_for(&path("other/checkpoints/update-000000059"));
    send("-KILL", &child);
    child.wait_with_output().unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "other", "--quiet"]);
    success(&output);
    assert_eq!(text(&output.stderr), "");
    assert!(outcome(&path("other")) == before);
    let refused = at("7");
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(text(&refused.stderr), "error: halves/checkpoints has no checkpoint of update 7\n");
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    // Updates that take very long.
    let slow = ["--set", "num_envs=1024", "num_steps=65536", "--total-steps", "1e9", "--out", "slow"];
    let child = start(folder.path(), ["train", "Acrobot-v1", "--quiet", "--device", "flex"].into_iter().chain(slow));
    wait_for(&folder.path().join("slow/metrics.jsonl"));
    // It catches signals as soon as it trains.
    thread::sleep(Duration::from_millis(300));
    let start = Instant::now();
    send("-INT", &child);
    thread::sleep(Duration::from_millis(100));
    send("-INT", &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(metrics(&folder.path().join("slow")), []);
}

/// Kills a run that saves continuously, at random moments, and goes on with it each time, until it has been killed `kills` times;
/// again and again from the start, if it comes to its end.
fn kill_and_resume(kills: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("whole")));
    let whole = outcome(&path("whole"));
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let (mut killed, mut ended, mut warnings, mut resumed) = (0, 0, 0, 0);
    while killed < kills || ended == 0 {
        let out = format!("killed-{ended}");
        let mut child = start(folder.path(), run_into(&out));
        loop {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // A third of a run or so at most, so that most are killed several times.
            thread::sleep(Duration::from_micros(random % 300_000));
            if child.try_wait().unwrap().is_none() {
                send("-KILL", &child);
            }
            let output: Output = child.wait_with_output().unwrap();
            let told = text(&output.stderr);
            warnings += told.matches("warning: ").count();
            let after = told.split_once("going on after update ").map(|(_, rest)| rest.split_once(' ').unwrap().0);
            resumed += usize::from(after.is_some_and(|update| update != "0"));
            if output.status.signal() == Some(9) {
                killed += 1;
            } else if output.status.success() {
                break;
            } else {
                // Killed before it had written what it was told to do, so nothing has been lost.
                assert!(!path(&out).join("config.toml").exists(), "{}", text(&output.stderr));
                fs::remove_dir_all(path(&out)).unwrap();
                child = start(folder.path(), run_into(&out));
                continue;
            }
            child = match path(&out).exists() {
                true => start(folder.path(), ["train", "--resume", &out]),
                false => start(folder.path(), run_into(&out)),
            };
        }
        assert!(outcome(&path(&out)) == whole, "{out}");
        let best = |out: &str| fs::read(path(out).join("checkpoints/best.json")).unwrap();
        assert_eq!(best(&out), best("whole"), "{out}");
        let unfinished = |path: &Path| {
            path.extension().and_then(OsStr::to_str).is_some_and(|end| end == "old" || end.starts_with("tmp"))
        };
        assert!(!content(&path(&out)).into_keys().any(|path| unfinished(&path)), "{out}");
        ended += 1;
    }
    println!(
        "killed {killed} times, {resumed} resumes from a checkpoint, {ended} runs came to the end of the one left alone"
    );
    assert_eq!(warnings, 0);
    assert!(resumed * 2 > killed, "{resumed} of {killed}");
}

#[test]
fn a_run_that_is_killed_again_and_again_comes_to_the_same_end() {
    kill_and_resume(10);
}

#[test]
#[ignore = "takes minutes: the campaign of docs/reliability.md"]
fn a_run_that_is_killed_two_hundred_times_comes_to_the_same_end() {
    kill_and_resume(200);
}

#[test]
fn a_full_disk_ends_a_run_with_its_reason_and_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("whole")));
    // No file may be longer than 8 KiB, in which there is room for some 15 updates.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {} \"$@\"", env!("CARGO_BIN_EXE_burn-pg"));
    let arguments = ["-c", &script, "bash"].into_iter().chain(run_into("full"));
    let output = Command::new("bash").args(arguments).current_dir(folder.path()).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("full/metrics.jsonl cannot be written: File too large"), "{message}");
    assert!(message.contains("go on from the checkpoint of update "), "{message}");
    success(&burn_pg(folder.path(), ["train", "--quiet", "--resume", "full"]));
    assert!(outcome(&path("full")) == outcome(&path("whole")));
    // Of a checkpoint that does not fit nothing is left, and the one before it stays.
    success(&burn_pg(folder.path(), long_run_into("large", "64").chain(["--set", "hidden_sizes=[64]"])));
    let script = format!("trap '' XFSZ; ulimit -f 4; exec {} \"$@\"", env!("CARGO_BIN_EXE_burn-pg"));
    let arguments = ["-c", &script, "bash", "train", "--quiet", "--resume", "large", "--total-steps", "128"];
    let output = Command::new("bash").args(arguments).current_dir(folder.path()).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("checkpoints/update-000000002 cannot be written: File too large"), "{message}");
    assert!(message.contains("go on from the checkpoint of update 1 with: burn-pg train --resume large"), "{message}");
    assert!(!path("large/checkpoints/update-000000002.tmp").exists());
    success(&burn_pg(folder.path(), ["train", "--quiet", "--resume", "large", "--total-steps", "128"]));
}

#[test]
fn two_processes_never_train_in_one_directory() {
    let folder = tempfile::tempdir().unwrap();
    let child = start(folder.path(), long_run_into("a", "1e9"));
    wait_for(&folder.path().join("a/checkpoints/update-000000002"));
    let output = burn_pg(folder.path(), ["train", "--resume", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "error: another process is training in a\n");
    // The lock does not outlive who holds it.
    send("-KILL", &child);
    child.wait_with_output().unwrap();
    let child = start(folder.path(), ["train", "--resume", "a", "--quiet"]);
    thread::sleep(Duration::from_millis(200));
    send("-INT", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn what_is_given_with_resume_holds_from_then_on() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), long_run_into("a", "64").chain(["--set", "checkpoint.interval=1000"])));
    let child = start(folder.path(), ["train", "--resume", "a", "--quiet", "--total-steps", "4096"]);
    let config = folder.path().join("a/config.toml");
    wait_until(|| fs::read_to_string(&config).unwrap().contains("total_steps = 4096"));
    send("-KILL", &child);
    child.wait_with_output().unwrap();
    let summary = json(&burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--json"]));
    assert_eq!(summary["env_steps"], 4096);
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
        // The first thing that is touched.
        wait_until(|| run.join(".lock").exists() && (number == 1 || !run.join("policy.safetensors").exists()));
        send("-INT", &child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
        assert!(text(&output.stderr).starts_with("interrupted: saved after update "), "{}", text(&output.stderr));
        assert!(metrics(&run).len() > before && run.join("policy.safetensors").exists());
    }
}

#[test]
fn a_part_of_a_setting_leaves_the_rest_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let parts = ["--set", "checkpoint.interval=7", "faults.limit=2", "optimiser.beta_1=0.5"];
    success(&burn_pg(folder.path(), long_run_into("a", "64").chain(parts)));
    let config = fs::read_to_string(folder.path().join("a/config.toml")).unwrap();
    for line in ["interval = 7", "keep = 3", "eval_episodes = 1", "limit = 2", "beta_1 = 0.5", "epsilon = 0.00001"] {
        assert!(config.lines().any(|other| other == line), "{line}: {config}");
    }
    for (part, message) in [
        ("gamma.x=1", "error: --set gamma.x: `gamma` is 0.99, which has no parts"),
        ("checkpoint.intervall=1", "error: `checkpoint` = "),
    ] {
        let output = burn_pg(folder.path(), long_run_into("b", "64").chain(["--set", part]));
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).starts_with(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_run_goes_on_if_nobody_listens_any_more() {
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
fn a_signal_after_training_ends_the_evaluation_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let child = start(folder.path(), long_run_into("a", "64").chain(["--set", "eval_episodes=500000"]));
    wait_for(&folder.path().join("a/policy.safetensors"));
    thread::sleep(Duration::from_millis(100));
    send("-TERM", &child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
    assert!(!folder.path().join("a/summary.json").exists());
    success(&burn_pg(folder.path(), ["eval", "a", "--episodes", "1"]));
}

#[test]
fn a_run_that_goes_on_is_known_by_its_newest_checkpoint() {
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
    wait_for(&path("checkpoints/update-000000070"));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it had come to is not what it is now.
    for name in ["summary.json", "policy.safetensors", "environment.json", "normalizer.json"] {
        assert!(!path(name).exists(), "{name}");
    }
    let newest = *RunDir::open(&path("")).checkpoints().updates().unwrap().last().unwrap();
    let newest = newest.to_string();
    let evaluated = eval(&[]);
    let note = format!("the run has not come to its end; this is its policy after update {newest}\n");
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
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("no checkpoint of update 3"), "{}", text(&refused.stderr));
    success(&burn_pg(folder.path(), ["act", "a", "--at", "best"]));
}

#[test]
fn paths_need_not_be_text() {
    let folder = tempfile::tempdir().unwrap();
    let out = OsStr::from_bytes(b"run-\xff\xfe");
    let arguments = RUN.into_iter().chain(["--total-steps", "128", "--out"]).map(OsStr::new);
    success(&burn_pg(folder.path(), arguments.chain([out])));
    success(&burn_pg(folder.path(), [OsStr::new("train"), OsStr::new("--quiet"), OsStr::new("--resume"), out]));
    success(&burn_pg(folder.path(), [OsStr::new("eval"), out, OsStr::new("--episodes"), OsStr::new("1")]));
}

#[test]
fn the_best_checkpoint_is_kept_if_they_are_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--set", "checkpoint={interval=1,keep=1,eval_episodes=2}"];
    success(&burn_pg(folder.path(), run_into("a").chain(settings)));
    let checkpoints = RunDir::open(&folder.path().join("a")).checkpoints();
    let best = checkpoints.best().unwrap().unwrap();
    assert!(best.return_mean >= 9.0, "{best:?}");
    let mut kept = vec![best.update, 60];
    kept.dedup();
    assert_eq!(checkpoints.updates().unwrap(), kept);
    let eval = |at: &str| burn_pg(folder.path(), ["eval", "a", "--at", at, "--episodes", "2", "--json"]);
    assert_eq!(json(&eval("best"))["eval_return_mean"], best.return_mean);
    let last = json(&burn_pg(folder.path(), ["eval", "a", "--episodes", "2", "--json"]));
    assert_eq!(json(&eval("60"))["eval_return_mean"], last["eval_return_mean"]);
    success(&burn_pg(folder.path(), run_into("b").chain(["--set", "checkpoint={interval=7}"])));
    let none = burn_pg(folder.path(), ["eval", "b", "--at", "best"]);
    assert_eq!(none.status.code(), Some(2));
    assert_eq!(
        text(&none.stderr),
        "error: no checkpoint of b was evaluated (`checkpoint.eval_episodes`), or the best one is gone\n"
    );
    assert!(outcome(&folder.path().join("a")) == outcome(&folder.path().join("b")), "evaluations leave no trace");
}
