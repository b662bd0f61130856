//! The folder of checkpoints: which one is the newest or the best, and which ones stay.

use std::fs;

use burn_pg::{
    device::Backend,
    run::checkpoint::{Best, Checkpoint, CheckpointError, Checkpoints},
};

use super::{config, smallest, trainer};

#[test]
fn the_newest_undamaged_checkpoint_is_found_and_the_damaged_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(&folder.path().join("checkpoints"));
    assert!(checkpoints.newest().unwrap().is_none());
    assert!(matches!(checkpoints.load(1), Err(CheckpointError::Missing { update: 1, .. })));
    checkpoints.prepare().unwrap();
    let mut trainer = trainer(&config(""), Backend::Flex);
    for update in 1..=6 {
        trainer.update().unwrap();
        checkpoints.save(&trainer.checkpoint().unwrap()).unwrap();
        let return_mean = [1.0, 7.0, 3.0, 7.0, f64::NEG_INFINITY, f64::NAN][update - 1];
        let best = checkpoints.note(Best { update: update as u64, return_mean });
        assert_eq!(best.unwrap_or_default(), [1, 2, 4].contains(&update), "{update}");
        checkpoints.prune(3).unwrap();
    }
    // The last three stay, and the best; of two equally good ones the later is the best.
    assert_eq!(checkpoints.updates().unwrap(), [4, 5, 6]);
    assert_eq!(checkpoints.best().unwrap(), Some(Best { update: 4, return_mean: 7.0 }));
    checkpoints.prune(1).unwrap();
    assert_eq!(checkpoints.updates().unwrap(), [4, 6]);
    // If `best.json` is damaged, nothing is pruned.
    fs::write(folder.path().join("checkpoints/best.json"), "{").unwrap();
    assert!(matches!(checkpoints.prune(1), Err(CheckpointError::Damaged { .. })));
    assert_eq!(checkpoints.updates().unwrap(), [4, 6]);
    fs::remove_file(folder.path().join("checkpoints/best.json")).unwrap();

    let damage = |update: u64| fs::write(checkpoints.path_of(update).join("state.json"), "{}").unwrap();
    damage(6);
    let (checkpoint, damaged) = checkpoints.newest().unwrap().unwrap();
    assert_eq!((checkpoint.updates(), damaged.len()), (4, 1));
    assert!(
        damaged[0]
            .to_string()
            .contains("update-000000006 is damaged: state.json does not match its checksum in SHA256SUMS")
    );
    damage(4);
    let error = checkpoints.newest().unwrap_err();
    assert!(error.to_string().starts_with("none of the 2 checkpoints in "), "{error}");
    // A checkpoint that cannot be read may be undamaged, so it is an error and not skipped.
    fs::remove_file(checkpoints.path_of(6).join("state.json")).unwrap();
    fs::create_dir(checkpoints.path_of(6).join("state.json")).unwrap();
    assert!(matches!(checkpoints.newest(), Err(CheckpointError::Read { .. })));
}

#[test]
fn going_back_moves_later_checkpoints_aside() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (checkpoints, aside) = (Checkpoints::at(folder.path()), Checkpoints::at(other.path()));
    let mut trainer = trainer(&config(""), Backend::Flex);
    for update in 1..=4 {
        trainer.update().unwrap();
        checkpoints.save(&trainer.checkpoint().unwrap()).unwrap();
        if update == 3 {
            checkpoints.note(Best { update, return_mean: 5.0 }).unwrap();
        }
    }
    let kept = |of: &Checkpoints| (of.updates().unwrap(), of.best().unwrap().map(|best| best.update));
    checkpoints.move_after(3, &aside).unwrap();
    assert_eq!((kept(&checkpoints), kept(&aside)), ((vec![1, 2, 3], Some(3)), (vec![4], None)));
    checkpoints.move_after(2, &aside).unwrap();
    assert_eq!((kept(&checkpoints), kept(&aside)), ((vec![1, 2], None), (vec![3, 4], Some(3))));
    assert_eq!(aside.load(4).unwrap().updates(), 4);
    assert!(!folder.path().join("best.json").exists());
    // A damaged `best.json` is set aside; then pruning works again.
    fs::write(folder.path().join("best.json"), "{").unwrap();
    assert!(checkpoints.prune(2).is_err());
    checkpoints.set_aside_after(2).unwrap();
    assert_eq!(fs::read(folder.path().join("best.json.damaged")).unwrap(), b"{");
    checkpoints.prune(2).unwrap();
    // A crash while going back may leave a best entry without its checkpoint. Any other checkpoint then replaces it.
    let worse = Best { update: 1, return_mean: 1.0 };
    checkpoints.note(Best { update: 2, return_mean: 5.0 }).unwrap();
    assert!(!checkpoints.note(worse).unwrap());
    fs::remove_dir_all(checkpoints.path_of(2)).unwrap();
    assert!(checkpoints.note(worse).unwrap());
    assert_eq!(checkpoints.best().unwrap(), Some(worse));
}

#[test]
fn leftovers_of_a_crash_are_removed_or_restored() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = Checkpoints::at(folder.path());
    let whole = smallest(folder.path());
    fs::rename(&whole, checkpoints.path_of(1)).unwrap();
    // One run was killed while it wrote a checkpoint, another while it replaced an old one.
    fs::create_dir(folder.path().join("update-000000002.tmp")).unwrap();
    fs::write(folder.path().join("update-000000002.tmp/state.json"), "{\"sche").unwrap();
    fs::rename(checkpoints.path_of(1), folder.path().join("update-000000001.old")).unwrap();
    assert_eq!(Checkpoint::read(&checkpoints.path_of(1)).unwrap().updates(), 1);
    checkpoints.prepare().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(checkpoints.newest().unwrap().unwrap().0.updates(), 1);
    // Killed after the new one was in place.
    fs::create_dir(folder.path().join("update-000000001.old")).unwrap();
    checkpoints.prepare().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(checkpoints.newest().unwrap().unwrap().0.updates(), 1);
}
