//! The command line of `burn-pg` as a library: a program of a few lines gets `train` (with `--resume`), `eval`, `act`,
//! `export`, `import`, `plan`, `bench`, `envs` and the other commands for its own environments.
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use burn_pg::envs::{Env, EnvRng, EnvSpec, Space, Step};
//!
//! /// A coin is shown; telling its side gives 1.
//! struct Coin {
//!     is_head: bool,
//! }
//!
//! impl Env for Coin {
//!     // ...
//! #    type Action = u32;
//! #    type State = bool;
//! #    fn spec(&self) -> EnvSpec {
//! #        let spec = EnvSpec::new("Coin-v0", Space::symmetric(&[1.0]), Space::discrete(2));
//! #        EnvSpec { max_episode_steps: Some(10), ..spec }
//! #    }
//! #    fn reset(&mut self, _rng: &mut EnvRng, _observation: &mut [f32]) {}
//! #    fn step(&mut self, _action: u32, _rng: &mut EnvRng, _observation: &mut [f32]) -> Step {
//! #        Step { reward: 0.0, terminated: false, truncated: false }
//! #    }
//! #    fn state(&self) -> bool {
//! #        self.is_head
//! #    }
//! #    fn set_state(&mut self, is_head: bool) {
//! #        self.is_head = is_head;
//! #    }
//! }
//!
//! fn main() -> ExitCode {
//!     burn_pg_cli::main_with(|registry| registry.add(|| Coin { is_head: false }))
//! }
//! ```
//!
//! If the program is called `coins`, `coins train Coin-v0` trains, and `coins --help` shows the rest.
//! `examples/10_command_line.rs` is a whole program.
//!
//! **Features** are the backends, as in `burn-pg`; the default is `flex`.
//!
//! **Allocator.** A library must not choose the allocator of a program, so this one does not. The binary `burn-pg` uses
//! `mimalloc`, which keeps freed memory of tensors for the next ones; for the same speed, use it in your program:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
//! ```
#![forbid(unsafe_code)]

mod chart;
mod commands;
mod comparison;
mod curves;
mod device;
mod embedded;
mod examples;
mod failure;
mod interrupt;
mod network;
mod new_file;
mod numbers;
mod output;
mod presets;
mod program;
mod progress;
mod registry;
mod runs;
mod settings;
mod tell;
mod terminal;

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

use burn_pg::config::{ConfigError, full_key};
use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

pub use embedded::{
    configure, embed, list_presets, load, main_of, message, new_run_dir, resume, summary, with_evaluation,
};
use examples::with_examples;
use failure::Failure;
pub use program::Embedded;
pub use registry::{Registry, RegistryError};
use tell::tell;

/// Train, evaluate and export policy-gradient agents on any CPU or GPU
#[derive(Parser)]
#[command(name = program::name(), bin_name = program::name(), version = program::version(), propagate_version = true, max_term_width = 100, after_help = start())]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Returns the first commands of somebody new.
fn start() -> String {
    let [train, watch, help] =
        ["train CartPole-v1", "watch runs/CartPole-v1-ppo-seed1", "train --help"].map(program::command);
    format!("Start with:\n  {train}\n  {watch}\n  {help}")
}

#[derive(Subcommand)]
enum Command {
    Train(commands::train::Args),
    Sweep(commands::sweep::Args),
    Plan(commands::plan::Args),
    Eval(commands::eval::Args),
    Watch(commands::watch::Args),
    Runs(commands::runs::Args),
    Plot(commands::plot::Args),
    Report(commands::report::Args),
    Act(commands::act::Args),
    Export(commands::export::Args),
    Import(commands::import::Args),
    Config(commands::config::Args),
    Presets(commands::presets::Args),
    Envs(commands::envs::Args),
    EnvTrace(commands::env_trace::Args),
    Devices(commands::devices::Args),
    Bench(commands::bench::Args),
    #[cfg(feature = "lm")]
    Lm(commands::lm::Args),
    Completions(commands::completions::Args),
    Man(commands::completions::ManArgs),
}

