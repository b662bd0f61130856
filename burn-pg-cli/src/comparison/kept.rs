//! The last report of this machine, which is kept in the user's folder for caches.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};
use etcetera::{BaseStrategy, choose_base_strategy};

use super::{conditions::Conditions, report::Report};
use crate::{output::replace_file, tell::tell};

/// The variable that names another folder than the user's; empty for none.
const FOLDER: &str = "BURN_PG_CACHE";

fn path() -> Option<PathBuf> {
    let folder = match env::var_os(FOLDER) {
        Some(folder) => Some(folder.into()).filter(|folder: &PathBuf| !folder.as_os_str().is_empty()),
        None => choose_base_strategy().ok().map(|user| user.cache_dir().join("burn-pg")),
    };
    folder.map(|folder| folder.join("devices.json"))
}

/// Keeps a report in which a GPU was compared with the CPU, unless it is a quick one and there is a full one. Returns its path, if
/// it was kept.
pub fn keep(report: &Report) -> Result<Option<PathBuf>> {
    let Some(path) = path().filter(|_| report.compares_gpus()) else { return Ok(None) };
    if report.conditions.quick && kept().is_some_and(|kept| !kept.conditions.quick) {
        return Ok(None);
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be created", folder.display()))?;
    }
    replace_file(&path, &serde_json::to_string_pretty(report)?)?;
    Ok(Some(path))
}

/// Returns the report that was kept, if this version measured it on this machine.
pub fn kept() -> Option<Report> {
    let path = path()?;
    let report: Report = match serde_json::from_str(&fs::read_to_string(&path).ok()?) {
        Ok(report) => report,
        Err(error) => {
            tell(format_args!("warning: {} is damaged and not used ({error})", path.display()));
            return None;
        }
    };
    let Conditions { version, machine, .. } = Conditions::new(report.conditions.quick, report.conditions.seconds);
    (report.conditions.version == version && report.conditions.machine == machine).then_some(report)
}

#[cfg(test)]
mod tests {
    use burn_pg::device::{Adapter, AdapterKind, Backend};

    use super::*;
    use crate::comparison::{Figure, Kind, Measured, Outcome, Rounds, Size};

    #[test]
    fn only_reports_that_compare_a_gpu_with_the_cpu_are_kept() {
        let device = |backend: Backend, kind: AdapterKind| {
            let outcome = Outcome::Measured(Rounds::of(vec![1.0]));
            let size = Some(Size { envs: 8, width: 64 });
            let figure = Figure { kind: Kind::Training, name: "8".into(), size, unit: "steps/s".into(), outcome };
            let adapter = Some(Adapter { name: "A".into(), kind });
            Measured { adapter, figures: vec![figure], ..Measured::new(backend, 0) }
        };
        let compares = |other: Measured| {
            let mut report = Report::new(Conditions::new(true, 1), "2026-11-28".into());
            report.insert(device(Backend::Flex, AdapterKind::Cpu));
            report.insert(other);
            report.compares_gpus()
        };
        assert!(compares(device(Backend::Wgpu, AdapterKind::Gpu)));
        assert!(!compares(device(Backend::Wgpu, AdapterKind::Software)));
        assert!(!compares(device(Backend::NdArray, AdapterKind::Cpu)));
        let failed = Measured { failure: Some("lost".into()), ..device(Backend::Wgpu, AdapterKind::Gpu) };
        assert!(!compares(failed));
    }
}
