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
        train::{Outcome, earlier_config, new_dir},
    },
    failure, main_with,
    network::{BuiltIn, Kind},
    presets, program,
    program::Embedded,
    registry::Registry,
    settings::Settings,
};

/// The configuration of a run.
pub struct Configured {
    /// The configuration.
    pub config: CheckedConfig,
    /// Where it comes from, such as `preset cartpole-v1-ppo`.
    pub preset: String,
}

/// The arguments of `train` that are settings.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,
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
pub fn configure(arguments: &[String], from: &str, settings: Option<Table>) -> Result<Configured, String> {
    let parsed = Arguments::try_parse_from(["burn-pg train"].into_iter().chain(arguments.iter().map(String::as_str)));
    let given = parsed.map_err(|error| error.to_string())?.settings;
    let given = match settings {
        Some(settings) => given.with(from, settings),
        None => given,
    };
    let resolved = given.resolve(&Registry::new()).map_err(message)?;
    Ok(Configured { config: resolved.config, preset: resolved.preset })
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
    let parsed = Arguments::try_parse_from(["burn-pg train"].into_iter().chain(arguments.iter().map(String::as_str)));
    let given = parsed.map_err(|error| error.to_string())?.settings;
    earlier_config(&given, run, None).map_err(message)
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

/// Returns the settings of a run and its agent: that of the end of the run, or of a checkpoint: the number of an update,
/// or `best`.
///
/// # Errors
/// The message of what cannot be read.
pub fn load(run: &Path, at: Option<&str>, device: &Device) -> Result<(CheckedConfig, Agent), String> {
    let at = at.map(str::parse::<At>).transpose()?;
    let selected = AgentArgs { run_dir: run.into(), at, python: None }.select().map_err(message)?;
    let mut agent = BuiltIn.load(selected.saved(), device).map_err(message)?;
    agent.set_env_options(selected.config.env.options());
    Ok((selected.config, agent))
}
