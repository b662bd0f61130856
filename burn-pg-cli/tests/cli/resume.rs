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

use burn_pg::run_dir::read_metrics;

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

fn run_into(out: &str) -> impl Iterator<Item = &str> {
    long_run_into(out, "3840")
}

fn long_run_into<'a>(out: &'a str, total_steps: &'a str) -> impl Iterator<Item = &'a str> {
    RUN.into_iter().chain(["--out", out, "--total-steps", total_steps])
}

fn start<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Child {
    command(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(signal: &str, to: &Child) {
    assert!(Command::new("kill").args([signal, &to.id().to_string()]).status().unwrap().success());
}

/// Waits until something is there.
#[track_caller]
fn wait_for(path: &Path) {
    wait_until(|| path.exists());
}

#[track_caller]
fn wait_until(it_is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !it_is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "it takes too long");
        thread::sleep(Duration::from_millis(1));
    }
}

/// What a run has come to: metrics but for the time, and weights.
fn outcome(run: &Path) -> (Vec<impl PartialEq + std::fmt::Debug + use<>>, Vec<u8>) {
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
fn damaged_checkpoints_are_named_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    let before = outcome(&path("a"));
    let damage = |update: &str| {
        let file = path("a/checkpoints").join(update).join("tensors.safetensors");
        let mut bytes = fs::read(&file).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(file, bytes).unwrap();
    };
    damage("update-000000060");
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    success(&output);
    let expected = "warning: checkpoint a/checkpoints/update-000000060 is damaged: tensors.safetensors is not what SHA256SUMS \
                    says; it is passed over\n";
    assert_eq!(text(&output.stderr), expected);
    assert!(outcome(&path("a")) == before);
    // It is put aside, and the run has come there again.
    let updates = || burn_pg::run_dir::RunDir::open(&path("a")).checkpoints().updates().unwrap();
    assert!(path("a/checkpoints/update-000000060.damaged").is_dir());
    assert_eq!(updates().last(), Some(&60));
    // What is damaged does not count as one of the last.
    damage("update-000000060");
    damage("update-000000059");
    let child = start(folder.path(), ["train", "--resume", "a", "--quiet", "--total-steps", "1e9"]);
    wait_for(&path("a/checkpoints/update-000000061"));
    send("-INT", &child);
    child.wait_with_output().unwrap();
    assert!(*updates().last().unwrap() >= 61, "{:?}", updates());
    success(&burn_pg(folder.path(), ["eval", "a", "--at", &updates().last().unwrap().to_string(), "--episodes", "1"]));
    // What is known of the best may be damaged: it is found out again.
    fs::write(path("a/checkpoints/best.json"), "{\"upd").unwrap();
    let (first, steps) = (updates()[0].to_string(), (64 * updates().last().unwrap()).to_string());
    let resume = ["train", "--resume", "a", "--at", &first, "--quiet", "--total-steps", &steps];
    let output = burn_pg(folder.path(), resume);
    success(&output);
    assert_eq!(text(&output.stderr), "");
    assert!(burn_pg::run_dir::RunDir::open(&path("a")).checkpoints().best().unwrap().is_some());
    // The last three, and the best.
    let updates = burn_pg::run_dir::RunDir::open(&path("a")).checkpoints().updates().unwrap();
    for update in &updates {
        damage(&format!("update-{update:09}"));
    }
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let told: Vec<&str> = text(&output.stderr).lines().collect();
    let (warnings, error) = told.split_at(updates.len());
    assert!(
        warnings.iter().all(|line| line.starts_with("warning: checkpoint a/checkpoints/update-0000000")),
        "{told:?}"
    );
    let count = updates.len();
    assert_eq!(error, [format!("error: none of the {count} checkpoints in a/checkpoints can be loaded")]);
    // The commands that look for a policy name them too.
    fs::remove_file(path("a/policy.safetensors")).unwrap();
    let output = burn_pg(folder.path(), ["eval", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr).lines().collect::<Vec<_>>(), told);
    // A line of the metrics that is no line stays, and is told.
    success(&burn_pg(folder.path(), run_into("b")));
    let lines = fs::read_to_string(path("b/metrics.jsonl")).unwrap();
    let spoilt = lines.replacen("\"update\":3,", "\"update\":,", 1);
    fs::write(path("b/metrics.jsonl"), &spoilt).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet"]);
    success(&output);
    assert_eq!(text(&output.stderr), "warning: metrics.jsonl has 59 whole lines of 60 up to there\n");
    assert_eq!(fs::read_to_string(path("b/metrics.jsonl")).unwrap(), spoilt);
    // One after the checkpoint goes anyway, as what a crash leaves may be.
    let damaged = lines.replacen("\"update\":59,", "\0\0\0", 1);
    fs::write(path("b/metrics.jsonl"), damaged).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet", "--at", "58"]);
    success(&output);
    assert_eq!(text(&output.stderr), "");
    assert!(outcome(&path("b")) == before);
    // A line that is missing is told.
    let (_, rest) = lines.split_once('\n').unwrap();
    fs::write(path("b/metrics.jsonl"), rest).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet"]);
    success(&output);
    assert_eq!(text(&output.stderr), "warning: metrics.jsonl has 59 whole lines of 60 up to there\n");
    assert!(!path("b/metrics.jsonl.damaged").exists(), "nothing was removed");
}

