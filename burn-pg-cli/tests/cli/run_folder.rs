//! Run directories that are damaged, edited, unwritable or used by someone else.
#![cfg(unix)]

use std::fs;

use burn_pg::run::directory::{RunDir, read_metrics};

use super::{
    assert_contains, burn_pg, content, json,
    long_run::{long_run_into, outcome, run_into, send, start, wait_for_update},
    make_pipe, metrics, stderr, success, text, usage_error,
};

#[test]
fn damaged_checkpoints_are_named_and_skipped() {
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
    let expected = "warning: checkpoint a/checkpoints/update-000000060 is damaged: tensors.safetensors does not match \
                    its checksum in SHA256SUMS; it is skipped\n";
    assert_eq!(stderr(&output), expected);
    assert!(outcome(&path("a")) == before);
    // The damaged checkpoint is set aside, and the run has reached update 60 again.
    let updates = || RunDir::open(&path("a")).checkpoints().updates().unwrap();
    assert!(path("a/checkpoints/update-000000060.damaged").is_dir());
    assert_eq!(updates().last(), Some(&60));
    // Damaged checkpoints do not count as the last three.
    damage("update-000000060");
    damage("update-000000059");
    let child = start(folder.path(), ["train", "--resume", "a", "--quiet", "--total-steps", "1e9"]);
    wait_for_update(&path("a"), 61);
    send("-INT", &child);
    child.wait_with_output().unwrap();
    assert!(*updates().last().unwrap() >= 61, "{:?}", updates());
    success(&burn_pg(folder.path(), ["eval", "a", "--at", &updates().last().unwrap().to_string(), "--episodes", "1"]));
    // A damaged best.json is written again.
    fs::write(path("a/checkpoints/best.json"), "{\"upd").unwrap();
    let (first, steps) = (updates()[0].to_string(), (64 * updates().last().unwrap()).to_string());
    let resume = ["train", "--resume", "a", "--at", &first, "--quiet", "--total-steps", &steps];
    let output = burn_pg(folder.path(), resume);
    success(&output);
    assert!(!text(&output.stderr).contains("best"), "{}", text(&output.stderr));
    assert!(RunDir::open(&path("a")).checkpoints().best().unwrap().is_some());
    // Now all checkpoints are damaged: the last three, and the best.
    let updates = RunDir::open(&path("a")).checkpoints().updates().unwrap();
    for update in &updates {
        damage(&format!("update-{update:09}"));
    }
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    let lines: Vec<&str> = usage_error(&output).lines().collect();
    let (warnings, error) = lines.split_at(updates.len());
    assert!(
        warnings.iter().all(|line| line.starts_with("warning: checkpoint a/checkpoints/update-0000000")),
        "{lines:?}"
    );
    let count = updates.len();
    assert_eq!(error, [format!("error: none of the {count} checkpoints in a/checkpoints can be loaded")]);
    // Commands that need a policy name them too.
    fs::remove_file(path("a/policy.safetensors")).unwrap();
    let output = burn_pg(folder.path(), ["eval", "a"]);
    assert_eq!(usage_error(&output).lines().collect::<Vec<_>>(), lines);
    // An invalid line of the metrics stays and is reported.
    success(&burn_pg(folder.path(), run_into("b")));
    let lines = fs::read_to_string(path("b/metrics.jsonl")).unwrap();
    let spoilt = lines.replacen("\"update\":3,", "\"update\":,", 1);
    fs::write(path("b/metrics.jsonl"), &spoilt).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet"]);
    assert_eq!(stderr(&output), "warning: metrics.jsonl has 59 valid lines up to the checkpoint, not 60\n");
    assert_eq!(fs::read_to_string(path("b/metrics.jsonl")).unwrap(), spoilt);
    // An invalid line after the checkpoint is removed without a warning, because a crash may leave one.
    let damaged = lines.replacen("\"update\":59,", "\0\0\0", 1);
    fs::write(path("b/metrics.jsonl"), damaged).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet", "--at", "58"]);
    assert_eq!(stderr(&output), "");
    assert!(outcome(&path("b")) == before);
    // A missing line is reported.
    let (_, rest) = lines.split_once('\n').unwrap();
    fs::write(path("b/metrics.jsonl"), rest).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "b", "--quiet"]);
    assert_eq!(stderr(&output), "warning: metrics.jsonl has 59 valid lines up to the checkpoint, not 60\n");
    assert!(!path("b/metrics.jsonl.damaged").exists(), "nothing was removed");
}

