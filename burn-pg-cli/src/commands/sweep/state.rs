//! The state in which an earlier process left a run.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use burn_pg::run::RunDir;
use serde::Deserialize;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(Summary),
    /// Why it failed.
    Failed(String),
}

/// The part of `summary.json` that a sweep reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    env: String,
    seed: u64,
    /// The score of the run.
    pub eval_return_mean: Option<f64>,
    pub env_steps: u64,
    pub train_seconds: f64,
    /// `None` if no time was measured.
    pub steps_per_second: Option<f64>,
}

/// What a sweep finds of a run, and so what it does next.
#[derive(Debug, PartialEq)]
pub enum State {
    /// Nothing was written.
    New,
    /// It is resumed, from its newest checkpoint or from the start.
    Begun,
    Ended(Outcome),
    /// A process trains in it.
    Running,
}

impl State {
    /// Returns the state of a run directory. Removes the directory if all it contains is a file that `train` had not
    /// completed, or the remains of a run that failed before its first checkpoint.
    pub fn of(dir: &Path, env: &str, seed: u64) -> Result<Self> {
        let (failed, summary) = (failed_path(dir), dir.join("summary.json"));
        if let Some(why) = read(&failed)? {
            return Ok(Self::Ended(Outcome::Failed(why.trim_end().into())));
        }
        if is_locked(dir)? {
            return Ok(Self::Running);
        }
        if let Some(text) = read(&summary)? {
            let of_file = || summary.display().to_string();
            let summary: Summary = serde_json::from_str(&text).with_context(of_file)?;
            if summary.env != env || summary.seed != seed {
                bail!(
                    "{}: the run is of {} with seed {}, but {env} with seed {seed} is expected; move it out of the folder",
                    dir.display(),
                    summary.env,
                    summary.seed
                );
            }
            return Ok(Self::Ended(match summary.eval_return_mean {
                Some(_) => Outcome::Done(summary),
                None => Outcome::Failed("the return of its evaluation is not finite".into()),
            }));
        }
        let names = names(dir)?;
        let is_begun = names.iter().any(|name| name == "config.toml" || name == "checkpoints");
        // A run that failed before its first checkpoint has a policy, and cannot be resumed.
        let has_checkpoint = RunDir::open(dir).checkpoints().updates().is_ok_and(|updates| !updates.is_empty());
        let is_lost = is_begun && names.iter().any(|name| name == "policy.safetensors") && !has_checkpoint;
        if is_begun && !is_lost {
            return Ok(Self::Begun);
        }
        let (is_lock, is_unfinished) =
            (|name: &String| name == ".lock", |name: &String| name.starts_with("config.toml.tmp-"));
        if names.iter().all(is_lock) {
            return Ok(Self::New);
        }
        // The log is begun before the run.
        let is_empty = names.iter().all(|name| is_lock(name) || is_unfinished(name));
        let is_ours = log_path(dir).is_file() && (is_empty || is_lost);
        if !is_ours {
            bail!("{} is not empty, and not a run of this sweep; move it out of the folder", dir.display());
        }
        fs::remove_dir_all(dir).with_context(|| format!("{} cannot be removed", dir.display()))?;
        Ok(Self::New)
    }
}

/// Returns the file that says why a run failed.
pub fn failed_path(dir: &Path) -> PathBuf {
    dir.with_added_extension("failed")
}

/// Returns the file of what a run prints.
pub fn log_path(dir: &Path) -> PathBuf {
    dir.with_added_extension("log")
}

/// True if a run has ended, as far as its files tell at a glance.
pub fn has_ended(dir: &Path) -> bool {
    failed_path(dir).exists() || dir.join("summary.json").exists()
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read.map(Some).with_context(|| format!("{} cannot be read", path.display())),
    }
}

/// True if a process trains in a run directory.
fn is_locked(dir: &Path) -> Result<bool> {
    let lock = dir.join(".lock");
    match File::open(&lock) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        opened => {
            let file = opened.with_context(|| format!("{} cannot be read", lock.display()))?;
            let is_locked = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            // Closing the file is not enough: a process that another thread starts at this moment has a copy of it.
            let _ = file.unlock();
            Ok(is_locked)
        }
    }
}

/// Returns the names in a folder; none if it does not exist.
fn names(dir: &Path) -> Result<Vec<String>> {
    let unread = || format!("{} cannot be read", dir.display());
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(unread)?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    entries.map(name).collect::<std::io::Result<_>>().with_context(unread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_run_tell_its_state() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("seed3");
        let state = || State::of(&dir, "CartPole-v1", 3);
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        assert_eq!(state().unwrap(), State::New);
        fs::create_dir(&dir).unwrap();
        write(".lock", "");
        assert_eq!(state().unwrap(), State::New);
        let lock = File::open(dir.join(".lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(state().unwrap(), State::Running);
        drop(lock);
        write("config.toml", "");
        assert_eq!(state().unwrap(), State::Begun);
        // It failed before its first checkpoint.
        write("policy.safetensors", "");
        assert!(state().is_err());
        fs::create_dir_all(dir.join("checkpoints/update-000000007")).unwrap();
        assert_eq!(state().unwrap(), State::Begun);
        let summary = |env: &str, score: &str| {
            let rest = "\"env_steps\": 5, \"train_seconds\": 1, \"steps_per_second\": 5";
            write(
                "summary.json",
                &format!("{{\"env\": \"{env}\", \"seed\": 3, \"eval_return_mean\": {score}, {rest}}}"),
            );
        };
        summary("CartPole-v1", "12.5");
        let State::Ended(Outcome::Done(read)) = state().unwrap() else { panic!("it has ended") };
        assert_eq!(read.eval_return_mean, Some(12.5));
        summary("CartPole-v1", "null");
        let told = State::Ended(Outcome::Failed("the return of its evaluation is not finite".into()));
        assert_eq!(state().unwrap(), told);
        summary("Acrobot-v1", "12.5");
        let error = state().unwrap_err().to_string();
        assert!(error.ends_with("move it out of the folder"), "{error}");
        fs::write(failed_path(&dir), "exit status: 1\n").unwrap();
        assert_eq!(state().unwrap(), State::Ended(Outcome::Failed("exit status: 1".into())));
    }

    #[test]
    fn only_a_folder_that_the_sweep_began_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("seed3");
        let state = || State::of(&dir, "CartPole-v1", 3);
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("config.toml.tmp-17-0"), "half").unwrap();
        assert!(state().is_err() && dir.exists());
        fs::write(log_path(&dir), "").unwrap();
        assert_eq!(state().unwrap(), State::New);
        assert!(!dir.exists());
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("thesis.txt"), "years of work").unwrap();
        let error = state().unwrap_err().to_string();
        assert!(error.contains("not a run of this sweep") && dir.join("thesis.txt").exists(), "{error}");
    }
}
