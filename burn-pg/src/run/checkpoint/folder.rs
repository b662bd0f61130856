//! A folder of files with a checksum for each, written completely or not at all.
//!
//! The folder also has a file `SHA256SUMS` in the format of the program `sha256sum`, so `sha256sum --check SHA256SUMS`
//! checks the same bytes.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256, digest::Output};

use super::CheckpointError;
use crate::storage::durable::{refuse_other_than_file, sync_folder, with_suffix};

/// The file of checksums.
const SUMS: &str = "SHA256SUMS";

/// True if a folder is a checkpoint.
pub(in crate::run) fn is_checkpoint(folder: &Path) -> bool {
    folder.join(SUMS).exists()
}

/// Suffix of a folder until it is complete.
const UNFINISHED: &str = ".tmp";
/// Suffix of a folder while it is replaced.
const REPLACED: &str = ".old";

/// Writes `files` (names and contents) to the folder `path`, which is replaced if it exists. After a crash, `path` is
/// the new folder, the old one, or absent, but never incomplete. The folder that contains `path` must exist.
pub(super) fn write(path: &Path, files: &[(&str, &[u8])]) -> Result<(), CheckpointError> {
    let (unfinished, replaced) = (with_suffix(path, UNFINISHED), with_suffix(path, REPLACED));
    let write = || {
        remove_if_there(&unfinished)?;
        // The parent is not created: it may have been removed while the run went on.
        fs::create_dir(&unfinished)?;
        let mut sums = String::new();
        for (name, bytes) in files {
            write_durably(&unfinished.join(name), bytes)?;
            sums += &line_of(&Sha256::digest(bytes), name);
        }
        write_durably(&unfinished.join(SUMS), sums.as_bytes())?;
        // Makes the names in the folder durable, too.
        sync_folder(&unfinished.join(SUMS))?;
        if path.exists() {
            remove_if_there(&replaced)?;
            fs::rename(path, &replaced)?;
        }
        fs::rename(&unfinished, path)?;
        sync_folder(path)?;
        remove_if_there(&replaced)
    };
    write().map_err(|source| {
        // The first error is the one to report.
        let _ = fs::remove_dir_all(&unfinished);
        CheckpointError::Write { path: path.into(), source }
    })
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns the line of a file in the file of checksums.
fn line_of(digest: &Output<Sha256>, name: &str) -> String {
    format!("{digest:x}  {name}\n")
}

/// Reads the files `names` of the folder `path`, in that order, and checks that no byte has changed, including those of
/// the checksums. If a crash left no folder `path` while it was replaced, reads the old one.
pub(super) fn read<const N: usize>(path: &Path, names: [&str; N]) -> Result<[Vec<u8>; N], CheckpointError> {
    let replaced = with_suffix(path, REPLACED);
    let path = if !path.exists() && replaced.exists() { &replaced } else { path };
    let damaged = |reason: String| CheckpointError::Damaged { path: path.into(), reason };
    let failed = |name: &str, source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => damaged(format!("{name} is missing")),
        io::ErrorKind::InvalidData => damaged(format!("{name} is not text")),
        _ => CheckpointError::Read { path: path.join(name), source },
    };
    // A larger file is invalid, so its rest need not be read.
    let longest = 1 << 12;
    let sums = open(&path.join(SUMS)).and_then(|file| io::read_to_string(file.take(longest)));
    let sums = sums.map_err(|source| failed(SUMS, source))?;
    let mut expected = String::new();
    for name in names {
        // Checked before anything is kept in memory: a damaged file may have any size.
        let digest = digest_of(&path.join(name)).map_err(|source| failed(name, source))?;
        let line = line_of(&digest, name);
        if !sums.contains(&line) {
            return Err(damaged(format!("{name} does not match its checksum in {SUMS}")));
        }
        expected += &line;
    }
    if sums != expected {
        return Err(damaged(format!("{SUMS} does not list exactly its files")));
    }
    let mut contents = [const { Vec::new() }; N];
    for (content, name) in contents.iter_mut().zip(names) {
        *content = fs::read(path.join(name)).map_err(|source| failed(name, source))?;
    }
    // Another process may have replaced the folder since the checksums were compared.
    let read = contents.iter().zip(names).map(|(content, name)| line_of(&Sha256::digest(content), name));
    if read.collect::<String>() != sums {
        return Err(damaged("it changed while it was read".into()));
    }
    Ok(contents)
}

fn open(path: &Path) -> io::Result<File> {
    refuse_other_than_file(path)?;
    File::open(path)
}

fn digest_of(path: &Path) -> io::Result<Output<Sha256>> {
    let (mut file, mut hasher, mut block) = (open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(len) => hasher.update(&block[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what unfinished writes left of `path`, and restores a folder that was about to be replaced.
pub(super) fn clean(path: &Path) -> io::Result<()> {
    remove_if_there(&with_suffix(path, UNFINISHED))?;
    let replaced = with_suffix(path, REPLACED);
    match path.exists() {
        false if replaced.exists() => fs::rename(replaced, path),
        _ => remove_if_there(&replaced),
    }
}

/// Removes a folder. After a crash, `path` is complete or absent.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    let unfinished = with_suffix(path, UNFINISHED);
    remove_if_there(&unfinished)?;
    match fs::rename(path, &unfinished) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.and_then(|()| remove_if_there(&unfinished)),
    }
}

/// Renames a folder to a name that is never read.
pub(super) fn set_aside(path: &Path) -> io::Result<()> {
    let aside = with_suffix(path, ".damaged");
    remove_if_there(&aside)?;
    fs::rename(path, aside)?;
    sync_folder(path)
}

/// Returns `name` without the suffix of an unfinished or replaced folder.
pub(super) fn base_name(name: &str) -> &str {
    name.strip_suffix(UNFINISHED).or(name.strip_suffix(REPLACED)).unwrap_or(name)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