/// Runs the command line of this process with the environments and networks of burn-pg and those that `register` adds:
///
/// ```ignore
/// burn_pg_cli::main_with(|registry| {
///     registry.add(Maze::new)?;
///     registry.add(Arm::new)
/// })
/// ```
///
/// Call it as all of `main`: it reads the arguments of the process, sets a panic hook that notices lost devices
/// ([`burn_pg::device::report_panics`]), and handles signals while it trains. `--help`, invalid arguments and a command
/// that fails end the process, without running destructors. The exit code is 0 for success, 1 if the command fails, 2
/// if it is refused before anything is done (also if `register` fails), 3 if the device fails, 129, 130 or 143 after
/// a signal.
pub fn main_with(register: impl FnOnce(&mut Registry) -> Result<(), RegistryError>) -> ExitCode {
    match run(register) {
        Ok(()) => {
            terminal::restore();
            ExitCode::SUCCESS
        }
        Err(failure) => failure.exit(),
    }
}

/// Returns the setting with the name of an option, such as `--gamma` or `--learning-rate`.
fn setting_like(option: &str) -> Option<String> {
    let name = option.trim_start_matches('-').replace('-', "_");
    match full_key(&name) {
        Ok(full) => Some(if full.ends_with(&format!(".{name}")) { name } else { full }),
        Err(ConfigError::UnknownKey { nearest, .. }) => nearest,
        Err(_) => None,
    }
}

/// Returns the commands and their options.
fn command() -> clap::Command {
    with_examples(Cli::command())
}

/// Reads the arguments of the process. Ends it if they are invalid, or ask for help or the version.
fn parsed() -> Cli {
    let parsed =
        command().try_get_matches_from(program::arguments()).and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| match error.use_stderr() {
        true => {
            if let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg)
                && error.kind() == ErrorKind::UnknownArgument
                && let Some(key) = setting_like(argument)
            {
                let _ = error.print();
                tell(format_args!("\n`{argument}` is a setting: --set {key}=VALUE"));
                std::process::exit(2);
            }
            error.exit()
        }
        false => match error.print().and_then(|()| stdout().flush()) {
            Ok(()) => std::process::exit(0),
            // As for any output: a reader that has seen enough is not a failure.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            Err(error) => Failure::run(anyhow::Error::new(error).context("stdout cannot be written")).exit(),
        },
    })
}

fn run(register: impl FnOnce(&mut Registry) -> Result<(), RegistryError>) -> Result<(), Failure> {
    // With this hook, a lost device ends a run instead of blocking it for ever.
    burn_pg::device::report_panics();
    let mut registry = Registry::new();
    register(&mut registry).map_err(Failure::usage)?;
    match parsed().command {
        Command::Train(args) => commands::train::run(&args, &registry),
        Command::Sweep(args) => commands::sweep::run(&args, &registry),
        Command::Plan(args) => commands::plan::run(&args, &registry),
        Command::Eval(args) => commands::eval::run(&args, &registry),
        Command::Runs(args) => commands::runs::run(&args),
        Command::Plot(args) => commands::plot::run(&args),
        Command::Report(args) => commands::report::run(&args, &registry),
        Command::Watch(args) => commands::watch::run(&args, &registry),
        Command::Act(args) => commands::act::run(&args, &registry),
        Command::Export(args) => commands::export::run(&args, &registry),
        Command::Import(args) => commands::import::run(&args),
        Command::Config(args) => commands::config::run(&args, &registry),
        Command::Presets(args) => commands::presets::run(&args),
        Command::Envs(args) => commands::envs::run(&args),
        Command::EnvTrace(args) => commands::env_trace::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Bench(args) => commands::bench::run(&args, &registry),
        #[cfg(feature = "lm")]
        Command::Lm(args) => commands::lm::run(&args),
        Command::Completions(args) => commands::completions::run(&args, command()),
        Command::Man(_) => commands::completions::run_man(&command()),
    }
}

/// The code of the book, compiled as documentation tests.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../docs/how-to.md")]
    struct HowTo;
    #[doc = include_str!("../../docs/truncation.md")]
    struct Truncation;
    #[doc = include_str!("../../docs/from-cleanrl.md")]
    struct FromCleanRl;
    #[doc = include_str!("../../docs/from-sb3.md")]
    struct FromSb3;
}
