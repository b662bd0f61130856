//! `burn-pg watch`

mod blocks;
mod exit;
mod film;
mod theatre;

use std::{
    io::{IsTerminal, stdout},
    ops::ControlFlow,
    path::{Path, PathBuf},
    slice,
};

use anyhow::{Error, Result, anyhow, bail};
use burn_pg::{
    DeviceChoice,
    agent::Moment,
    device,
    envs::{VectorEnv, is_of_python, render::Scene},
    run::RunDir,
};

use crate::{
    commands::agent::{AgentArgs, AnyAgent},
    failure::Failure,
    new_file::{check_extension, check_new_file},
    numbers::whole,
    output::{print_line, replace_bytes},
    program,
    registry::Registry,
};
use film::{Film, Sheet};
use theatre::Theatre;

const AFTER_HELP: &str = "\
Examples:
  burn-pg watch runs/CartPole-v1-ppo-seed1
  burn-pg watch runs/CartPole-v1-ppo-seed1 --gif cartpole.gif --episodes 3
  burn-pg watch runs/CartPole-v1-ppo-seed1 --png moments.png

In the terminal, q, Esc or Ctrl-C ends it.";

/// Watch the agent of a run directory play, in the terminal or as a picture file
///
/// Without --stochastic, the episodes are the first ones that `eval` plays with the same seed.
#[derive(clap::Args)]
#[command(after_help = AFTER_HELP.replace("burn-pg", program::name()))]
pub struct Args {
    #[command(flatten)]
    agent: AgentArgs,
    /// Draw in the terminal [default]
    #[arg(long, conflicts_with_all = ["gif", "png"])]
    terminal: bool,
    /// Write an animation to this file, such as cartpole.gif
    #[arg(long, value_name = "FILE", conflicts_with = "png")]
    gif: Option<PathBuf>,
    /// Write pictures of evenly spaced moments to this file, such as cartpole.png: a row for each episode
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Play this number of episodes
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true, value_parser = whole::<u32>(1..=1000, 3))]
    episodes: u32,
    /// Show at most this number of steps of each episode
    #[arg(long, value_name = "N", default_value_t = 1000, allow_negative_numbers = true, value_parser = whole::<u32>(1..=100_000, 200))]
    steps: u32,
    /// Seed the episodes with this number [default: the seed of the run]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX, 7))]
    seed: Option<u64>,
    /// Sample actions instead of taking the most probable ones
    #[arg(long)]
    stochastic: bool,
    /// Make each picture of a file this wide, in pixels
    #[arg(long, value_name = "PIXELS", default_value_t = 400, allow_negative_numbers = true, value_parser = whole::<u32>(16..=2000, 400))]
    width: u32,
    /// Show this number of steps a second
    #[arg(long, value_name = "N", default_value_t = 30, allow_negative_numbers = true, value_parser = whole::<u32>(1..=50, 30))]
    fps: u32,
    /// Run the networks on this device; `devices` lists them [default: auto]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

/// Most episodes times the square of the width of a picture file; each episode has six pictures.
const MOST_PIXELS: u64 = 20_000_000;

