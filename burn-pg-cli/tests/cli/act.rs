//! `act` as a service for other programs.

use std::{fs, path::Path};

use serde_json::Value;

use super::{acted, assert_contains, command, success, text, train_small, usage_error};

/// Trains a recurrent agent into `run`.
fn trained(folder: &Path) {
    train_small(folder, "run", &["--set", r#"recurrence={cell="gru",size=4}"#]);
}

#[test]
fn a_bad_line_is_answered_and_leaves_the_recurrent_state() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let (first, second) = ("[0.5, -0.5, 0.1, 0.2]", "[0.25, 0, 0, 0]");
    let good = acted(folder.path(), &[], format!("{first}\n{second}"));
    let good: Vec<&str> = success(&good).lines().collect();
    let long = "[0, ".repeat(10_000);
    let bad: [(&[u8], &str); 4] = [
        (b"[0, 0, NaN, 0]", "NaN is not finite"),
        (b"\xff", "byte 1 is not UTF-8"),
        (b"[0, 0, 0]", "3 numbers, but an observation of CartPole-v1 has 4"),
        (long.as_bytes(), "longer than 4352 bytes"),
    ];
    for (line, reason) in bad {
        let input = [first.as_bytes(), line, second.as_bytes()].join(&b'\n');
        let reason = format!("{reason}; expected a JSON array of 4 numbers, such as [0, 0, 0, 0]");
        let output = acted(folder.path(), &["--keep-going"], &input);
        let lines: Vec<&str> = success(&output).lines().collect();
        assert_eq!([lines[0], lines[2]], good[..]);
        assert_eq!(serde_json::from_str::<Value>(lines[1]).unwrap(), serde_json::json!({ "error": reason, "line": 2 }));

        let output = acted(folder.path(), &[], &input);
        assert_eq!(usage_error(&output), format!("error: line 2: {reason}\n"));
        assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), good[..1]);
    }
}

#[cfg(unix)]
#[test]
fn act_ends_when_its_output_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    // The second line would be an error, but it is never read.
    fs::write(folder.path().join("input"), "[0, 0, 0, 0]\nbad\n").unwrap();
    let input = fs::File::open(folder.path().join("input")).unwrap();
    let output =
        command(folder.path(), ["act", "run", "--device", "flex"]).stdin(input).stdout(writer).output().unwrap();
    assert_eq!(super::stderr(&output), "");
}

#[test]
fn empty_lines_without_end_do_not_keep_act_alive() {
    let folder = tempfile::tempdir().unwrap();
    trained(folder.path());
    fs::write(folder.path().join("input"), "\n".repeat(20_000)).unwrap();
    let input = fs::File::open(folder.path().join("input")).unwrap();
    let output = command(folder.path(), ["act", "run", "--device", "flex"]).stdin(input).output().unwrap();
    assert_contains(usage_error(&output), "line 10001: more than 10000 empty lines in a row");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(folder.path(), ["envs"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "error: stdout cannot be written: No space left on device (os error 28)\n");
}
