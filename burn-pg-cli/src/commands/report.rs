//! `burn-pg report`

mod page;
mod table;

use std::{ops::ControlFlow, path::PathBuf};

use anyhow::Result;
use burn_pg::{
    DeviceChoice, UpdateStats, device,
    envs::render::{Gif, GifError},
};

use crate::{
    chart::{Axis, Chart, Line, Panel, Stroke},
    commands::{
        agent::AgentArgs,
        plot::{Drawn, X, drawn_curves},
    },
    failure::Failure,
    new_file::{check_extension, check_new_file, check_not_of_runs},
    output::{print_line, replace_bytes},
    program,
    registry::Registry,
    runs::{Run, paths, read_runs},
    tell::tell,
};
use page::{Film, Page};

/// The figures below the returns, in this order, of the first run.
const FIGURES: [(&str, &str); 6] = [
    ("approx_kl", "KL divergence of an update, nats"),
    ("kl", "KL divergence of a step, nats"),
    ("clip_fraction", "clip fraction"),
    ("entropy", "entropy, nats"),
    ("explained_variance", "explained variance"),
    ("grad_norm", "gradient norm"),
];
/// Size and length of the episode that is played.
const WIDTH: u32 = 400;
const FRAMES: u32 = 600;
/// Hundredths of a second between frames.
const DELAY: u16 = 3;

const AFTER_HELP: &str = "\
Examples:
  burn-pg report runs/CartPole-v1-ppo-seed1 --out report.html
  burn-pg report runs/CartPole-v1-ppo-seed* --out ten-seeds.html
  burn-pg report sweeps/learning-rates --out sweep.html";

/// Write one HTML page about runs: curves, a table, an episode, settings, and the command that repeats them
///
/// The page has no links to other files, so that it can be sent or attached. Runs must be on one environment.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    /// Run directories, or folders with several of them, such as that of a sweep
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// Write to this file
    #[arg(long, value_name = "FILE.html")]
    out: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let page = write(args, registry).map_err(Failure::refused)?;
    replace_bytes(&args.out, page.as_bytes()).map_err(Failure::Run)?;
    print_line(format_args!("saved in {} ({} kB)", args.out.display(), page.len() / 1000))
}

fn write(args: &Args, registry: &Registry) -> Result<String> {
    check_extension(&args.out, "html")?;
    check_new_file("a report", "report.html", &args.out, &args.runs, args.force)?;
    let runs = read_runs(&args.runs)?;
    check_not_of_runs(&args.out, &paths(&runs))?;
    let (curves, Drawn { chart, .. }) = drawn_curves(&runs, X::Steps, "episode_return_mean")?;
    let film = film(&runs[0], registry).unwrap_or_else(|reason| {
        tell(format_args!("no episode in the report: {reason}"));
        None
    });
    Ok(Page {
        title: chart.title.clone(),
        curve: chart.svg()?,
        figures: figures(&runs[0]).iter().map(Chart::svg).collect::<Result<_>>()?,
        table: table::rows(&runs),
        groups: table::groups(&runs, &curves),
        film,
        runs: &runs,
    }
    .html())
}

/// Plays an episode of the first run; `None` if its environment cannot be drawn.
fn film(run: &Run, registry: &Registry) -> Result<Option<Film>> {
    let agent = AgentArgs { run_dir: run.path.clone(), at: None, python: None };
    let (config, agent, env) = agent.open_to_watch(registry, &device::open(DeviceChoice::Auto)?.device)?;
    let (mut gif, mut caption, mut failed) = (Gif::new(Vec::new(), DELAY), String::new(), None::<GifError>);
    let mut frames = 0;
    agent.play(env, config.run.seed, false, 1, &mut |moment| {
        caption = format!("{} steps, return {:.1}", moment.step, moment.episode_return);
        let scene = moment.env.and_then(|env| env.render(0));
        if let Some(scene) = scene.filter(|_| moment.step <= FRAMES) {
            frames += 1;
            if let Err(error) = gif.push(&scene.rasterise(WIDTH)) {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(()), Err)?;
    match frames {
        0 => Ok(None),
        _ => Ok(Some(Film { gif: gif.finish()?, caption })),
    }
}

/// Returns a chart of each figure that the run has.
fn figures(run: &Run) -> Vec<Chart> {
    let value = |stats: &UpdateStats, name: &str| match name {
        "explained_variance" => stats.explained_variance,
        other => stats.losses.get(other).copied(),
    };
    let chart = |(name, title): (&str, &str)| {
        let points = run.metrics.iter().filter_map(|stats| Some([stats.env_steps as f64, value(stats, name)?]));
        let points: Vec<_> = points.filter(|[_, y]| y.is_finite()).collect();
        let line = (!points.is_empty()).then_some(Line { colour: 0, stroke: Stroke::Bold, points })?;
        let panel = Panel { lines: vec![line], ..Panel::default() };
        let x = Axis { name: "environment steps".into(), of_roots: false };
        Some(Chart { title: title.into(), x, panels: vec![panel], ..Chart::default() })
    };
    FIGURES.into_iter().filter_map(chart).collect()
}
