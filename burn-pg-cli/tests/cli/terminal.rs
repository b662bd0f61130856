//! Progress on several kinds of terminals.
#![cfg(target_os = "linux")]

use std::process::Command;

use super::{small, success};

/// Returns everything that a small run writes to a terminal of this type.
fn shown_on(term: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let run = format!("'{}' '{}'", env!("CARGO_BIN_EXE_burn-pg"), small(&[]).join("' '"));
    // `script` runs a command on a new terminal.
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &run, "/dev/null"]).env("TERM", term).current_dir(&folder);
    success(&script.output().unwrap()).into()
}

#[test]
fn a_terminal_that_cannot_redraw_shows_plain_lines() {
    let shown = shown_on("dumb");
    assert_eq!(shown.matches("64/64 steps, ").count(), 1, "{shown}");
    assert!(!shown.contains('\x1b'), "{shown}");
}

#[test]
fn a_terminal_that_can_redraw_shows_a_bar() {
    let shown = shown_on("xterm");
    assert!(shown.contains("64/64: ") && shown.contains('\x1b'), "{shown}");
    assert!(!shown.contains("64/64 steps, "), "{shown}");
}
