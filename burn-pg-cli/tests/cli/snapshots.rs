//! Help texts, messages and output as a user sees them, compared with `snapshots/*.snap`.
//!
//! A difference fails the test and is written to a `.snap.new` file beside the snapshot. To accept all differences:
//! `INSTA_UPDATE=always cargo test --release --test cli snapshots`.
#![cfg(unix)]

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use super::{burn_pg, json, small, success, text, train_small, usage_error};

/// Commands that are refused, in the folder that [`folder`] creates. Add new messages here.
const MESSAGES: [&str; 58] = [
    "trian",
    "train",
    "train LunarLander-v3",
    "train CartPole-v0",
    "train CartPole-v1 --algo pppo",
    "train CartPole-v1 --preset ppo-clean",
    "train CartPole-v1 --preset fast",
    "train CartPole-v1 --device gpu",
    "train CartPole-v1 --out used",
    "train CartPole-v1 --out run",
    "train CartPole-v1 --out a-file",
    "train CartPole-v1 --config none.toml",
    "train CartPole-v1 --at 3",
    "train CartPole-v1 --total-steps many",
    "train CartPole-v1 --init-from none",
    "train CartPole-v1 --init-from used",
    "train CartPole-v1 --init-from run --set hidden_sizes=[9]",
    "train CartPole-v1 --init-from run/policy.safetensors",
    "train --resume none",
    "train --resume used",
    "train --resume run --at 7",
    "train --resume run --at newest",
    "train --resume run --seed 2",
    "plan foo",
    "plan CartPole-v1 --out run",
    "eval",
    "eval none",
    "eval used",
    "eval only-settings",
    "eval run --episodes -1",
    "eval run --seed -1",
    "eval run --at last",
    "eval run --at 7",
    "act a-file",
    "export run --format onix --out policy.onnx",
    "export run --format onnx --out run/policy.safetensors",
    "export run --format onnx --out a-file",
    "import none.safetensors --env CartPole-v1 --out new",
    "import a-file --env CartPole-v1 --out new",
    "env-trace CartPole-v1 --actions a-file",
    "env-trace CartPole-v1 --steps -5",
    "bench train --repeat 0",
    "bench devices --device gpu",
    "bench devices --device flex --adapter 3",
    "bench devices --out a-file",
    "watch none",
    "watch run",
    "watch run --gif a-file",
    "plot none",
    "plot run --y entropi",
    "plot run --out curve.pdf",
    "report run --out a-file",
    "runs none",
    "runs used",
    "sweep none.toml",
    "sweep a-file",
    "config CartPole-v1 --out a-file",
    "completions tcsh",
];

/// Compares with the snapshot of that name.
#[track_caller]
fn check(name: &str, shown: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, shown));
}

/// A folder with a small run in `run`, and paths that hold no run.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "run", &[]);
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a-file"), "[0, 1").unwrap();
    for (name, file, content) in
        [("used", "notes.txt", "mine"), ("only-settings", "config.toml", "env = 'CartPole-v1'")]
    {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join(file), content).unwrap();
    }
    folder
}

#[test]
fn messages() {
    let folder = folder();
    let shown = MESSAGES.map(|message| {
        let output = burn_pg(folder.path(), message.split(' '));
        assert_eq!(text(&output.stdout), "", "{message}");
        format!("$ burn-pg {message}\n{}\n", usage_error(&output))
    });
    check("messages", &shown.concat());
}

#[test]
fn help() {
    let help_of = |command: &[&str]| {
        let output = burn_pg(Path::new("."), command.iter().chain(&["--help"]));
        success(&output).to_owned()
    };
    let program = help_of(&[]);
    check("help", &program);
    let commands = program.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Further lines of a description are indented more.
    let commands = commands.filter(|line| !line.starts_with("   "));
    for command in commands.map(|line| line.split_whitespace().next().unwrap()).filter(|command| *command != "help") {
        check(&format!("help-{command}"), &help_of(&[command]));
    }
    check("help-bench-train", &help_of(&["bench", "train"]));
    check("help-bench-devices", &help_of(&["bench", "devices"]));
}

/// Replaces what differs from run to run or between machines: numbers with decimals, rates, and the time that is left.
fn masked(shown: &str) -> String {
    let (mut masked, mut rest) = (String::new(), shown);
    while let Some(letter) = rest.chars().next() {
        let is_sign = letter == '-' && rest[1..].starts_with(|next: char| next.is_ascii_digit());
        let len = match is_sign || letter.is_ascii_digit() {
            true => 1 + rest[1..].find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(rest.len() - 1),
            false => letter.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        let is_masked =
            token.len() > 1 && token.contains('.') || after.starts_with(" steps/s") || after.starts_with("s left");
        masked += if is_masked && token.ends_with(|last: char| last.is_ascii_digit()) { "#" } else { token };
        rest = after;
    }
    masked
}

#[test]
fn plain_progress() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), small(&[]));
    check("plain-progress", &masked(&format!("{}\n{}", text(&output.stderr), success(&output))));
}

/// Replaces the numbers for which `is_masked`.
fn mask(value: &mut Value, is_masked: impl Fn(&Value) -> bool + Copy) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| mask(value, is_masked)),
        Value::Object(values) => values.values_mut().for_each(|value| mask(value, is_masked)),
        number if is_masked(number) => *number = "#".into(),
        _ => {}
    }
}

#[track_caller]
fn check_json(folder: &Path, name: &str, arguments: &[&str], is_masked: impl Fn(&Value) -> bool + Copy) {
    let mut printed = json(&burn_pg(folder, arguments));
    mask(&mut printed, is_masked);
    check(name, &format!("{printed:#}"));
}

#[test]
fn json_output() {
    let folder = folder();
    let path = folder.path();
    let train = small(&["--out", "other", "--quiet", "--json"]);
    let train: Vec<&str> = train.iter().map(String::as_str).collect();
    let of_machine = |value: &Value| value.as_str().is_some_and(|text| text.contains("logical cores"));
    check_json(path, "json-train", &train, |value| value.is_f64() || of_machine(value));
    check_json(path, "json-eval", &["eval", "run", "--episodes", "2", "--json"], Value::is_f64);
    let bench =
        ["bench", "train", "--total-steps", "1024", "--device", "flex", "--threads", "1", "--repeat", "1", "--json"];
    check_json(path, "json-bench", &bench, Value::is_f64);
    check_json(path, "json-envs", &["envs", "--json"], |_| false);
    // How much memory is available is known on Linux only.
    if cfg!(target_os = "linux") {
        let plan = ["plan", "CartPole-v1", "--preset", "ppo-cleanrl", "--device", "flex", "--threads", "1", "--json"];
        check_json(path, "json-plan", &plan, Value::is_number);
    }
}
