//! `burn-pg lm curve`

mod draw;
mod group;
mod table;

use std::path::PathBuf;

use anyhow::Result;
use burn_pg_lm::curve::fall;
use serde_json::json;

use crate::{
    failure::Failure,
    numbers::whole,
    output::{print_line, replace_file},
    tell::tell,
};
use group::{Group, Run};

/// Standard errors by which a gold standard has to fall before this counts as a fall.
const CLEARLY: f64 = 3.0;

/// Compare two scores against the KL divergence from the model before training: the optimised score (the proxy) and a gold standard
///
/// The gold standard is a reward of weight 0 (`lm rl --watch`), which is reported but not optimised. Train the runs with --set kl.measure=true,
/// which measures the KL divergence over the whole vocabulary, even without a penalty. Runs that differ only in their seed become one mean curve.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 if the curves were read, 1 if a completion cannot be scored, 2 if a run is refused."
)]
pub struct Args {
    /// Run directories of `lm rl`
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The name of the gold standard [default: the only reward of weight 0]
    #[arg(long, value_name = "NAME")]
    gold: Option<String>,
    /// Write N completions of each of some prompts with the model before training too, and show the scores of the best of 1, 2, 4 .. N by the proxy
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(2..=1 << 20, 256))]
    best_of: Option<usize>,
    /// Prompts for --best-of
    #[arg(long, value_name = "N", default_value = "16", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1 << 20, 16))]
    prompts: usize,
    /// Updates that are one point of a curve [default: a twentieth of the run]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1 << 20, 7))]
    window: Option<usize>,
    /// Draw the curves to this SVG file
    #[arg(long, value_name = "FILE.svg")]
    out: Option<PathBuf>,
    /// Print one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let runs: Result<Vec<Run>> =
        args.runs.iter().map(|path| Run::read(path, args.gold.as_deref(), args.window)).collect();
    let mut groups = Group::all(runs.map_err(Failure::usage)?);
    if let Some(count) = args.best_of {
        for group in &mut groups {
            tell(format_args!("{}: writing {count} completions of {} prompts", group.name, args.prompts));
            group.write_best_of(count, args.prompts)?;
        }
    }
    if let Some(path) = &args.out {
        let chart = draw::chart(&groups).svg().map_err(Failure::run)?;
        replace_file(path, chart.trim_end()).map_err(Failure::run)?;
    }
    if args.json {
        let runs = groups.iter().flat_map(|group| &group.runs).map(|run| {
            let [lost, error] = fall(&run.updates, run.window);
            json!({
                "run": run.path, "points": run.points, "gold_lost": lost, "standard_error": error,
                "over_optimised": run.is_over_optimised(),
            })
        });
        let runs: Vec<_> = runs.collect();
        return print_line(json!({ "runs": runs, "groups": groups }));
    }
    print_line(table::shown(&groups).trim_end())?;
    match &args.out {
        Some(path) => print_line(format_args!("\ndrawn in {}", path.display())),
        None => Ok(()),
    }
}
