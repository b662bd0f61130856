//! Runs whose directory is removed or replaced while they train.

use std::{fs, ops::ControlFlow, path::Path};

use burn_pg::{
    Config, Error, Trainer, UpdateStats,
    policy::ActorCritic,
    run::{RunDir, Session, Stopped, checkpoint::Checkpoint, directory::RunDirError},
};

use crate::helpers::flex;

fn session(path: &Path) -> Session<ActorCritic> {
    let config = Config::default().with(|config| config.run.total_steps = 4 * 1024).validate().unwrap();
    Session::begin(Trainer::of(&config, &flex()).unwrap(), RunDir::create(path).unwrap()).unwrap()
}

/// Trains a run of four updates in `path`, and calls `meanwhile` after update `at`.
fn train(path: &Path, at: u64, meanwhile: impl Fn()) -> Result<(), Box<Stopped>> {
    session(path).train(&mut |stats: &UpdateStats| {
        if stats.update == at {
            meanwhile();
        }
        ControlFlow::Continue(())
    })
}

#[test]
fn a_run_ends_at_its_next_write_if_its_directory_was_removed() {
    for at in [1, 2, 4] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run");
        let stopped = train(&path, at, || fs::remove_dir_all(&path).unwrap()).unwrap_err();
        let named = |error: &Error| matches!(error, Error::RunDir(RunDirError::Gone(gone)) if *gone == path);
        assert!(named(&stopped.error), "{at}: {stopped}");
        assert!(named(&stopped.policy.unwrap_err()), "{at}");
        assert!(!path.exists(), "{at}");
    }
}

#[test]
fn no_summary_is_written_into_a_directory_that_was_emptied_and_lost_settings_are_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut session = session(&path);
    session.train(&mut |_: &UpdateStats| ControlFlow::Continue(())).unwrap();
    fs::remove_file(path.join("config.toml")).unwrap();
    session.write_summary(&serde_json::json!({})).unwrap();
    assert!(RunDir::open(&path).config().is_ok() && path.join("summary.json").exists());
    for name in ["summary.json", "metrics.jsonl"] {
        fs::remove_file(path.join(name)).unwrap();
    }
    let error = session.write_summary(&serde_json::json!({})).unwrap_err();
    assert!(matches!(&error, Error::RunDir(RunDirError::Gone(_))), "{error}");
    assert!(!path.join("summary.json").exists());
}

#[test]
fn a_run_writes_nothing_into_a_directory_that_replaced_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let stopped = train(&path, 4, || {
        fs::rename(&path, folder.path().join("moved")).unwrap();
        train(&path, 9, || ()).unwrap();
    });
    let stopped = stopped.unwrap_err();
    let metrics = path.join("metrics.jsonl");
    assert!(matches!(&stopped.error, Error::RunDir(RunDirError::Gone(gone)) if *gone == metrics), "{stopped}");
    assert!(RunDir::open(&path).policy_path().exists());
}

#[test]
fn writing_a_checkpoint_does_not_create_its_parent_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    train(&path, 0, || ()).unwrap();
    let checkpoints = RunDir::open(&path).checkpoints();
    let checkpoint = Checkpoint::read(&checkpoints.path_of(4)).unwrap();
    fs::remove_dir_all(&path).unwrap();
    assert!(checkpoints.save(&checkpoint).is_err());
    assert!(!path.exists());
}