#[test]
fn what_cannot_be_resumed_or_written_is_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    // Somebody else's.
    let theirs = folder.path().join("theirs/checkpoints");
    fs::create_dir_all(theirs.join("model.tmp")).unwrap();
    fs::write(theirs.join("update-5"), "").unwrap();
    fs::write(theirs.join("backup.old"), "").unwrap();
    fs::create_dir(folder.path().join("nothing")).unwrap();
    fs::write(folder.path().join("nothing/config.toml"), "").unwrap();
    let before = content(folder.path());
    for (arguments, expected) in [
        (&["--resume", "none"][..], "error: none is not a run directory"),
        (&["--resume", "file"], "error: file is not a run directory"),
        (&["--resume", "empty"], "error: empty/config.toml cannot be read: "),
        (&["--resume", "theirs"], "error: theirs/config.toml cannot be read: "),
        (&["--resume", "nothing"], "error: nothing/config.toml is not valid TOML: it has no `env`"),
        (
            &["--resume", "empty", "--seed", "2"],
            "error: the argument '--resume <RUN_DIR>' cannot be used with '--seed <N>'",
        ),
        (&["CartPole-v1", "--at", "2"], "error: --at needs --resume"),
        (&["CartPole-v1", "--out", "file/a"], "error: file/a cannot be written: "),
        (&["CartPole-v1", "--out", "/proc/a"], "error: /proc/a cannot be written: "),
        (&["CartPole-v1", "--set", "checkpoint={keep=0}"], "error: `checkpoint.keep` is 0, but must be at least 1"),
        (&["CartPole-v1", "--set", "faults={numbers='pass'}"], "error: --set: `faults` = "),
    ] {
        let output = burn_pg(folder.path(), ["train", "--quiet"].iter().chain(arguments));
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).starts_with(expected), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(content(folder.path()) == before, "nothing was touched");
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
fn an_edited_or_damaged_config_is_told_when_a_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), run_into("a")));
    let path = folder.path().join("a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let resumed = || {
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
        success(&output);
        text(&output.stderr).to_owned()
    };
    fs::write(&path, config.replace("gamma = 0.99", "gamma = 0.5")).unwrap();
    let told = resumed();
    let expected = "warning: a/config.toml has other settings than the checkpoint; those of the checkpoint hold\n";
    assert_eq!(told, expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), config);
    assert_eq!(resumed(), "");
    fs::write(&path, &config[..config.len() / 2]).unwrap();
    let told = resumed();
    assert!(
        told.starts_with("warning: a/config.toml") && told.ends_with("the settings of the checkpoint are taken\n"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), config);
}

