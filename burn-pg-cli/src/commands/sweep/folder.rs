//! The folder of a sweep.
//!
//! | file | content |
//! | --- | --- |
//! | `sweep.toml` | a copy of the sweep file |
//! | `plan.json` | what it resolves to; the folder is continued only with the same plan |
//! | `trial-1/seed0/` | the run directory of a run; with successive halving in `rung-1/` and so on |
//! | `trial-1/seed0.log` | what the run printed |
//! | `trial-1/seed0.failed` | why the run failed; without this file it is tried again |
//! | `results.md`, `results.json` | the results |
//! | `.lock` | locked by the process that runs the sweep |

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::plan::{Plan, Trial, difference};
use crate::output::replace_file;

const PLAN: &str = "plan.json";
const LOCK: &str = ".lock";
/// Files that a sweep leaves behind if it is killed at its start.
const BEGINNINGS: [&str; 4] = [LOCK, "sweep.toml", "sweep.toml.unfinished", "plan.json.unfinished"];

/// The folder of a sweep, locked for this process.
pub struct Folder {
    path: PathBuf,
    lock: File,
}

impl Drop for Folder {
    /// Closing the file is not enough: a process that another thread starts at this moment has a copy of it.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Folder {
    /// Begins the sweep in a new or empty folder, or continues the same sweep in its folder. `text` is the sweep file.
    pub fn open(path: &Path, plan: &Plan, text: &str) -> Result<Self> {
        let name = path.display();
        let plan_path = path.join(PLAN);
        if !plan_path.exists() {
            refuse_other_files(path)?;
        }
        fs::create_dir_all(path).with_context(|| format!("{name} cannot be created"))?;
        let folder = Self { path: path.into(), lock: lock(path)? };
        let plan = plan.to_json()?;
        match fs::read_to_string(&plan_path) {
            Ok(earlier) => {
                let earlier = serde_json::from_str(&earlier)
                    .with_context(|| format!("{} is damaged; choose another folder with --out", plan_path.display()))?;
                if let Some((place, now, earlier)) = difference("", &plan, &earlier) {
                    let differs = match now == earlier {
                        true => format!("`{place}` has changed"),
                        false => format!("`{place}` is now {now}, and was {earlier}"),
                    };
                    bail!(
                        "{name} has the runs of another sweep: {differs}; choose another folder with --out, or restore the sweep \
                         file from {}",
                        path.join("sweep.toml").display()
                    );
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                replace_file(&path.join("sweep.toml"), text.trim_end())?;
                replace_file(&plan_path, &format!("{plan:#}"))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", plan_path.display())),
        }
        Ok(folder)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the run directory of a trial with a seed. `rung` counts from 0.
    pub fn run(&self, plan: &Plan, rung: usize, trial: &Trial, seed: u64) -> PathBuf {
        let rung = (plan.rungs.len() > 1).then(|| format!("rung-{}", rung + 1));
        let folder = rung.map_or_else(|| self.path.clone(), |rung| self.path.join(rung));
        let width = plan.trials.len().to_string().len();
        folder.join(format!("trial-{:0width$}", trial.number)).join(format!("seed{seed}"))
    }

    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        replace_file(&self.path.join(name), text.trim_end())
    }
}

/// Refuses a folder that contains something other than a sweep.
fn refuse_other_files(path: &Path) -> Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("{} cannot be read", path.display()))?,
    };
    for entry in entries {
        let name = entry.with_context(|| format!("{} cannot be read", path.display()))?.file_name();
        let is_beginning = BEGINNINGS.iter().any(|known| name == *known);
        if !is_beginning {
            bail!(
                "{} contains {}, and is not the folder of a sweep; choose a new or an empty folder with --out",
                path.display(),
                name.display()
            );
        }
    }
    Ok(())
}

fn lock(path: &Path) -> Result<File> {
    let of_lock = path.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&of_lock);
    let file = file.with_context(|| format!("{} cannot be written", of_lock.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "another sweep is running in {}; wait until it ends, or choose another folder with --out",
                path.display()
            )
        }
        // Some file systems have no locks; the sweep then runs without one.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", of_lock.display()))
        }
    }
}
