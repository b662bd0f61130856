//! Tests of lesson 10. The lesson is a program, so this test has no harness: it starts itself as that program.

use std::{
    env,
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
        Ok(_) => burn_pg_cli::main_with(|registry| registry.add(CartPole::default)),
        Err(_) => {
            lesson_10_trains_evaluates_and_lists_its_environment();
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
