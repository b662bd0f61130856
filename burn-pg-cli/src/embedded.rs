//! The command line and its settings for a program in another language, such as a Python package.

use std::path::Path;

use burn_pg::{
    Agent, CheckedConfig, Evaluation,
    burn::tensor::Device,
    device::OpenDevice,
    policy::ActorCritic,
    run::{EarlierRun, RunDir, Session, directory::RunDirError},
};
use clap::Parser;
use toml::Table;

use crate::{
    commands::{
        agent::{AgentArgs, At},
        train::{Outcome, earlier_config, evaluated, new_dir},
    },
    failure, main_with,
    network::{BuiltIn, Kind},
    presets, program,
    program::Embedded,
    registry::Registry,
    settings::Settings,
};

/// The arguments of `train` that are settings.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

impl Arguments {
    /// Reads arguments such as `CartPole-v1 --seed 3`.
    fn read(arguments: &[String]) -> Result<Settings, String> {
        let words = ["burn-pg train"].into_iter().chain(arguments.iter().map(String::as_str));
        Self::try_parse_from(words).map(|parsed| parsed.settings).map_err(|error| error.to_string())
    }
}

/// Returns the messages of an error and of its causes, as commands print them.
#[must_use]
pub fn message(error: impl Into<anyhow::Error>) -> String {
    failure::message(&error.into())
}

/// Says how the command line is called, for messages, if it is part of another program.
pub fn embed(embedded: Embedded) {
    program::embed(embedded);
}

/// Runs the command line as a part of another program. Ends the process if the command fails, as [`main_with`] does.
pub fn main_of(embedded: Embedded) {
    program::embed(embedded);
    let _ = main_with(|_| Ok(()));
}

/// Returns the configuration that `train` has with these arguments, such as `CartPole-v1 --seed 3`, and with `settings`, which
/// are called `from` in messages.
///
/// # Errors
/// The message of an invalid setting.
pub fn configure(arguments: &[String], from: &str, settings: Option<Table>) -> Result<CheckedConfig, String> {
    let given = Arguments::read(arguments)?;
    let given = match settings {
        Some(settings) => given.with(from, settings),
        None => given,
    };
    Ok(given.resolve(&Registry::new()).map_err(message)?.config)
}

/// Returns the name of each preset, what it is for, and its settings.
pub fn list_presets() -> impl Iterator<Item = (&'static str, String, Table)> {
    presets::all()
}

/// Returns an earlier run, and the configuration with which it is resumed if these arguments are given, such as
/// `--total-steps 200000`.
///
/// # Errors
/// The message of what cannot be read or is invalid.
pub fn resume(run: &Path, arguments: &[String]) -> Result<(EarlierRun, CheckedConfig), String> {
    earlier_config(&Arguments::read(arguments)?, run, None).map_err(message)
}

/// Creates the directory in which `train` without `--out` writes a run.
///
/// # Errors
/// [`RunDirError`] if it cannot be created.
pub fn new_run_dir(config: &CheckedConfig) -> Result<RunDir, RunDirError> {
    new_dir(config)
}

/// Returns what `train` writes to the file `summary.json` of a run. `has_trained` is false if nothing was left to train.
#[must_use]
pub fn summary(
    config: &CheckedConfig,
    device: &OpenDevice,
    session: &Session<ActorCritic>,
    has_trained: bool,
    evaluation: Option<&Evaluation>,
) -> serde_json::Value {
    Outcome::of(config, device, session, has_trained, evaluation).summary().clone()
}

/// Adds the evaluation of each checkpoint, as `train` does. `num_envs` says how many environments of a name to make for a
/// number of episodes.
#[must_use]
pub fn with_evaluation(
    config: &CheckedConfig,
    session: Session<ActorCritic>,
    num_envs: fn(&str, usize) -> usize,
) -> Session<ActorCritic> {
    evaluated(config, session, num_envs)
}

/// Returns the agent of a run: the policy at its end, or that of a checkpoint. `at` is the number of an update, or `best`.
///
/// # Errors
/// The message of what cannot be read.
pub fn load(run: &Path, at: Option<&str>, device: &Device) -> Result<Agent, String> {
    let at = at.map(str::parse::<At>).transpose()?;
    let selected = AgentArgs { run_dir: run.into(), at, python: None }.select().map_err(message)?;
    let mut agent = BuiltIn.load(selected.saved(), device).map_err(message)?;
    agent.set_env_options(selected.config.env.options());
    Ok(agent)
}
