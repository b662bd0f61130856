//! The directory of a run: what it was told, what it measured, what it learned.
//!
//! | file | content |
//! | --- | --- |
//! | `config.toml` | every setting, resolved: enough to run again |
//! | `metrics.jsonl` | one [`UpdateStats`] a line |
//! | `policy.safetensors` | the trained networks |
//! | `normalizer.json` | what observations are normalised with, if they are |
//! | `summary.json` | the outcome |
//! | `checkpoints/` | [checkpoints](crate::checkpoint), to go on from |
//! | `.lock` | locked by the process that trains |

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use burn_pg_envs::wrapper::ObservationNormalizer;

use crate::{
    UpdateStats,
    checkpoint::Checkpoints,
    config::{Config, ConfigError},
    durable::{clear_away_leftovers, sync_folder, write_atomically},
};

/// Why a run directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunDirError {
    /// There is something in it already. Nothing was touched.
    #[error("{} is already used; choose a folder that is empty or does not exist", .0.display())]
    Used(PathBuf),
    /// Another process trains in it. Nothing was touched.
    #[error("another process is training in {}", .0.display())]
    Locked(PathBuf),
    /// A line of `metrics.jsonl` is not one.
    #[error("line {line} of {} is not valid: {reason}", .path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be made or written to.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// The directory or file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// A file of it cannot be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// Its `config.toml` is not TOML.
    #[error("{} is not valid TOML: {reason}", .path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// Its `normalizer.json` is not one.
    #[error("{} is not a normaliser: {reason}", .path.display())]
    Normalizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Its `config.toml` holds a setting that is refused.
    #[error("{} cannot be used", .path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConfigError,
    },
}

/// Locked by the process that trains.
const LOCK: &str = ".lock";

