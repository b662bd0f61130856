//! Runs whose directory is removed or replaced while they train.

use std::{fs, ops::ControlFlow, path::Path};

use burn_pg::{
    Config, Error, Trainer, UpdateStats,
    run::{RunDir, Session, Stopped, checkpoint::Checkpoint, directory::RunDirError},
};

use crate::helpers::flex;

/// Trains a run of four updates in `path`, and calls `meanwhile` after update `at`.
fn train(path: &Path, at: u64, meanwhile: impl Fn()) -> Result<(), Box<Stopped>> {
    let device = flex();
    let config = Config::default().with(|config| config.run.total_steps = 4 * 1024).validate().unwrap();
    let mut session = Session::begin(Trainer::of(&config, &device).unwrap(), RunDir::create(path).unwrap()).unwrap();
    session.train(&mut |stats: &UpdateStats| {
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
