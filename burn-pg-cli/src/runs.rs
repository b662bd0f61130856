//! What a run directory says about its run.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use burn_pg::{
    Config, UpdateStats,
    config::Algo,
    envs::{self, EnvSpec},
    run::{
        Evaluated,
        directory::{RunDir, read_metrics},
    },
};
use serde_json::Value;
use toml::Table;

use crate::{failure::message, tell::tell};

/// Tables of settings that do not change how a run learns.
const BESIDE_LEARNING: [&str; 4] = ["checkpoint", "evaluation", "faults", "log"];
/// Levels of folders below a given one in which runs are looked for: those of sweeps with halving are three levels down.
const DEPTH: usize = 4;
/// How the folders of the rungs of a sweep begin.
const RUNG: &str = "rung-";
/// The settings of a run of a language model.
const OF_TEXTS: &str = "lm.toml";

/// A run, as its directory has it.
pub struct Run {
    pub path: PathBuf,
    pub config: Config,
    /// The lines of its metrics, which may be none yet.
    pub metrics: Vec<UpdateStats>,
    /// The evaluations of its checkpoints.
    pub evaluations: Vec<Evaluated>,
    /// The outcome, if it has ended.
    pub summary: Option<Value>,
    /// The settings that make it learn as it does, by their keys.
    pub settings: BTreeMap<String, String>,
}

impl Run {
    /// Reads a run directory.
    pub fn read(path: &Path) -> Result<Self> {
        let dir = RunDir::open(path);
        let config = dir.config()?;
        let metrics = if dir.metrics_path().exists() { read_metrics(&dir.metrics_path())? } else { Vec::new() };
        let summary = if dir.has_summary() { Some(summary(&dir)?) } else { None };
        let mut settings = settings(path, &config)?;
        let from = summary.as_ref().and_then(|summary| summary["init_from"].as_str());
        settings.extend(from.map(|from| ("init_from".to_owned(), from.to_owned())));
        Ok(Self { path: path.into(), evaluations: dir.evaluations()?, config, metrics, summary, settings })
    }

    /// Returns what the run learns from: the environment, or the kind of texts.
    pub fn task(&self) -> &str {
        self.config.run.source.as_deref().unwrap_or(&self.config.env.name)
    }

    /// Returns the algorithm, if it learns from environments.
    pub fn algo(&self) -> Option<Algo> {
        self.config.run.source.is_none().then(|| self.config.algorithm.algo())
    }

    /// Returns the specification of the environment, if it is known here.
    pub fn spec(&self) -> Option<EnvSpec> {
        RunDir::open(&self.path).environment().ok().or_else(|| envs::spec(self.task()).ok())
    }

    /// Returns a number of the outcome.
    pub fn outcome(&self, key: &str) -> Option<f64> {
        self.summary.as_ref()?.get(key)?.as_f64()
    }

    /// Refuses a run without metrics.
    pub fn check_metrics(&self) -> Result<()> {
        if self.metrics.is_empty() {
            let path = self.path.display();
            match self.summary.as_ref().map(|summary| summary["imported_from"].is_null()) {
                Some(false) => bail!("{path} has no metrics: it was imported"),
                _ => bail!("{path} has no metrics yet: its first update has not ended"),
            }
        }
        Ok(())
    }
}

/// Returns the run directories in a folder and in folders in it, or the folder itself if it is one, sorted by their paths.
pub fn run_dirs(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    search(dir, DEPTH, &mut found)?;
    found.sort();
    Ok(found)
}

fn search(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if RunDir::open(dir).check().is_ok() {
        found.push(dir.into());
    } else if depth > 0 {
        let entries = fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
            // A folder of somebody else is no reason to find nothing.
            let _ = search(&path, depth - 1, found);
        }
    }
    Ok(())
}

/// Reads the runs that a user names, by run directories or by folders with runs. A run in a folder that has no metrics yet, or is
/// damaged, is left out with a warning; one that is named itself is refused. Of a sweep with successive halving, the runs of the
/// last rung are read.
pub fn read_runs(paths: &[PathBuf]) -> Result<Vec<Run>> {
    let mut runs = Vec::new();
    for path in paths {
        let check = RunDir::open(path).check();
        let within = if check.is_err() && path.is_dir() { run_dirs(path)? } else { Vec::new() };
        if within.is_empty() {
            check?;
            runs.push(Run::read(path)?);
            continue;
        }
        let before = runs.len();
        for path in of_last_rung(path, within) {
            match Run::read(&path).and_then(|run| run.check_metrics().map(|()| run)) {
                Ok(run) => runs.push(run),
                Err(error) => tell(format_args!("warning: {}; this run is left out", message(&error))),
            }
        }
        if runs.len() == before {
            bail!("{} has no run with metrics", path.display());
        }
    }
    Ok(runs)
}

