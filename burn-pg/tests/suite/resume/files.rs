//! Files of a checkpoint that are damaged, changed, or of another version.

use std::{fs, path::Path};

use burn_pg::{
    device::Backend,
    run::checkpoint::{Checkpoint, CheckpointError},
};
use sha2::{Digest, Sha256};

use super::{smallest, trainer};

#[test]
fn a_checkpoint_with_any_byte_changed_or_any_file_cut_off_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    Checkpoint::read(&path).unwrap();
    let mut flipped = 0;
    for file in Checkpoint::FILES.into_iter().chain(["SHA256SUMS"]) {
        let file = path.join(file);
        let whole = fs::read(&file).unwrap();
        let refused = |bytes: &[u8], what: &str| {
            fs::write(&file, bytes).unwrap();
            let error = Checkpoint::read(&path).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{} {what}: {error}", file.display());
        };
        for i in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[i] ^= 1 << (i % 8);
            refused(&bytes, &format!("byte {i}"));
            flipped += 1;
        }
        for len in (0..whole.len()).step_by(7) {
            refused(&whole[..len], &format!("length {len}"));
        }
        refused(&[&whole[..], b"\n"].concat(), "one byte more");
        fs::remove_file(&file).unwrap();
        let error = Checkpoint::read(&path).unwrap_err().to_string();
        assert!(error.contains(" is missing"), "{error}");
        fs::write(&file, &whole).unwrap();
        Checkpoint::read(&path).unwrap();
    }
    assert!(flipped > 2_000, "{flipped}");
}

/// Changes a file of a checkpoint and writes valid checksums.
fn rewrite(path: &Path, name: &str, change: impl Fn(&str) -> String) {
    let text = change(&fs::read_to_string(path.join(name)).unwrap());
    fs::write(path.join(name), &text).unwrap();
    let sums = Checkpoint::FILES.map(|name| {
        let digest = Sha256::digest(fs::read(path.join(name)).unwrap());
        let hex = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        format!("{hex}  {name}\n")
    });
    fs::write(path.join("SHA256SUMS"), sums.concat()).unwrap();
}

#[test]
fn checkpoints_of_other_versions_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    let error_after = |change: &dyn Fn(&str) -> String| {
        rewrite(&path, "state.json", change);
        Checkpoint::read(&path).unwrap_err()
    };
    let newer =
        error_after(&|text| text.replacen("\"schema\":4", "\"schema\":5", 1).replacen("\"0.1.0\"", "\"9.8.7\"", 1));
    assert!(matches!(newer, CheckpointError::Newer { schema: 5, newest: 4, .. }), "{newer}");
    assert!(newer.to_string().contains("has schema 5 (of version 9.8.7), and this version knows schemas up to 4"));
    // Its other content is not read.
    let newer = error_after(&|_| "{\"schema\":5,\"version\":\"9.9\",\"of\":[\"the future\"]}".into());
    assert!(matches!(newer, CheckpointError::Newer { schema: 5, .. }), "{newer}");
    let older = error_after(&|_| "{\"schema\":0,\"version\":\"0.0.1\"}".into());
    assert!(matches!(older, CheckpointError::Older { schema: 0, .. }), "{older}");
    // The first schema had fewer files.
    fs::remove_file(path.join("source.json")).unwrap();
    fs::write(path.join("state.json"), "{\"schema\":1,\"version\":\"0.1.0\",\"run\":{}}").unwrap();
    let older = Checkpoint::read(&path).unwrap_err();
    assert!(
        older.to_string().contains("has schema 1 (of version 0.1.0), which this version no longer reads"),
        "{older}"
    );
    let path = smallest(folder.path());
    let error_after = |change: &dyn Fn(&str) -> String| {
        rewrite(&path, "state.json", change);
        Checkpoint::read(&path).unwrap_err()
    };
    let damaged = error_after(&|_| "[".repeat(100_000));
    assert!(matches!(damaged, CheckpointError::Damaged { .. }), "{damaged}");
}

#[test]
fn impossible_counters_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = smallest(folder.path());
    let config = Checkpoint::read(&path).unwrap().config().clone().validate().unwrap();
    let files = ["state.json", "source.json", "update.json"];
    let texts = files.map(|file| fs::read_to_string(path.join(file)).unwrap());
    let mut refused = 0;
    for (file, whole) in files.iter().zip(&texts) {
        for (start, _) in whole.match_indices(|letter: char| letter.is_ascii_digit()) {
            if whole.as_bytes()[start - 1] != b':' {
                continue;
            }
            let len = whole[start..].find(|letter: char| !letter.is_ascii_digit()).unwrap();
            for number in [u64::MAX, u64::from(u32::MAX), u64::MAX / 2] {
                rewrite(&path, file, |_| format!("{}{number}{}", &whole[..start], &whole[start + len..]));
                let Ok(checkpoint) = Checkpoint::read(&path) else {
                    refused += 1;
                    continue;
                };
                let mut trainer = trainer(&config, Backend::Flex);
                if trainer.restore(checkpoint).is_err() {
                    refused += 1;
                } else if !trainer.is_over() {
                    // It may fail, but must not panic, also with overflow checks.
                    let _ = trainer.update();
                }
            }
        }
        rewrite(&path, file, |_| whole.clone());
    }
    assert!(refused > 10, "{refused}");

    // The environment steps of the source must equal those of the run.
    rewrite(&path, "source.json", |whole| whole.replacen("\"env_steps\":", "\"env_steps\":1", 1));
    let refusal = trainer(&config, Backend::Flex).restore(Checkpoint::read(&path).unwrap()).unwrap_err();
    assert!(refusal.to_string().contains("environment steps"), "{refusal}");
}
