//! Runs that are killed, or fail because of a full disk, and are resumed.
#![cfg(unix)]

use std::{
    ffi::OsStr,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, Output},
    thread,
    time::Duration,
};

use super::{
    burn_pg, content, json,
    long_run::{long_run_into, outcome, run_into, send, start, wait_for_update, wait_until},
    success, text,
};

/// Kills a run that saves continuously at random moments and resumes it each time, until it has been killed `kills` times. If
/// the run ends, another one is started. Asserts that each of them ends as an uninterrupted run.
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
            // At most about a third of a run, so that most runs are killed several times.
            thread::sleep(Duration::from_micros(random % 300_000));
            if child.try_wait().unwrap().is_none() {
                send("-KILL", &child);
            }
            let output: Output = child.wait_with_output().unwrap();
            let stderr = text(&output.stderr);
            warnings += stderr.matches("warning: ").count();
            let after = stderr.split_once("going on after update ").map(|(_, rest)| rest.split_once(' ').unwrap().0);
            resumed += usize::from(after.is_some_and(|update| update != "0"));
            if output.status.signal() == Some(9) {
                killed += 1;
            } else if output.status.success() {
                break;
            } else {
                // It was killed before it had written its settings, so nothing is lost.
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
fn a_run_killed_ten_times_ends_as_an_uninterrupted_one() {
    kill_and_resume(10);
}

#[test]
#[ignore = "takes minutes: the campaign of docs/reliability.md"]
fn a_run_killed_two_hundred_times_ends_as_an_uninterrupted_one() {
    kill_and_resume(200);
}

#[test]
fn a_full_disk_ends_a_run_with_its_reason_and_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    success(&burn_pg(folder.path(), run_into("whole")));
    // No file may be longer than 8 KiB, which is enough for about 15 updates.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {} \"$@\"", env!("CARGO_BIN_EXE_burn-pg"));
    let arguments = ["-c", &script, "bash"].into_iter().chain(run_into("full"));
    let output = Command::new("bash").args(arguments).current_dir(folder.path()).output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    // The message starts with the cause and ends with the fix.
    let cause = " steps: full/metrics.jsonl cannot be written: File too large";
    assert!(message.starts_with("error: training failed after ") && message.contains(cause), "{message}");
    assert!(
        message.contains("; the last good policy is saved in full; go on from the checkpoint of update "),
        "{message}"
    );
    assert!(message.ends_with(" with: burn-pg train --resume full\n"), "{message}");
    success(&burn_pg(folder.path(), ["train", "--quiet", "--resume", "full"]));
    assert!(outcome(&path("full")) == outcome(&path("whole")));
    // A checkpoint that does not fit leaves nothing, and the one before it stays.
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
fn a_run_whose_directory_is_moved_ends_and_does_not_create_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let child = start(folder.path(), long_run_into("a", "1e9"));
    wait_for_update(&path("a"), 2);
    fs::rename(path("a"), path("b")).unwrap();
    let output = child.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let cause = " steps: a was removed, moved or replaced while the run went on; nothing more can be saved in a\n";
    assert!(message.starts_with("error: training failed after ") && message.ends_with(cause), "{message}");
    assert!(!path("a").exists());
    // The checkpoints before are undamaged.
    success(&burn_pg(folder.path(), ["eval", "b", "--episodes", "1"]));
}

#[test]
fn settings_given_with_resume_hold_in_later_resumes() {
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
