//! The metrics file of a run.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::RunDirError;
use crate::{
    UpdateStats,
    storage::durable::{copy_beside, is_at, sync_folder},
};

/// `metrics.jsonl`, with one line per update.
#[derive(Debug)]
pub struct MetricsFile {
    file: BufWriter<File>,
    path: PathBuf,
    /// The learning rate in the last line at the time the file was opened.
    learning_rate: Option<f64>,
}

impl MetricsFile {
    /// Opens the file at `path` to append after update `update`; see
    /// [`RunDir::metrics_after`](super::RunDir::metrics_after).
    pub(super) fn open_after(
        path: PathBuf,
        update: u64,
        expected: u64,
    ) -> Result<(Self, Option<MissingLines>), RunDirError> {
        let failed = |source| RunDirError::Write { path: path.clone(), source };
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        // Keep everything up to the largest update that is at most `update`. The rest is later, or not a valid line.
        let (mut updates, mut kept, mut learning_rate) = (BTreeSet::new(), 0, None);
        for (line, end) in read_lines(&path, &file) {
            match line {
                Ok(stats) if stats.update <= update => {
                    if updates.last().is_none_or(|&largest| stats.update >= largest) {
                        (kept, learning_rate) = (end, Some(stats.learning_rate));
                    }
                    updates.insert(stats.update);
                }
                Ok(_) | Err(RunDirError::Metrics { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let found = updates.len() as u64;
        let is_cut = kept < file.metadata().map_err(failed)?.len();
        let mut missing = None;
        if found < expected {
            let copy = is_cut.then(|| copy_beside(&path, "damaged")).transpose().map_err(failed)?;
            missing = Some(MissingLines { found, expected, copy });
        }
        file.set_len(kept).map_err(failed)?;
        // Reading has moved the file position.
        io::Seek::seek(&mut &file, io::SeekFrom::Start(kept)).map_err(failed)?;
        sync_folder(&path).map_err(failed)?;
        Ok((Self { file: BufWriter::new(file), path, learning_rate }, missing))
    }

    /// Returns the learning rate of the update that the file was opened after, if it has a line.
    pub(in crate::run) fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    /// Appends a line and flushes it to the operating system, so that readers see whole lines.
    ///
    /// # Errors
    /// [`RunDirError::Write`]; [`RunDirError::Gone`] as [`check_in_place`](Self::check_in_place).
    pub fn write(&mut self, stats: &UpdateStats) -> Result<(), RunDirError> {
        self.check_in_place()?;
        let failed = |source| RunDirError::Write { path: self.path.clone(), source };
        serde_json::to_writer(&mut self.file, stats).map_err(|error| failed(error.into()))?;
        self.file.write_all(b"\n").and_then(|()| self.file.flush()).map_err(failed)
    }

    /// Checks that the run directory is still in its place, with this file in it. If the file was removed, lines would
    /// be written to a deleted file. If the directory was replaced, all other files would be written to the
    /// directory of another run.
    ///
    /// # Errors
    /// [`RunDirError::Gone`] with the directory, or with the file if the directory exists; [`RunDirError::Write`].
    pub fn check_in_place(&self) -> Result<(), RunDirError> {
        match is_at(self.file.get_ref(), &self.path) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let missing = self.path.ancestors().take(2).filter(|path| !path.exists()).last();
                Err(RunDirError::Gone(missing.unwrap_or(&self.path).into()))
            }
            Err(source) => Err(RunDirError::Write { path: self.path.clone(), source }),
        }
    }

    /// Makes the lines durable.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn sync(&mut self) -> Result<(), RunDirError> {
        self.file.get_ref().sync_data().map_err(|source| RunDirError::Write { path: self.path.clone(), source })
    }
}

/// Lines that are missing in `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingLines {
    /// Number of updates with a valid line, up to the update that the run resumes after.
    pub found: u64,
    /// Number of updates that should have a line.
    pub expected: u64,
    /// A copy of the original file, if anything was removed from it.
    pub copy: Option<PathBuf>,
}

impl fmt::Display for MissingLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metrics.jsonl has {} valid lines up to the checkpoint, not {}", self.found, self.expected)?;
        match &self.copy {
            None => Ok(()),
            Some(copy) => write!(f, "; the original is kept in {}", copy.display()),
        }
    }
}

/// Reads `metrics.jsonl`. An incomplete last line is ignored.
///
/// # Errors
/// [`RunDirError::Read`], or [`RunDirError::Metrics`] for the first invalid line.
pub fn read_metrics(path: &Path) -> Result<Vec<UpdateStats>, RunDirError> {
    let file = File::open(path).map_err(|source| RunDirError::Read { path: path.into(), source })?;
    read_lines(path, &file).map(|(line, _)| line).collect()
}

/// Reads `metrics.jsonl` line by line up to the first one for which `is_it`, and returns that one; `None` if there is none.
///
/// # Errors
/// As [`read_metrics`].
pub fn find_metrics(
    path: &Path,
    mut is_it: impl FnMut(&UpdateStats) -> bool,
) -> Result<Option<UpdateStats>, RunDirError> {
    let file = File::open(path).map_err(|source| RunDirError::Read { path: path.into(), source })?;
    for (line, _) in read_lines(path, &file) {
        let stats = line?;
        if is_it(&stats) {
            return Ok(Some(stats));
        }
    }
    Ok(None)
}

/// Returns the valid lines of a metrics file; none if it cannot be read.
pub(in crate::run) fn valid_metrics(path: &Path) -> Vec<UpdateStats> {
    let Ok(file) = File::open(path) else { return Vec::new() };
    read_lines(path, &file).filter_map(|(line, _)| line.ok()).collect()
}

/// Returns the complete lines of a metrics file, each with the length of the file up to the end of the line.
fn read_lines<'a>(
    path: &'a Path,
    file: &'a File,
) -> impl Iterator<Item = (Result<UpdateStats, RunDirError>, u64)> + use<'a> {
    let (mut reader, mut text, mut end, mut number) = (BufReader::new(file), Vec::new(), 0, 0);
    std::iter::from_fn(move || {
        text.clear();
        match reader.read_until(b'\n', &mut text) {
            Err(source) => return Some((Err(RunDirError::Read { path: path.into(), source }), end)),
            Ok(_) if text.last() != Some(&b'\n') => return None,
            Ok(len) => end += len as u64,
        }
        number += 1;
        let stats = serde_json::from_slice(&text).map_err(|error| {
            let reason = error.to_string();
            RunDirError::Metrics { path: path.into(), line: number, reason }
        });
        Some((stats, end))
    })
}