#[test]
fn runs_that_cannot_be_resumed_or_written_are_refused_before_anything_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    // Files of another program.
    let theirs = folder.path().join("theirs/checkpoints");
    fs::create_dir_all(theirs.join("model.tmp")).unwrap();
    fs::write(theirs.join("update-5"), "").unwrap();
    fs::write(theirs.join("backup.old"), "").unwrap();
    fs::create_dir(folder.path().join("nothing")).unwrap();
    fs::write(folder.path().join("nothing/config.toml"), "").unwrap();
    let before = content(folder.path());
    for (arguments, expected) in [
        (&["--resume", "none"][..], "error: none is not a run directory: it does not exist\n"),
        (&["--resume", "file"], "error: file is not a run directory: it is not a folder\n"),
        (&["--resume", "empty"], "error: empty is not a run directory: it has neither config.toml nor checkpoints\n"),
        (&["--resume", "theirs"], "error: theirs is not a run directory: it has neither config.toml nor checkpoints\n"),
        (&["--resume", "nothing"], "error: nothing/config.toml has no table `env`"),
        (
            &["--resume", "empty", "--seed", "2"],
            "error: the argument '--resume <RUN_DIR>' cannot be used with '--seed <N>'",
        ),
        (&["CartPole-v1", "--at", "2"], "error: --at needs --resume"),
        (&["CartPole-v1", "--out", "file/a"], "error: file/a cannot be written: "),
        (&["CartPole-v1", "--out", "/proc/a"], "error: /proc/a cannot be written: "),
        (
            &["CartPole-v1", "--set", "checkpoint={keep=0}"],
            "error: `checkpoint.keep` is 0; it must be at least 1 (--set)",
        ),
        (
            &["CartPole-v1", "--set", "faults={numbers='pass'}"],
            "error: `faults.numbers` is \"pass\"; it must be \"stop\" or \"skip\" (--set)",
        ),
    ] {
        let output = burn_pg(folder.path(), ["train", "--quiet"].iter().chain(arguments));
        assert!(usage_error(&output).starts_with(expected), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(content(folder.path()) == before, "nothing was touched");
}

#[test]
fn a_folder_that_holds_a_run_is_refused_with_the_command_that_resumes_it() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), long_run_into("a", "64")));
    let output = burn_pg(folder.path(), long_run_into("a", "64"));
    let message = "error: a is already used; choose a folder that is empty or does not exist, or go on with the run in it: \
                   burn-pg train --resume a\n";
    assert_eq!(usage_error(&output), message);
}

#[test]
fn an_edited_or_damaged_config_is_reported_on_resume() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), run_into("a")));
    let path = folder.path().join("a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let resumed = || {
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
        stderr(&output).to_owned()
    };
    let edited = config.replace("gamma = 0.99", "gamma = 0.5");
    fs::write(&path, &edited).unwrap();
    let warning = resumed();
    let expected = "warning: a/config.toml has other settings than the checkpoint; of the file, only `total_steps`, `device` \
                    and `threads` are used\nconfig.toml was edited; the edited file is kept in a/config.toml.edited\n";
    assert_eq!(warning, expected);
    assert_eq!(fs::read_to_string(&path).unwrap(), config);
    assert_eq!(fs::read_to_string(folder.path().join("a/config.toml.edited")).unwrap(), edited);
    assert_eq!(resumed(), "");
    fs::write(&path, format!("{}\ncut = [", &config[..config.find("num_epochs").unwrap()])).unwrap();
    let warning = resumed();
    let expected = "; the settings of the checkpoint are used\nconfig.toml was edited; the edited file is kept in \
                    a/config.toml.edited-2\n";
    assert!(warning.starts_with("warning: a/config.toml") && warning.ends_with(expected), "{warning}");
    assert_eq!(fs::read_to_string(&path).unwrap(), config);
}