/// The directory of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Takes `path` for a new run. It must not exist, or be an empty folder, or one in which no run has begun: there is nothing but a
    /// lock that nobody [holds](Self::lock).
    ///
    /// # Errors
    /// [`RunDirError::Used`] or [`RunDirError::Write`].
    pub fn create(path: &Path) -> Result<Self, RunDirError> {
        let failed = |source| RunDirError::Write { path: path.into(), source };
        fs::create_dir_all(path).map_err(failed)?;
        let entries: io::Result<Vec<_>> = fs::read_dir(path).map_err(failed)?.collect();
        // A process that was killed before it had written anything leaves its lock, which nobody holds.
        let abandoned =
            |name: &OsString| name == LOCK && File::open(path.join(LOCK)).is_ok_and(|f| f.try_lock().is_ok());
        let names: Vec<OsString> = entries.map_err(failed)?.into_iter().map(|entry| entry.file_name()).collect();
        match &names[..] {
            [] => {}
            [name] if abandoned(name) => fs::remove_file(path.join(LOCK)).map_err(failed)?,
            _ => return Err(RunDirError::Used(path.into())),
        }
        // Taken now, so that two processes never share it, and a folder that lets nobody write is found out before
        // training.
        match File::create_new(path.join(LOCK)) {
            Ok(_) => sync_folder(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(RunDirError::Used(path.into())),
            Err(source) => return Err(failed(source)),
        }
        Ok(Self { path: path.into() })
    }

    /// Takes a new folder within `parent`, called `name`, or `name-2`, `name-3` and so on if those exist.
    ///
    /// # Errors
    /// [`RunDirError::Write`], or [`RunDirError::Used`] if something is put into the folder at the same moment.
    pub fn create_numbered(parent: &Path, name: &str) -> Result<Self, RunDirError> {
        let failed = |path: &Path, source| RunDirError::Write { path: path.into(), source };
        fs::create_dir_all(parent).map_err(|source| failed(parent, source))?;
        let mut number = 1;
        loop {
            let path = match number {
                1 => parent.join(name),
                _ => parent.join(format!("{name}-{number}")),
            };
            // Only one process can make it, so two runs never share one.
            match fs::create_dir(&path) {
                Ok(()) => return Self::create(&path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(source) => return Err(failed(&path, source)),
            }
        }
    }

    /// An existing run. Its files are looked at when they are asked for.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Locks it for this process, for as long as what comes back lives. The operating system unlocks it if the process dies.
    ///
    /// # Errors
    /// [`RunDirError::Locked`] or [`RunDirError::Write`].
    pub fn lock(&self) -> Result<RunLock, RunDirError> {
        let path = self.path.join(LOCK);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|source| RunDirError::Write { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => {
                for name in ["config.toml", "policy.safetensors", "normalizer.json", "summary.json"] {
                    let cleared = clear_away_leftovers(&self.path.join(name));
                    cleared.map_err(|source| RunDirError::Write { path: self.path.clone(), source })?;
                }
                Ok(RunLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => Err(RunDirError::Locked(self.path.clone())),
            // Some file systems have no locks, and then nothing is to be had from them.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                Ok(RunLock { _file: file })
            }
            Err(TryLockError::Error(source)) => Err(RunDirError::Write { path, source }),
        }
    }

    /// Its checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::at(&self.path.join("checkpoints"))
    }

    /// The file of the trained networks.
    #[must_use]
    pub fn policy_path(&self) -> PathBuf {
        self.path.join("policy.safetensors")
    }

    /// Writes the resolved settings.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_config(&self, config: &Config) -> Result<(), RunDirError> {
        self.write("config.toml", config.to_toml().as_bytes())
    }

    /// Writes what observations are normalised with.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_normalizer(&self, normalizer: &ObservationNormalizer) -> Result<(), RunDirError> {
        let text = serde_json::to_string(normalizer)
            .map_err(|error| RunDirError::Write { path: self.path.join("normalizer.json"), source: error.into() })?;
        self.write("normalizer.json", text.as_bytes())
    }

    /// Reads what observations are normalised with.
    ///
    /// # Errors
    /// [`RunDirError::Read`] or [`RunDirError::Normalizer`].
    pub fn normalizer(&self) -> Result<ObservationNormalizer, RunDirError> {
        let path = self.path.join("normalizer.json");
        let text = fs::read_to_string(&path).map_err(|source| RunDirError::Read { path: path.clone(), source })?;
        serde_json::from_str(&text).map_err(|error| RunDirError::Normalizer { path, reason: error.to_string() })
    }

    /// Writes the outcome.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write_summary(&self, summary: &serde_json::Value) -> Result<(), RunDirError> {
        self.write("summary.json", format!("{summary:#}\n").as_bytes())
    }

    /// Removes what says how the run has ended, the policy and the outcome, for it goes on. Its checkpoints stay.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn forget_the_end(&self) -> Result<(), RunDirError> {
        for name in ["summary.json", "policy.safetensors", "normalizer.json"] {
            let path = self.path.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed.map_err(|source| RunDirError::Write { path, source })?,
            }
        }
        Ok(())
    }

    /// Reads the settings of the run.
    ///
    /// # Errors
    /// [`RunDirError::Read`], [`RunDirError::Toml`] or [`RunDirError::Config`].
    pub fn config(&self) -> Result<Config, RunDirError> {
        let path = self.path.join("config.toml");
        let table = read_config(&path)?;
        if !table.contains_key("env") {
            return Err(RunDirError::Toml { path, reason: "it has no `env`".into() });
        }
        Config::from_table(table).map_err(|source| RunDirError::Config { path, source })
    }

    /// Opens `metrics.jsonl` to go on after update `update`, 0 for a new run: what comes after the last line up to there is
    /// removed. Beside it how many lines up to there are whole; those that are not stay.
    ///
    /// # Errors
    /// [`RunDirError::Read`] or [`RunDirError::Write`].
    pub fn metrics_after(&self, update: u64) -> Result<(MetricsFile, u64), RunDirError> {
        let path = self.path.join("metrics.jsonl");
        let failed = |source| RunDirError::Write { path: path.clone(), source };
        let file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        let (mut kept, mut lines) = (0, 0);
        for (line, end) in read_lines(&path, &file) {
            match line {
                Ok(stats) if stats.update <= update => {
                    kept = end;
                    lines += 1;
                }
                Ok(_) => break,
                Err(RunDirError::Metrics { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        file.set_len(kept).map_err(failed)?;
        // Positions of clones are one.
        io::Seek::seek(&mut &file, io::SeekFrom::Start(kept)).map_err(failed)?;
        sync_folder(&path).map_err(failed)?;
        Ok((MetricsFile { file: BufWriter::new(file), path }, lines))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
        let path = self.path.join(name);
        write_atomically(&path, bytes).map_err(|source| RunDirError::Write { path, source })
    }
}

/// Reads a file of settings without looking at the keys.
///
/// # Errors
/// [`RunDirError::Read`] or [`RunDirError::Toml`].
pub fn read_config(path: &Path) -> Result<toml::Table, RunDirError> {
    let text = fs::read_to_string(path).map_err(|source| RunDirError::Read { path: path.into(), source })?;
    text.parse().map_err(|error: toml::de::Error| RunDirError::Toml { path: path.into(), reason: error.to_string() })
}

/// Keeps a run directory to one process, until it is dropped.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

/// Reads `metrics.jsonl`, or what there is of it: a last line that is cut off is left out.
///
/// # Errors
/// [`RunDirError::Read`], or [`RunDirError::Metrics`] for the first line that is not one.
pub fn read_metrics(path: &Path) -> Result<Vec<UpdateStats>, RunDirError> {
    let file = File::open(path).map_err(|source| RunDirError::Read { path: path.into(), source })?;
    read_lines(path, &file).map(|(line, _)| line).collect()
}

/// The whole lines of a metrics file, each with the length of the file up to its end.
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

/// `metrics.jsonl`, one line an update.
#[derive(Debug)]
pub struct MetricsFile {
    file: BufWriter<File>,
    path: PathBuf,
}

impl MetricsFile {
    /// Adds a line, and hands it to the operating system: a reader sees whole lines.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn write(&mut self, stats: &UpdateStats) -> Result<(), RunDirError> {
        let failed = |source| RunDirError::Write { path: self.path.clone(), source };
        serde_json::to_writer(&mut self.file, stats).map_err(|error| failed(error.into()))?;
        self.file.write_all(b"\n").and_then(|()| self.file.flush()).map_err(failed)
    }

    /// Makes the lines durable.
    ///
    /// # Errors
    /// [`RunDirError::Write`].
    pub fn sync(&mut self) -> Result<(), RunDirError> {
        let failed = |source| RunDirError::Write { path: self.path.clone(), source };
        self.file.get_ref().sync_data().map_err(failed)
    }
}