#[test]
fn a_run_that_cannot_be_written_on_is_refused_before_anything_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("a/metrics.jsonl");
    success(&burn_pg(folder.path(), run_into("a")));
    fs::remove_file(&metrics).unwrap();
    fs::create_dir(&metrics).unwrap();
    let before = content(folder.path());
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "error: a/metrics.jsonl cannot be written: it is not a regular file\n");
    assert!(content(folder.path()) == before);
    fs::remove_dir(&metrics).unwrap();
    for name in ["policy.safetensors", "summary.json", "checkpoints/best.json", "config.toml", "metrics.jsonl"] {
        let path = folder.path().join("a").join(name);
        let _ = fs::remove_file(&path);
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let refused = || {
            let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
            assert_eq!(output.status.code(), Some(2), "{name}: {}", text(&output.stderr));
            let expected = format!("a/{name} cannot be written: it is not a regular file\n");
            assert!(text(&output.stderr).ends_with(&expected), "{name}: {}", text(&output.stderr));
            assert!(folder.path().join("a/checkpoints/update-000000060").exists());
            fs::remove_file(&path).unwrap();
        };
        refused();
        std::os::unix::fs::symlink("nowhere/else", &path).unwrap();
        refused();
    }
    let sums = folder.path().join("a/checkpoints/update-000000060/SHA256SUMS");
    fs::remove_file(&sums).unwrap();
    assert!(Command::new("mkfifo").arg(&sums).status().unwrap().success());
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "error: a/checkpoints/update-000000060/SHA256SUMS cannot be read: it is not a regular file\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn metrics_that_are_missing_are_told_and_nothing_of_them_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join("a").join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    let lines = fs::read_to_string(path("metrics.jsonl")).unwrap();
    let resumed = |metrics: &[u8]| {
        fs::write(path("metrics.jsonl"), metrics).unwrap();
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
        success(&output);
        text(&output.stderr).to_owned()
    };
    // One bit makes a later update of an early one.
    let flipped = lines.replacen("\"update\":10,", "\"update\":90,", 1);
    let warning = "warning: metrics.jsonl has 59 whole lines of 60 up to there";
    assert_eq!(resumed(flipped.as_bytes()), format!("{warning}\n"));
    assert_eq!(fs::read_to_string(path("metrics.jsonl")).unwrap(), flipped);
    // An earlier one that is there a second time is none of those that should be there.
    for (from, to) in [(52, 27), (10, 50), (20, 60)] {
        let flipped = lines.replacen(&format!("\"update\":{from},"), &format!("\"update\":{to},"), 1);
        assert_eq!(resumed(flipped.as_bytes()), format!("{warning}\n"), "{from} {to}");
        assert_eq!(fs::read_to_string(path("metrics.jsonl")).unwrap(), flipped);
    }
    // What is removed is copied before: none of it is a line, or the last one is not.
    let warning = |found: usize, copy: &str| {
        format!(
            "warning: metrics.jsonl has {found} whole lines of 60 up to there; as it was, it is kept in \
             a/metrics.jsonl.{copy}\n"
        )
    };
    let bytes: Vec<u8> = lines.bytes().map(|byte| byte ^ 0x55).chain(*b"\n").collect();
    assert_eq!(resumed(&bytes), warning(0, "damaged"));
    assert!(fs::read(path("metrics.jsonl.damaged")).unwrap() == bytes);
    assert_eq!(fs::read(path("metrics.jsonl")).unwrap(), b"");
    let flipped = lines.replacen("\"update\":60,", "\"update\":,0,", 1);
    assert_eq!(resumed(flipped.as_bytes()), warning(59, "damaged-2"));
    assert_eq!(fs::read_to_string(path("metrics.jsonl.damaged-2")).unwrap(), flipped);
    // One that was later than where the run goes back to is not kept for looking like an earlier one.
    fs::write(path("metrics.jsonl"), lines.replacen("\"update\":60,", "\"update\":20,", 1)).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
    success(&output);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(metrics(&path("")).len(), 60);
    let updates: Vec<u64> = read_metrics(&path("metrics.jsonl")).unwrap().iter().map(|stats| stats.update).collect();
    assert!(updates.into_iter().eq(1..=60));
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
fn a_folder_in_which_nothing_was_begun_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a");
    fs::create_dir(&run).unwrap();
    fs::write(run.join(".lock"), "").unwrap();
    let held = fs::File::open(run.join(".lock")).unwrap();
    held.lock().unwrap();
    let output = burn_pg(folder.path(), long_run_into("a", "64"));
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("error: a is already used"), "{}", text(&output.stderr));
    drop(held);
    success(&burn_pg(folder.path(), long_run_into("a", "64")));
    // Whoever opens a pipe waits for its other end.
    fs::remove_file(run.join(".lock")).unwrap();
    assert!(Command::new("mkfifo").arg(run.join(".lock")).status().unwrap().success());
    let output = burn_pg(folder.path(), ["train", "--quiet", "--resume", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "error: a/.lock cannot be written: it is not a regular file\n");
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
    for name in ["summary.json", "policy.safetensors", "normalizer.json"] {
        assert!(!path(name).exists(), "{name}");
    }
    let newest = *burn_pg::run_dir::RunDir::open(&path("")).checkpoints().updates().unwrap().last().unwrap();
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
fn what_is_not_ours_among_the_checkpoints_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join("a/checkpoints").join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    fs::create_dir(path("update-5")).unwrap();
    fs::create_dir(path("update-000000060.mine")).unwrap();
    fs::write(path("best.json.tmp"), "{").unwrap();
    fs::write(path("notes.old"), "").unwrap();
    success(&burn_pg(folder.path(), ["train", "--quiet", "--resume", "a", "--total-steps", "4096"]));
    for name in ["update-5", "update-000000060.mine", "notes.old", "update-000000064"] {
        assert!(path(name).exists(), "{name}");
    }
}

#[test]
fn a_policy_without_a_checkpoint_is_not_trained_over() {
    let folder = tempfile::tempdir().unwrap();
    let failed = burn_pg(folder.path(), run_into("a").chain(["--set", "learning_rate=1e30"]));
    assert_eq!(failed.status.code(), Some(1));
    let before = content(&folder.path().join("a"));
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    let message =
        "error: a has a policy, and no checkpoint to go on from: it would begin again; train into another folder\n";
    assert_eq!(text(&output.stderr), message);
    assert!(content(&folder.path().join("a")) == before);
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
    let checkpoints = burn_pg::run_dir::RunDir::open(&folder.path().join("a")).checkpoints();
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