#[test]
fn comments_in_a_config_are_not_lost_when_a_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), run_into("a")));
    let path = folder.path().join("a/config.toml");
    let config = fs::read_to_string(&path).unwrap();
    let resumed = |more: &[&str]| {
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"].iter().chain(more));
        success(&output);
        text(&output.stderr).to_owned()
    };
    // A file that nobody edited is written again without a copy.
    assert_eq!(resumed(&["--threads", "2"]), "");
    let config = config.replace("threads = 0", "threads = 2");
    assert_eq!(fs::read_to_string(&path).unwrap(), config);
    let commented = format!("{config}# The best so far.\n");
    fs::write(&path, &commented).unwrap();
    assert_eq!(resumed(&[]), "");
    assert_eq!(fs::read_to_string(&path).unwrap(), commented);
    let kept = "config.toml was edited; the edited file is kept in a/config.toml.edited\n";
    assert_eq!(resumed(&["--threads", "1"]), kept);
    assert_eq!(fs::read_to_string(folder.path().join("a/config.toml.edited")).unwrap(), commented);
}

#[test]
fn a_policy_is_used_with_the_settings_it_was_trained_with_even_if_the_config_is_edited() {
    let folder = tempfile::tempdir().unwrap();
    success(&burn_pg(folder.path(), run_into("a")));
    let config = folder.path().join("a/config.toml");
    let evaluated = || {
        let output = burn_pg(folder.path(), ["eval", "a", "--episodes", "5", "--json"]);
        (json(&output), text(&output.stderr).to_owned())
    };
    let (before, warning) = evaluated();
    assert_eq!(warning, "");
    let text_before = fs::read_to_string(&config).unwrap();
    for (from, to) in [
        ("\"tanh\"", "\"silu\""),
        ("normalize_observations = true", "normalize_observations = false"),
        ("seed = 1", "seed = 2"),
    ] {
        let edited = text_before.replace(from, to);
        assert_ne!(edited, text_before, "{from}");
        fs::write(&config, edited).unwrap();
        let expected = "warning: a/config.toml has other settings than the policy; those of the policy are used\n";
        assert_eq!(evaluated(), (before.clone(), expected.to_owned()), "{to}");
    }
    let exported = burn_pg(folder.path(), ["export", "a", "--format", "onnx", "--out", "a.onnx"]);
    assert_contains(stderr(&exported), "those of the policy are used");
    fs::write(&config, text_before.replace("\"tanh\"", "\"silu\"")).unwrap();
    let at_best = burn_pg(folder.path(), ["eval", "a", "--at", "best", "--episodes", "5"]);
    assert_contains(stderr(&at_best), "other settings than the checkpoint; those of the checkpoint are used");
    let policy = folder.path().join("a/policy.safetensors");
    let bytes = fs::read(&policy).unwrap();
    let at = bytes.windows(4).position(|window| window == b"tanh").unwrap();
    fs::write(&policy, [&bytes[..at], b"silu", &bytes[at + 4..]].concat()).unwrap();
    let output = burn_pg(folder.path(), ["eval", "a"]);
    assert_contains(usage_error(&output), "has metadata that cannot be read: it does not match its checksum");
    fs::write(&policy, bytes).unwrap();
    fs::write(&config, "cut = [").unwrap();
    let (after, warning) = evaluated();
    assert_eq!(after, before);
    assert!(
        warning.starts_with("warning: a/config.toml") && warning.ends_with("the settings of the policy are used\n"),
        "{warning}"
    );
    // A normaliser other than the one saved with the policy is refused.
    let normalizer = folder.path().join("a/normalizer.json");
    fs::write(&normalizer, fs::read_to_string(&normalizer).unwrap().replacen("\"clip\":10", "\"clip\":1", 1)).unwrap();
    let output = burn_pg(folder.path(), ["eval", "a"]);
    assert_contains(usage_error(&output), "error: a/normalizer.json is not the file that the policy was saved with");
}

#[test]
fn a_run_that_cannot_be_written_to_is_refused_before_anything_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("a/metrics.jsonl");
    success(&burn_pg(folder.path(), run_into("a")));
    fs::remove_file(&metrics).unwrap();
    fs::create_dir(&metrics).unwrap();
    let before = content(folder.path());
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
    assert_eq!(usage_error(&output), "error: a/metrics.jsonl cannot be written: it is not a regular file\n");
    assert!(content(folder.path()) == before);
    fs::remove_dir(&metrics).unwrap();
    for name in ["policy.safetensors", "summary.json", "checkpoints/best.json", "config.toml", "metrics.jsonl"] {
        let path = folder.path().join("a").join(name);
        let _ = fs::remove_file(&path);
        make_pipe(&path);
        let refused = || {
            let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
            let expected = format!("a/{name} cannot be written: it is not a regular file\n");
            assert!(usage_error(&output).ends_with(&expected), "{name}: {}", text(&output.stderr));
            assert!(folder.path().join("a/checkpoints/update-000000060").exists());
            fs::remove_file(&path).unwrap();
        };
        refused();
        std::os::unix::fs::symlink("nowhere/else", &path).unwrap();
        refused();
    }
    let sums = folder.path().join("a/checkpoints/update-000000060/SHA256SUMS");
    fs::remove_file(&sums).unwrap();
    make_pipe(&sums);
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    let expected = "error: a/checkpoints/update-000000060/SHA256SUMS cannot be read: it is not a regular file\n";
    assert_eq!(usage_error(&output), expected);
}