/// Returns the directories of runs.
pub fn paths(runs: &[Run]) -> Vec<PathBuf> {
    runs.iter().map(|run| run.path.clone()).collect()
}

/// Returns the runs of the last rung, if `dir` is the folder of a sweep with rungs, and else all of them.
fn of_last_rung(dir: &Path, runs: Vec<PathBuf>) -> Vec<PathBuf> {
    let number = |run: &Path| -> Option<u32> {
        let first = run.strip_prefix(dir).ok()?.components().next()?;
        first.as_os_str().to_str()?.strip_prefix(RUNG)?.parse().ok()
    };
    match runs.iter().filter_map(|run| number(run)).max() {
        Some(last @ 2..) => {
            tell(format_args!("{}: the runs of rung {last}, the last one", dir.display()));
            runs.into_iter().filter(|run| number(run) == Some(last)).collect()
        }
        _ => runs,
    }
}

/// Refuses runs of different environments, whose figures cannot be compared.
pub fn check_same_task(runs: &[Run]) -> Result<()> {
    let Some((first, others)) = runs.split_first() else { return Ok(()) };
    match others.iter().find(|other| other.task() != first.task()) {
        None => Ok(()),
        Some(other) => bail!(
            "{} is a run on {}, and {} one on {}; give runs of one environment",
            first.path.display(),
            first.task(),
            other.path.display(),
            other.task()
        ),
    }
}

fn summary(dir: &RunDir) -> Result<Value> {
    let path = dir.summary_path();
    let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not valid", path.display()))
}

/// Returns the settings that make a run learn as it does.
fn settings(path: &Path, config: &Config) -> Result<BTreeMap<String, String>> {
    let of_texts = path.join(OF_TEXTS);
    let mut all = BTreeMap::new();
    if config.run.source.is_some() && of_texts.exists() {
        let text = fs::read_to_string(&of_texts).with_context(|| format!("{} cannot be read", of_texts.display()))?;
        let table: Table = text.parse().with_context(|| format!("{} is not valid", of_texts.display()))?;
        flatten("", table, &mut all);
        return Ok(all);
    }
    let mut table = Table::try_from(config)?;
    for name in BESIDE_LEARNING {
        table.remove(name);
    }
    flatten("", table, &mut all);
    for (key, name) in [("env.name", "env"), ("algorithm.kind", "algo")] {
        all.remove(key).and_then(|value| all.insert(name.into(), value));
    }
    Ok(all)
}

/// Adds the settings of a table by their keys.
fn flatten(prefix: &str, table: Table, all: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(table) => match schedule(&table) {
                Some(text) => drop(all.insert(key, text)),
                None => flatten(&key, table, all),
            },
            toml::Value::String(text) => drop(all.insert(key, text)),
            other => drop(all.insert(key, other.to_string())),
        }
    }
}

/// Returns a schedule as one value: `0.001 to 0.0`.
fn schedule(table: &Table) -> Option<String> {
    let (start, end) = (table.get("start")?, table.get("end")?);
    match table.get("kind")?.as_str()? {
        "linear" => Some(format!("{start} to {end}")),
        kind => Some(format!("{start} to {end} ({kind})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_sweep_with_rungs_the_last_one_is_read() {
        let runs = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        let of = |paths: &[&str]| of_last_rung(Path::new("sweeps/a"), runs(paths));
        assert_eq!(
            of(&["sweeps/a/rung-1/trial-1/seed0", "sweeps/a/rung-10/trial-1/seed0", "sweeps/a/rung-9/trial-2/seed0"]),
            runs(&["sweeps/a/rung-10/trial-1/seed0"])
        );
        let plain = ["sweeps/a/trial-1/seed0", "sweeps/a/trial-2/seed0"];
        assert_eq!(of(&plain), runs(&plain));
    }

    #[test]
    fn settings_are_those_that_make_a_run_learn_as_it_does() {
        let config = Config::default().with(|config| config.checkpoint.keep = 7);
        let settings = settings(Path::new("nowhere"), &config).unwrap();
        assert_eq!(settings["algo"], "ppo");
        assert_eq!(settings["algorithm.gamma"], "0.99");
        assert_eq!(settings["env"], config.env.name);
        let table = "rate = { kind = 'linear', start = 0.001, end = 0.0 }\ndeep.er = 3".parse().unwrap();
        let mut flat = BTreeMap::new();
        flatten("", table, &mut flat);
        assert_eq!(
            flat.into_iter().collect::<Vec<_>>(),
            [("deep.er", "3"), ("rate", "0.001 to 0.0")].map(|(key, value)| (key.into(), value.into()))
        );
        assert!(!settings.keys().any(|key| key.starts_with("checkpoint") || key == "env.name"), "{settings:?}");
    }
}
