//! Writing files that are either whole or not there.
//!
//! By hand: the files of the crate `tempfile` are readable by their owner alone, and what a killed process leaves of them has names
//! that cannot be told from those of somebody else's.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes `bytes` to `path` through a temporary file in the same folder: after a crash the file holds either what it
/// held before or all of `bytes`.
///
/// # Errors
/// Whatever the file system answers; the temporary file is removed then.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
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

/// Refuses what is there and is no file: it could not be replaced, and whoever opens a pipe waits for its other end.
///
/// # Errors
/// That it is no file.
pub(crate) fn refuse_other_than_file(path: &Path) -> io::Result<()> {
    // A link that leads nowhere is there, too.
    match path.symlink_metadata().is_ok() && !path.is_file() {
        true => Err(io::Error::other("it is not a regular file")),
        false => Ok(()),
    }
}

/// Could `path` be written? Its folder lets files be made and removed.
///
/// # Errors
/// Whatever the file system answers.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    let (_, temporary) = create_beside(path)?;
    fs::remove_file(temporary)
}

/// A new file in the folder of `path`, with a name that nothing has there.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let process = std::process::id();
    for number in 0_u32.. {
        let mut name = OsString::from(path);
        name.push(format!("{TEMPORARY}{process}-{number}"));
        match File::create_new(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (file, name.into())),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// What comes between the name of a file and the numbers of a process that writes it.
const TEMPORARY: &str = ".tmp-";

/// Removes what processes that were killed have left of `path`.
pub(crate) fn clear_away_leftovers(path: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    for entry in fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })? {
        let entry = entry?;
        let numbers = |rest: &str| rest.chars().all(|letter| letter.is_ascii_digit() || letter == '-');
        let left = |entry: &str| entry.strip_prefix(name)?.strip_prefix(TEMPORARY).map(numbers);
        if entry.file_name().to_str().and_then(left) == Some(true) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Makes the name of `path` durable. Windows has no such call, and does it by itself.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let here = folder.as_os_str().is_empty();
            File::open(if here { Path::new(".") } else { folder })?.sync_all()
        }
        _ => Ok(()),
    }
}
