//! Pipes, devices and folders in place of input files. Reading one of them might never end.
#![cfg(unix)]

use super::{export::save_state_dict, make_pipe, refused};

#[test]
fn input_that_is_not_a_regular_file_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // No process writes into the pipe.
    make_pipe(path("pipe"));
    let state_dict = path("sb3.safetensors");
    save_state_dict(state_dict.as_ref(), 4, 2);
    for input in [path("pipe"), path("."), "/dev/zero".into()] {
        let message = format!("{input} cannot be read: it is not a regular file");
        refused(&["train", "CartPole-v1", "--config", &input], &[&message]);
        refused(&["env-trace", "CartPole-v1", "--actions", &input], &[&message]);
        let of_import = if input == path(".") { "is a directory; if it is a run" } else { &message };
        refused(&["import", &input, "--env", "CartPole-v1", "--out", "run"], &[of_import]);
        let import = ["import", &state_dict, "--env", "CartPole-v1", "--out", "run"];
        refused(&[&import[..], &["--normalizer", &input]].concat(), &[&message]);
    }
}