#[test]
fn missing_metrics_are_reported_and_nothing_is_removed_without_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join("a").join(name);
    success(&burn_pg(folder.path(), run_into("a")));
    let lines = fs::read_to_string(path("metrics.jsonl")).unwrap();
    let resumed = |metrics: &[u8]| {
        fs::write(path("metrics.jsonl"), metrics).unwrap();
        let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
        stderr(&output).to_owned()
    };
    // One changed digit makes an early update a later one.
    let flipped = lines.replacen("\"update\":10,", "\"update\":90,", 1);
    let warning = "warning: metrics.jsonl has 59 valid lines up to the checkpoint, not 60";
    assert_eq!(resumed(flipped.as_bytes()), format!("{warning}\n"));
    assert_eq!(fs::read_to_string(path("metrics.jsonl")).unwrap(), flipped);
    // A duplicate update does not replace a missing one.
    for (from, to) in [(52, 27), (10, 50), (20, 60)] {
        let flipped = lines.replacen(&format!("\"update\":{from},"), &format!("\"update\":{to},"), 1);
        assert_eq!(resumed(flipped.as_bytes()), format!("{warning}\n"), "{from} {to}");
        assert_eq!(fs::read_to_string(path("metrics.jsonl")).unwrap(), flipped);
    }
    // The file is copied before anything is removed: if no line is valid, or if the last one is not.
    let warning = |found: usize, copy: &str| {
        format!(
            "warning: metrics.jsonl has {found} valid lines up to the checkpoint, not 60; the original is kept in \
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
    // A line after the checkpoint is removed, even if it has the number of an earlier update.
    fs::write(path("metrics.jsonl"), lines.replacen("\"update\":60,", "\"update\":20,", 1)).unwrap();
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet", "--at", "58"]);
    assert_eq!(stderr(&output), "");
    assert_eq!(metrics(&path("")).len(), 60);
    let updates: Vec<u64> = read_metrics(&path("metrics.jsonl")).unwrap().iter().map(|stats| stats.update).collect();
    assert!(updates.into_iter().eq(1..=60));
}

#[test]
fn a_folder_with_only_an_unheld_lock_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("a");
    fs::create_dir(&run).unwrap();
    fs::write(run.join(".lock"), "").unwrap();
    let held = fs::File::open(run.join(".lock")).unwrap();
    held.lock().unwrap();
    let output = burn_pg(folder.path(), long_run_into("a", "64"));
    assert!(usage_error(&output).starts_with("error: a is already used"), "{}", text(&output.stderr));
    drop(held);
    success(&burn_pg(folder.path(), long_run_into("a", "64")));
    // Opening a pipe would wait for the other end.
    fs::remove_file(run.join(".lock")).unwrap();
    make_pipe(run.join(".lock"));
    let output = burn_pg(folder.path(), ["train", "--quiet", "--resume", "a"]);
    assert_eq!(usage_error(&output), "error: a/.lock cannot be written: it is not a regular file\n");
}

#[test]
fn other_files_among_the_checkpoints_stay() {
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
fn a_policy_without_a_checkpoint_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let failed = burn_pg(folder.path(), run_into("a").chain(["--set", "learning_rate=1e30"]));
    assert_eq!(failed.status.code(), Some(1));
    let before = content(&folder.path().join("a"));
    let output = burn_pg(folder.path(), ["train", "--resume", "a", "--quiet"]);
    let message = "error: a has results but no checkpoint, so training would start again; train into another folder (`--init-from` \
                   continues with a policy)\n";
    assert_eq!(usage_error(&output), message);
    assert!(content(&folder.path().join("a")) == before);
}