/// Where the pictures go.
trait Stage: Send {
    /// Shows a moment of an episode. `scene` is `None` if the last state of the episode is gone.
    /// Breaks if the play ends here.
    fn show(&mut self, moment: &Moment<'_>, scene: Option<&Scene>) -> Result<ControlFlow<()>>;
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let Watched { agent, env, seed } = load(args, registry).map_err(Failure::refused)?;
    match (&args.gif, &args.png) {
        (Some(path), _) => {
            let mut film = Film::new(args.width, args.fps);
            let told = play(args, &*agent, env, seed, &mut film)?;
            keep(path, &film.finish().map_err(Failure::Run)?, &told)
        }
        (None, Some(path)) => {
            let mut sheet = Sheet::new(args.width);
            let told = play(args, &*agent, env, seed, &mut sheet)?;
            keep(path, &sheet.finish(), &told)
        }
        (None, None) => {
            let theatre = Theatre::new(agent.spec().id.clone(), args.episodes, args.fps);
            let mut theatre = theatre.map_err(Failure::Run)?;
            play(args, &*agent, env, seed, &mut theatre).map(|_| ())
        }
    }
}

/// Writes a file and says what is in it.
fn keep(path: &Path, bytes: &[u8], told: &str) -> Result<(), Failure> {
    replace_bytes(path, bytes).map_err(Failure::Run)?;
    print_line(format_args!("{told}\nsaved in {} ({:.0} kB)", path.display(), bytes.len() as f64 / 1000.0))
}

/// An agent, and the environment that it plays in.
struct Watched {
    agent: Box<dyn AnyAgent>,
    env: Box<dyn VectorEnv>,
    seed: u64,
}

fn load(args: &Args, registry: &Registry) -> Result<Watched> {
    // Before the terminal, which is of no use without a run.
    RunDir::open(&args.agent.run_dir).check()?;
    for (file, extension) in [(&args.gif, "gif"), (&args.png, "png")] {
        file.as_deref().map_or(Ok(()), |file| check_extension(file, extension))?;
    }
    match args.gif.as_ref().or(args.png.as_ref()) {
        Some(path) => check_new_file(
            "an animation or picture",
            "watch.gif",
            path,
            slice::from_ref(&args.agent.run_dir),
            args.force,
        )?,
        None if !stdout().is_terminal() => {
            bail!("stdout is not a terminal; write a file with --gif FILE or --png FILE")
        }
        None => {}
    }
    let pixels = u64::from(args.episodes) * u64::from(args.width).pow(2);
    if args.png.is_some() && pixels > MOST_PIXELS {
        bail!(
            "{} episodes at a width of {} pixels are too large for one picture; give fewer, or a smaller --width",
            args.episodes,
            args.width
        );
    }
    let device = device::open(args.device)?;
    let (config, agent, mut env) = args.agent.open_to_watch(registry, &device.device)?;
    let seed = args.seed.unwrap_or(config.run.seed);
    env.reset(seed)?;
    if env.render(0).is_none() {
        let id = &agent.spec().id;
        match env.render_error() {
            Some(error) if error.contains("GL") => {
                bail!("{id} cannot be drawn; without a screen, MuJoCo needs MUJOCO_GL=egl or MUJOCO_GL=osmesa: {error}")
            }
            Some(error) => bail!("{id} cannot be drawn: {error}"),
            None if is_of_python(id) => bail!("{id} cannot be drawn: its `render` gives no picture"),
            None => bail!(
                "{id} cannot be drawn: it does not implement `Env::render` (or `VectorEnv::render`), see docs/environments.md"
            ),
        }
    }
    Ok(Watched { agent, env, seed })
}

/// Plays the episodes on a stage. Returns what to say about them.
fn play(
    args: &Args,
    agent: &dyn AnyAgent,
    env: Box<dyn VectorEnv>,
    seed: u64,
    stage: &mut impl Stage,
) -> Result<String, Failure> {
    let (mut lines, mut failed) = (Vec::new(), None::<Error>);
    let id = agent.spec().id.clone();
    let outcome = agent.play(env, seed, args.stochastic, args.episodes as usize, &mut |moment| {
        let scene = moment.env.and_then(|env| env.render(0));
        let is_shown = moment.step <= args.steps;
        if is_shown {
            match stage.show(moment, scene.as_ref()) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(end @ ControlFlow::Break(())) => return end,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        lines.extend(end_of(moment).map(|end| format!("{id}, {}, {end}", place(moment, args.episodes))));
        ControlFlow::Continue(())
    });
    outcome.map_err(|error| Failure::of(anyhow!(error)))?;
    failed.map_or_else(|| Ok(lines.join("\n")), |error| Err(Failure::Run(error)))
}

/// Describes a moment: "episode 1 of 3, step 20, return 20.0".
fn place(moment: &Moment<'_>, episodes: u32) -> String {
    format!("episode {} of {episodes}, {}", moment.episode + 1, step(moment))
}

/// Describes a step: "step 20, return 20.0".
fn step(moment: &Moment<'_>) -> String {
    format!("step {}, return {:.1}", moment.step, moment.episode_return)
}

/// Describes the end of an episode, at its end.
fn end_of(moment: &Moment<'_>) -> Option<&'static str> {
    match (moment.terminated, moment.truncated) {
        (true, _) => Some("terminated"),
        (false, true) => Some("truncated"),
        (false, false) => None,
    }
}
