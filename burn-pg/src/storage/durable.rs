//! Files that are written completely or not at all.
//!
//! The crate `tempfile` is not used: only the owner can read its files, and the names of files that a killed process
//! leaves behind look like those of other programs.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes `bytes` to `path` through a temporary file in the same folder. After a crash the file has either its old
/// content or all of `bytes`.
///
/// # Errors
/// Any error of the file system; the temporary file is then removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, temporary) = create_beside(path)?;
    let mut write = || {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_folder(path)
    };
    write().inspect_err(|_| {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    })
}

/// Refuses a path that exists and is not a regular file: a folder cannot be replaced, and opening a pipe waits for its
/// other end.
///
/// # Errors
/// If `path` exists and is not a regular file.
pub fn refuse_other_than_file(path: &Path) -> io::Result<()> {
    // A broken link also counts as existing.
    match path.symlink_metadata().is_ok() && !path.is_file() {
        true => Err(io::Error::other("it is not a regular file")),
        false => Ok(()),
    }
}

/// True if the open file `file` is still at `path`. Outside Unix, true if any file is at `path`.
///
/// # Errors
/// Any error of the file system, except if `path` does not exist.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        found => Ok(is_same(&file.metadata()?, &found?)),
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// Checks that `path` can be written: that files can be created and removed in its folder.
///
/// # Errors
/// Any error of the file system.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    let (_, temporary) = create_beside(path)?;
    fs::remove_file(temporary)
}

/// Copies a file to a new file in the same folder: `metrics.jsonl.damaged` for the suffix `damaged`, or
/// `metrics.jsonl.damaged-2` and so on if that exists.
pub(crate) fn copy_beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let name = if number == 1 { format!(".{suffix}") } else { format!(".{suffix}-{number}") };
        let name = with_suffix(path, &name);
        match File::create_new(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
            Ok(mut copy) => {
                io::copy(&mut File::open(path)?, &mut copy)?;
                copy.sync_all()?;
                return Ok(name);
            }
        }
    }
}

/// Creates a file with an unused name in the folder of `path`.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let process = std::process::id();
    for number in 0_u32.. {
        let temporary = with_suffix(path, &format!("{TEMPORARY}{process}-{number}"));
        match File::create_new(&temporary) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (file, temporary)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Returns the path of a file or folder in the same folder as `path`, whose name has `suffix` added.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_path_buf();
    path.as_mut_os_string().push(suffix);
    path
}

/// Separates the name of a file from the process id and counter in the name of a temporary file.
const TEMPORARY: &str = ".tmp-";

/// Removes temporary files of `path` that killed processes left behind.
pub(crate) fn clear_away_leftovers(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    for entry in fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        let entry = entry?;
        let is_id_and_counter = |rest: &str| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
        let is_leftover = |entry: &str| entry.strip_prefix(name)?.strip_prefix(TEMPORARY).map(is_id_and_counter);
        if entry.file_name().to_str().and_then(is_leftover) == Some(true) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Syncs the folder of `path`, so that a crash does not lose the name. Windows has no such call and does not need one.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let here = folder.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}
