//! `burn-pg runs`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn_pg::run::RunDir;
use console::measure_text_width;
use serde_json::{Value, json};

use crate::{
    chart::{blocks::sparkline, short_numbers::short},
    commands::train::{RUNS, solved::Solved},
    failure::Failure,
    output::print_line,
    program,
    runs::{Run, run_dirs},
};

/// Columns of a curve.
const CURVE: usize = 12;

const AFTER_HELP: &str = "\
Examples:
  burn-pg runs
  burn-pg runs sweeps/learning-rates --json";

/// List the runs in a folder, with their curves and outcomes
///
/// The curve is the mean return of the last 100 episodes. `evaluation` is the mean return of the evaluation after training. A run that is
/// damaged is listed with what is wrong.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    /// Look for runs in this folder, and in folders in it
    #[arg(default_value = RUNS)]
    dir: PathBuf,
    /// Print them as one JSON array, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let paths = find(&args.dir).map_err(Failure::Usage)?;
    let runs: Vec<(PathBuf, Result<Run>)> = paths.into_iter().map(|path| (path.clone(), Run::read(&path))).collect();
    if args.json {
        let all: Vec<Value> = runs.iter().map(|(path, run)| as_json(path, run)).collect();
        return print_line(json!(all));
    }
    let names = |path: &Path| path.strip_prefix(&args.dir).unwrap_or(path).display().to_string();
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    rows.extend(runs.iter().filter_map(|(path, run)| Some(row(names(path), run.as_ref().ok()?))));
    print_line(aligned(&rows).join("\n"))?;
    let damaged = runs.iter().filter_map(|(_, run)| run.as_ref().err());
    for error in damaged {
        print_line(format_args!("damaged: {error:#}"))?;
    }
    Ok(())
}

const COLUMNS: [&str; 8] = ["run", "task", "algorithm", "steps", "curve", "return", "evaluation", "state"];

fn row(name: String, run: &Run) -> [String; 8] {
    let last = run.metrics.last();
    let returns: Vec<f64> = run.metrics.iter().map(|stats| stats.episode_return_mean.unwrap_or(f64::NAN)).collect();
    let number = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.1}"));
    [
        name,
        run.task().into(),
        run.algo().map_or_else(|| "-".into(), |algo| algo.to_string()),
        last.map_or_else(|| "0".into(), |stats| short(stats.env_steps as f64)),
        sparkline(&returns, CURVE),
        number(last.and_then(|stats| stats.episode_return_mean)),
        number(run.outcome("eval_return_mean")),
        state(run),
    ]
}

fn state(run: &Run) -> String {
    let threshold = run.spec().and_then(|spec| spec.reward_threshold);
    let solved = Solved::first(&run.metrics, threshold);
    match (&run.summary, RunDir::open(&run.path).is_locked(), solved) {
        (_, true, _) => "running".into(),
        (Some(_), _, Some(solved)) => solved.to_string(),
        (Some(_), ..) => "ended".into(),
        (None, ..) => "stopped".into(),
    }
}

fn as_json(path: &Path, run: &Result<Run>) -> Value {
    match run {
        Err(error) => json!({ "run_dir": path.to_string_lossy(), "state": "damaged", "error": format!("{error:#}") }),
        Ok(run) => {
            let last = run.metrics.last();
            let state = match (&run.summary, RunDir::open(path).is_locked()) {
                (_, true) => "running",
                (Some(_), false) => "ended",
                (None, false) => "stopped",
            };
            json!({
                "run_dir": path.to_string_lossy(),
                "task": run.task(),
                "algo": run.algo(),
                "seed": run.config.run.seed,
                "env_steps": last.map(|stats| stats.env_steps),
                "episode_return_mean": last.and_then(|stats| stats.episode_return_mean),
                "eval_return_mean": run.outcome("eval_return_mean"),
                "state": state,
            })
        }
    }
}

/// Returns rows whose columns begin at the same place. Rows have no spaces at their ends.
fn aligned(rows: &[[String; 8]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| measure_text_width(&row[column])).max().unwrap_or_default();
    let line = |row: &[String; 8]| {
        let cells = row
            .iter()
            .enumerate()
            .map(|(column, cell)| format!("{cell}{}", " ".repeat(width(column) - measure_text_width(cell))));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Returns the run directories in a folder, sorted by their paths.
fn find(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        let train = program::command("train CartPole-v1");
        bail!("{} is not a folder; `{train}` makes a run in {RUNS}/", dir.display());
    }
    let found = run_dirs(dir)?;
    if found.is_empty() {
        bail!("{} has no runs", dir.display());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_at_the_same_place() {
        let row = |cells: [&str; 8]| cells.map(str::to_owned);
        let rows =
            [row(["a", "b", "c", "d", "▁▂", "f", "g", "h"]), row(["longer", "b", "c", "d", "▁▂▃", "f", "g", ""])];
        assert_eq!(aligned(&rows), ["a       b  c  d  ▁▂   f  g  h", "longer  b  c  d  ▁▂▃  f  g"]);
    }

    #[test]
    fn a_folder_without_runs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(find(folder.path()).unwrap_err().to_string().ends_with("has no runs"));
        let error = find(&folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(error.contains("nowhere is not a folder"), "{error}");
    }
}
