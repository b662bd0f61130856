//! `burn-pg plot`

mod drawn;
mod read;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    curves::{Curve, curves},
    failure::Failure,
    new_file::{check_new_file, check_not_of_runs},
    output::{print_line, replace_bytes},
    program,
    runs::{Run, paths, read_runs},
    tell::tell,
};
pub use drawn::Drawn;

/// The metric that is drawn by default.
const RETURN: &str = "episode_return_mean";

const AFTER_HELP: &str = "\
Examples:
  burn-pg plot runs/CartPole-v1-ppo-seed1
  burn-pg plot runs/*-seed* --out curves.svg
  burn-pg plot sweeps/learning-rates --out sweep.png
  burn-pg plot runs/a runs/b --x time --y explained_variance --out curves.png";

/// Draw learning curves of runs, in the terminal or to a file
///
/// Runs that differ only in seed, device and threads are one curve: their mean, with the 95 % interval of the mean (percentile bootstrap
/// over runs). With two or three runs, the interval reaches from the lowest to the highest. The runs of a sweep are one curve for each
/// trial; of a sweep with successive halving, they are those of the last rung.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    /// Run directories, or folders with several of them, such as that of a sweep
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// What the horizontal axis is
    #[arg(long, value_enum, default_value_t = X::Steps)]
    x: X,
    /// Draw this metric of metrics.jsonl, such as explained_variance, or `return`, the mean return of the last 100 episodes, or
    /// `evaluation`, the mean return of checkpoints
    #[arg(long, value_name = "KEY", default_value = "return")]
    y: String,
    /// Draw to this file: FILE.svg or FILE.png [default: in the terminal]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

/// A horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum X {
    /// Environment steps
    Steps,
    /// Seconds of training, without evaluations and checkpoints
    Time,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (curves, chart) = draw(args).map_err(Failure::Usage)?;
    for curve in curves.iter().filter(|curve| is_cut(curve)) {
        let group = &curve.group;
        tell(format_args!(
            "warning: runs of `{group}` have different lengths; its curve ends where the shortest one does"
        ));
    }
    match &args.out {
        None => print_line(chart.terminal().join("\n")),
        Some(path) => {
            let bytes = match path.extension().is_some_and(|extension| extension == "png") {
                true => chart.chart.png(),
                false => chart.chart.svg().map(String::into_bytes),
            };
            replace_bytes(path, &bytes.map_err(Failure::Run)?).map_err(Failure::Run)?;
            print_line(format_args!("saved in {}", path.display()))
        }
    }
}

fn draw(args: &Args) -> Result<(Vec<Curve>, Drawn)> {
    if let Some(path) = &args.out {
        check_new_file("a chart", "curves.svg", path, &args.runs, args.force)?;
        if !path.extension().is_some_and(|extension| extension == "svg" || extension == "png") {
            anyhow::bail!("{} must end in .svg or .png", path.display());
        }
    }
    let runs = read_runs(&args.runs)?;
    if let Some(path) = &args.out {
        check_not_of_runs(path, &paths(&runs))?;
    }
    let y = if args.y == "return" { RETURN } else { &args.y };
    drawn_curves(&runs, args.x, y)
}

/// Returns the curve of each group of runs, and their chart.
pub fn drawn_curves(runs: &[Run], x: X, y: &str) -> Result<(Vec<Curve>, Drawn)> {
    let curves = curves(&read::lines(runs, x, y)?, drawn::interval)?;
    let drawn = Drawn::of(runs, &curves, x, y);
    Ok((curves, drawn))
}

/// True if a run of the group is much shorter than another.
fn is_cut(curve: &Curve) -> bool {
    curve.points.last().is_some_and(|last| last.x < 0.95 * curve.longest)
}
