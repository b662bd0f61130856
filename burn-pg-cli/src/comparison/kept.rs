//! The last report of this machine, which is kept in the user's folder for caches.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use etcetera::{BaseStrategy, choose_base_strategy};

use super::{conditions::Conditions, report::Report};
use crate::output::replace_file;

/// The variable that names another folder than the user's; empty for none.
const FOLDER: &str = "BURN_PG_CACHE";

fn path() -> Option<PathBuf> {
    let folder = match env::var_os(FOLDER) {
        Some(folder) => Some(folder.into()).filter(|folder: &PathBuf| !folder.as_os_str().is_empty()),
        None => choose_base_strategy().ok().map(|user| user.cache_dir().join("burn-pg")),
    };
    folder.map(|folder| folder.join("devices.json"))
}

/// Keeps a report that compares devices. Returns its path; `None` if it compares none, or nothing is to be kept.
pub fn keep(report: &Report) -> Result<Option<PathBuf>> {
    let Some(path) = path().filter(|_| !report.crossovers.is_empty()) else { return Ok(None) };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    }
    replace_file(&path, &serde_json::to_string_pretty(report)?)?;
    Ok(Some(path))
}

/// Returns the report that was kept, if this version measured it on this machine.
pub fn kept() -> Option<Report> {
    let report: Report = serde_json::from_str(&fs::read_to_string(path()?).ok()?).ok()?;
    let Conditions { version, machine, .. } = Conditions::new(report.conditions.quick, report.conditions.seconds);
    (report.conditions.version == version && report.conditions.machine == machine).then_some(report)
}
