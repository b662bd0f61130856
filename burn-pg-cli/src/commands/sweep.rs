//! `burn-pg sweep`

mod base;
mod file;
mod folder;
mod grid;
mod halving;
mod keys;
mod lines;
mod markdown;
mod plan;
mod progress;
mod random;
mod results;
mod rungs;
mod runner;
mod setting;
mod standing;
mod state;
#[cfg(all(test, unix))]
mod tests;

use std::{
    ffi::OsStr,
    iter::once,
    num::NonZero,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use anyhow::{Context, Error, Result, anyhow};
use clap::Parser;

use crate::{
    commands::how_to_go_on::quoted,
    failure::Failure,
    interrupt::Interrupt,
    numbers::whole,
    output::print_line,
    program::{self, Again},
    registry::Registry,
    settings::{Origins, Settings},
};
use file::SweepFile;
use folder::Folder;
use plan::{Facts, Plan};
use progress::Progress;
use rungs::Sweep;
use runner::{Runner, Stopped};

/// Folder of sweeps without `--out`.
const SWEEPS: &str = "sweeps";

/// Columns of what is printed at most, as far as paths and settings allow.
const WIDTH: usize = 80;

const AFTER_HELP: &str = "\
A sweep file, with all that it may contain; docs/sweeps.md explains it:

  env = \"CartPole-v1\"              # also algo, preset, config; or several of them:
                                   # runs = [{ env = \"CartPole-v1\", algo = \"a2c\" }, ...]
  seeds = 5                        # runs of each trial; or a list, such as [1000, 1001]
  first_seed = 1000                # tune on seeds 1000 and up, report on 0 to 9
  [set]                            # settings of all runs, as for --set
  total_steps = 100_000
  [grid]                           # every combination of the listed values ...
  learning_rate = [1e-3, 3e-4]
  [random]                         # ... or random draws
  trials = 20
  search_seed = 0
  [random.settings]
  learning_rate = { log_uniform = [1e-4, 1e-2] }
  gae_lambda = { uniform = [0.8, 1.0] }
  rollout.num_steps = { int_uniform = [64, 256] }
  num_envs = { choice = [4, 8, 16] }
  [halving]                        # give the best trials more steps
  factor = 3                       # one of 3 goes on, with 3 times the steps, up to total_steps
  first_steps = 20_000
  first_seeds = 2                  # seeds of all rungs but the last

Examples:
  burn-pg sweep cartpole.toml
  burn-pg sweep cartpole.toml --jobs 4 --out sweeps/second

A sweep that was interrupted or killed continues when the same command is given again.

Exit codes: 0 for success, 1 if the sweep fails or all its runs failed, 2 if it is refused before anything is trained, 129, 130 \
and 143 if it is interrupted (SIGHUP, Ctrl-C, SIGTERM).";

/// Train many runs, of several settings and seeds, and compare them
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    /// Read the sweep from this file
    #[arg(value_name = "SWEEP.toml")]
    file: PathBuf,
    /// Keep all runs and the results in this folder, which must be new, empty, or that of the same sweep [default: the name
    /// of the file, in sweeps/]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Train this number of runs at a time, each on one thread [default: `jobs` of the file, or else one per core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1024, 2))]
    jobs: Option<usize>,
    /// Print the results as one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(long)]
    quiet: bool,
}

/// The arguments of a run that its settings come from.
#[derive(Parser)]
struct OfRun {
    #[command(flatten)]
    settings: Settings,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let Begun { plan, jobs, folder, program, interrupt } = begin(args, registry).map_err(Failure::Usage)?;
    let progress = Progress::new(plan.size(), args.quiet);
    let runner = Runner { program: &|| program.command(), jobs, interrupted: &|| interrupt.exit_code() };
    let results = Sweep { plan: &plan, folder: &folder, runner, progress: &progress }.run();
    progress.finish();
    let results = results.map_err(|stopped| match stopped {
        Stopped::Error(error) => Failure::Run(error),
        Stopped::Interrupted(code) => {
            let (ended, all) = progress.counts();
            let advice = format!("{ended} of {all} runs have ended; go on with: {}", again(args));
            Failure::Interrupted { advice, code }
        }
    })?;
    // The rest is repeated quickly.
    interrupt.release();
    let json = results.to_json();
    folder.write("results.md", &markdown::render(&results, None)).map_err(Failure::Run)?;
    folder.write("results.json", &format!("{json:#}")).map_err(Failure::Run)?;
    match args.json {
        true => print_line(json)?,
        false => print_line(markdown::render(&results, Some(WIDTH)))?,
    }
    match results.have_all_failed() {
        true => Err(Failure::Run(anyhow!("all runs failed; their logs are in {}", folder.path().display()))),
        false => Ok(()),
    }
}

/// What a sweep is run with.
struct Begun {
    plan: Plan,
    jobs: usize,
    folder: Folder,
    /// This program.
    program: Again,
    interrupt: Interrupt,
}

/// Reads and checks a sweep, and opens its folder. An invalid sweep is refused before anything is written.
fn begin(args: &Args, registry: &Registry) -> Result<Begun> {
    let (file, text) = SweepFile::read(&args.file)?;
    let jobs = args.jobs.or(file.jobs).unwrap_or_else(|| available_parallelism().map_or(1, NonZero::get));
    let origins = Origins { set: file.places.clone(), options: "the sweep file".into() };
    let check = |arguments: &[String]| check(arguments, &origins, registry);
    let plan = Plan::of(file, &check).with_context(|| args.file.display().to_string())?;
    let program = Again::new().context("the path of this program is unknown")?;
    let name = args.file.file_stem().unwrap_or(OsStr::new("sweep"));
    let path = args.out.clone().unwrap_or_else(|| Path::new(SWEEPS).join(name));
    let folder = Folder::open(&path, &plan, &text)?;
    Ok(Begun { plan, jobs, folder, program, interrupt: Interrupt::install()? })
}

/// Checks the arguments that a run gives to `train`, as `train` itself does. `origins` are the places of the settings in the sweep
/// file.
fn check(arguments: &[String], origins: &Origins, registry: &Registry) -> Result<Facts> {
    let arguments = once("train").chain(arguments.iter().map(String::as_str));
    let of_run = OfRun::try_parse_from(arguments).map_err(|error| first_line(&error))?;
    let config = of_run.settings.with_origins(origins.clone()).resolve(registry)?.config;
    registry.network(&config)?;
    let (env, algo) = (config.env.name.clone(), config.algorithm.algo().to_string());
    Ok(Facts { env, algo, total_steps: config.run.total_steps })
}

/// Returns the first line of an error of the command line, without the advice for people who type.
fn first_line(error: &clap::Error) -> Error {
    let text = error.to_string();
    anyhow!("{}", text.lines().next().unwrap_or_default().trim_start_matches("error: "))
}

/// Returns the command that continues the sweep.
fn again(args: &Args) -> String {
    let mut command = program::command(format_args!("sweep {}", quoted(&args.file)));
    if let Some(out) = &args.out {
        command = format!("{command} --out {}", quoted(out));
    }
    if let Some(jobs) = args.jobs {
        command = format!("{command} --jobs {jobs}");
    }
    command
}
