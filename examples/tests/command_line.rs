//! Tests of lesson 10. The lesson is a program, so this test has no harness: it starts itself as that program.

use std::{
    env, fs,
    path::Path,
    process::{Command, ExitCode, Output},
};

use burn_pg::envs::classic::CartPole;

#[path = "../10_command_line.rs"]
mod lesson;

/// The environment variable that names the program to run instead of the tests.
const PROGRAM: &str = "PROGRAM_OF_LESSON_10";

fn main() -> ExitCode {
    match env::var(PROGRAM).as_deref() {
        Ok("lesson") => lesson::main(),
        Ok("taken") => burn_pg_cli::main_with(|registry| registry.add(CartPole::default)),
        Ok(_) => burn_pg_cli::main_with(|_| Ok(())),
        Err(_) => {
            lesson_10_trains_evaluates_and_lists_its_environment();
            every_command_runs_the_network_of_lesson_10();
            settings_of_a_network_are_refused_by_name();
            version_and_help_name_the_program();
            registering_a_taken_name_ends_the_program();
            ExitCode::SUCCESS
        }
    }
}

fn run(program: &str, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(arguments).current_dir(folder).env(PROGRAM, program).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

/// Returns what lesson 10 prints to stdout.
#[track_caller]
fn lesson(folder: &Path, arguments: &[&str]) -> String {
    let output = run("lesson", folder, arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).into()
}

fn lesson_10_trains_evaluates_and_lists_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let lesson = |arguments: &[&str]| lesson(folder.path(), arguments);
    lesson(&["train", "Coin-v0", "--total-steps", "20000", "--out", "run", "--quiet"]);
    // Random actions would give 5.
    assert!(lesson(&["eval", "run"]).starts_with("Coin-v0: mean return 10.0,"));
    let envs = lesson(&["envs"]);
    assert!(envs.contains("\nCoin-v0 ") && envs.contains("\nCartPole-v1 "), "{envs}");
}

/// Refused by lesson 10 with this message.
#[track_caller]
fn refused(program: &str, folder: &Path, arguments: &[&str], message: &str) {
    let output = run(program, folder, arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
}

const NETWORK: [&str; 5] = ["--set", "network.kind=two-heads", "network.width=8", "num_steps=32", "learning_rate=0.01"];

fn every_command_runs_the_network_of_lesson_10() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let lesson = |arguments: &[&str]| lesson(path, arguments);
    let with_network = |arguments: &[&str]| lesson(&[arguments, &NETWORK].concat());

    let config = with_network(&["config", "Coin-v0"]);
    assert!(config.contains("\nkind = \"two-heads\"  # from: --set\nwidth = 8  # from: --set\n"), "{config}");
    let plan = with_network(&["plan", "Coin-v0"]);
    assert!(plan.contains("without the networks: how much memory the kind `two-heads` takes is not known"), "{plan}");
    let bench = with_network(&["bench", "train", "Coin-v0", "--total-steps", "2000", "--repeat", "1"]);
    assert!(bench.contains(" steps/s; "), "{bench}");

    let whole = with_network(&["train", "Coin-v0", "--total-steps", "20480", "--out", "whole"]);
    assert!(whole.contains("mean return 10.0,"), "{whole}");
    with_network(&["train", "Coin-v0", "--total-steps", "10240", "--out", "run", "--quiet"]);
    lesson(&["train", "--resume", "run", "--total-steps", "20480", "--quiet"]);
    assert!(lesson(&["eval", "run"]).starts_with("Coin-v0: mean return 10.0,"));
    assert!(lesson(&["eval", "run", "--at", "40"]).starts_with("Coin-v0: "));
    for format in ["onnx", "safetensors"] {
        lesson(&["export", "run", "--format", format, "--out", format]);
    }
    // The weights of the run, and no training that changes them.
    let from = ["train", "Coin-v0", "--init-from", "run", "--out", "again", "--quiet", "--total-steps", "256"];
    lesson(&[&from[..], &["--set", "num_steps=32", "learning_rate=1e-12"]].concat());
    let written = fs::read_to_string(path.join("again/config.toml")).unwrap();
    assert!(written.contains("[network]\nkind = \"two-heads\"\nwidth = 8\n"), "{written}");
    assert!(lesson(&["eval", "again"]).starts_with("Coin-v0: mean return 10.0,"));

    let message =
        "`network.kind` is \"two-heads\"; it must be \"mlp\" or \"cnn\" (in run); use the program that trained the run";
    refused("plain", path, &["eval", "run"], message);
    refused("plain", path, &["train", "--resume", "run", "--total-steps", "30000"], message);
}

fn settings_of_a_network_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |set: &[&str], message: &str| {
        refused("lesson", folder.path(), &[&["train", "Coin-v0", "--set"], set].concat(), message);
    };
    refused(
        &["network.kind=two-haeds"],
        "`network.kind` is \"two-haeds\"; it must be \"mlp\", \"cnn\" or \"two-heads\" (--set)",
    );
    let [kind, of_ours] = ["network.kind=two-heads", "network.kind=mlp"];
    refused(&[kind, "network.width=wide"], "`network.width` is \"wide\"; it must be a whole number, 0 or more (--set)");
    refused(&[kind, "network.with=8"], "there is no setting `network.with`; did you mean `network.width`? (--set)");
    refused(&[kind, "hidden_sizes=[8]"], "`network.hidden_sizes` is not read: it is for the networks of burn-pg");
    refused(&[kind, "network.width=0"], "the network cannot be created: it needs vectors");
    refused(&[of_ours, "network.width=8"], "there is no setting `network.width`");
    let in_pendulum = ["train", "Pendulum-v1", "--set", kind];
    self::refused(
        "lesson",
        folder.path(),
        &in_pendulum,
        "the network cannot be created: it needs vectors, discrete actions",
    );
}

fn version_and_help_name_the_program() {
    let name = env::current_exe().unwrap();
    let name = name.file_stem().unwrap().to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lesson = |arguments: &[&str]| lesson(folder.path(), arguments);
    assert!(lesson(&["--version"]).starts_with(&format!("{name} (burn-pg ")));
    assert!(lesson(&["--help"]).contains(&format!("Usage: {name} <COMMAND>")));
    assert!(lesson(&["train", "--help"]).contains(&format!("Usage: {name} train <ENV> [OPTIONS]")));
}

fn registering_a_taken_name_ends_the_program() {
    let folder = tempfile::tempdir().unwrap();
    // The arguments are invalid too, but they are not read.
    let output = run("taken", folder.path(), &["--nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "error: an environment called `CartPole-v1` is registered already\n");
}
