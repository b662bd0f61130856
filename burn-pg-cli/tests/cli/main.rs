//! The command line, as users and scripts see it.

mod act;
mod bench;
mod bench_devices;
mod device_lost;
mod export;
mod gpu;
mod init_from;
mod interrupt;
mod killed;
mod listing;
mod lm;
mod long_run;
mod not_files;
mod plan;
mod python;
mod refusals;
mod resume;
mod run_folder;
mod seen;
mod snapshots;
mod summary_page;
mod terminal;
mod trace;
mod train;
mod unregistered;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

/// Runs `burn-pg` in a folder.
fn burn_pg<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Output {
    command(folder, arguments).output().unwrap()
}

fn command<S: AsRef<OsStr>>(folder: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_burn-pg"));
    // Without this variable, graphics libraries on a system without a screen write to stderr.
    command.args(arguments).current_dir(folder).env("XDG_RUNTIME_DIR", folder);
    // Figures of the user do not matter to tests, and are not replaced by theirs.
    command.env("BURN_PG_CACHE", "");
    command
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The arguments of a very short training run: 64 steps, 2 updates.
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
    "evaluation.episodes=3",
];

fn small(more: &[&str]) -> Vec<String> {
    SMALL.iter().chain(more).map(ToString::to_string).collect()
}

/// Trains a small run into `out`.
#[track_caller]
fn train_small(folder: &Path, out: &str, more: &[&str]) {
    success(&burn_pg(folder, small(&[&["--out", out, "--quiet"], more].concat())));
}

#[track_caller]
fn success(output: &Output) -> &str {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Returns stderr of a command that succeeded.
#[cfg(unix)]
#[track_caller]
fn stderr(output: &Output) -> &str {
    success(output);
    text(&output.stderr)
}

/// Returns stderr of a command that ended with exit code 2.
#[track_caller]
fn usage_error(output: &Output) -> &str {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    message
}

#[track_caller]
fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is missing in: {text}");
}

/// Returns what `burn-pg act run` with these options answers to `input`.
fn acted(folder: &Path, options: &[&str], input: impl AsRef<[u8]>) -> Output {
    fs::write(folder.join("input"), input).unwrap();
    let input = fs::File::open(folder.join("input")).unwrap();
    command(folder, [&["act", "run", "--device", "flex"], options].concat()).stdin(input).output().unwrap()
}

/// Creates a named pipe that no process opens.
#[cfg(unix)]
fn make_pipe(path: impl AsRef<OsStr>) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Returns the JSON object on stdout, which must be one line.
#[track_caller]
fn json(output: &Output) -> Value {
    let stdout = success(output);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(stdout).unwrap()
}

/// Returns the metrics of a run without their time fields.
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

/// Returns the header of a `safetensors` file without metadata, and its data.
fn tensors(path: &Path) -> (Value, Vec<u8>) {
    let file = fs::read(path).unwrap();
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, values) = rest.split_at(u64::from_le_bytes(*length).try_into().unwrap());
    let mut header: Value = serde_json::from_slice(header).unwrap();
    header.as_object_mut().unwrap().remove("__metadata__");
    (header, values.to_vec())
}

/// Returns everything below a folder, with the content of its files.
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

/// Asserts that a command ends with exit code 2, prints nothing on stdout, writes no file, and prints one message that
/// contains all `parts`.
#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a-file"), "").unwrap();
    fs::write(folder.path().join("typo.toml"), "gama = 0.9\n").unwrap();
    let three = "# Three errors.\n[algorithm]\ngamma = 'high'\n[env]\nnum_envs = -1\nfrobnicate = 1\n";
    fs::write(folder.path().join("three.toml"), three).unwrap();
    let by_line = "[run]\nseed = -1\n[env]\nnum_envs = 0\n[algorithm]\nkind = 'ppo'\nnum_epochs = 0\n";
    fs::write(folder.path().join("by-line.toml"), by_line).unwrap();
    fs::write(folder.path().join("broken.toml"), "gamma = \n").unwrap();
    fs::write(folder.path().join("pendulum.toml"), "env.name = \"Pendulum-v1\"\n").unwrap();
    fs::write(folder.path().join("a2c.toml"), "algorithm.kind = \"a2c\"\n").unwrap();
    fs::create_dir(folder.path().join("used")).unwrap();
    fs::write(folder.path().join("used/notes.txt"), "mine").unwrap();
    fs::create_dir(folder.path().join("only-settings")).unwrap();
    fs::write(folder.path().join("only-settings/config.toml"), "env = \"CartPole-v1\"\n").unwrap();
    let before = content(folder.path());

    let output = burn_pg(folder.path(), arguments);
    let message = usage_error(&output);
    assert_eq!(text(&output.stdout), "");
    assert_eq!(message.matches("error: ").count(), 1, "{message}");
    assert!(message.matches("(os error").count() <= 1, "shown twice: {message}");
    for part in parts {
        assert_contains(message, part);
    }
    assert_eq!(content(folder.path()), before, "nothing is written");
}
