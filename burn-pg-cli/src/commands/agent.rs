//! The agent that a command uses.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Error, Result, anyhow, bail};
use burn_pg::{
    Agent, CheckedConfig, Config, Decision, Evaluation,
    agent::{
        Moment,
        export::{self, Format, Layers},
        play,
    },
    burn::tensor::Device,
    config::{ConfigError, RunConfig},
    envs::{EnvOptions, EnvSpec, VectorEnv},
    evaluate_episodes,
    run::{
        checkpoint::Checkpoint,
        directory::{RunDir, RunDirError},
    },
};

use crate::{
    commands::{how_to_go_on::how_to_go_on, newest::newest},
    network::Saved,
    registry::Registry,
    tell::tell,
};

/// A run directory, and the choice of one of its policies.
#[derive(clap::Args)]
pub struct AgentArgs {
    /// Use the agent of this run directory, which `train` or `import` has written
    pub run_dir: PathBuf,
    /// Use the policy of the checkpoint of this update, such as 120, or of the `best` checkpoint [default: the policy
    /// at the end of the run, or that of the newest checkpoint if the run has not ended]
    #[arg(long, value_name = "UPDATE|best", allow_negative_numbers = true)]
    pub at: Option<At>,
    /// Run an environment of Python with this interpreter, a path or a name on PATH [default: that of the run, or else of
    /// BURN_PG_PYTHON, of the virtual environment, or python3]
    #[arg(long, value_name = "PYTHON")]
    pub python: Option<String>,
}

/// The settings of a run, its agent, and an environment for it.
pub type Watched = (CheckedConfig, Box<dyn AnyAgent>, Box<dyn VectorEnv>);

/// The operations that commands need from an agent. It hides the type of the policy.
pub trait AnyAgent {
    fn spec(&self) -> &EnvSpec;
    fn set_env_options(&mut self, options: EnvOptions);
    fn make_envs(&self, num_envs: usize) -> Result<Box<dyn VectorEnv>, burn_pg::Error>;
    fn decide(&self, observation: &[f32], state: Option<&[f32]>) -> Result<Decision, burn_pg::Error>;
    fn evaluate(
        &self,
        envs: Box<dyn VectorEnv>,
        episodes: usize,
        seed: u64,
        stochastic: bool,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Evaluation, burn_pg::Error>;
    fn play(
        &self,
        env: Box<dyn VectorEnv>,
        seed: u64,
        stochastic: bool,
        episodes: usize,
        watch: &mut (dyn FnMut(&Moment<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), burn_pg::Error>;
    fn export(&self, format: Format) -> Result<Vec<u8>, burn_pg::Error>;
}

impl<P: Layers> AnyAgent for Agent<P> {
    fn spec(&self) -> &EnvSpec {
        self.spec()
    }

    fn set_env_options(&mut self, options: EnvOptions) {
        self.set_env_options(options);
    }

    fn make_envs(&self, num_envs: usize) -> Result<Box<dyn VectorEnv>, burn_pg::Error> {
        self.make_envs(num_envs)
    }

    fn decide(&self, observation: &[f32], state: Option<&[f32]>) -> Result<Decision, burn_pg::Error> {
        self.decide(observation, &[], state)
    }

    fn evaluate(
        &self,
        envs: Box<dyn VectorEnv>,
        episodes: usize,
        seed: u64,
        stochastic: bool,
        progress: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Evaluation, burn_pg::Error> {
        evaluate_episodes(self, envs, episodes, seed, stochastic, progress)
    }

    fn play(
        &self,
        env: Box<dyn VectorEnv>,
        seed: u64,
        stochastic: bool,
        episodes: usize,
        watch: &mut (dyn FnMut(&Moment<'_>) -> ControlFlow<()> + Send),
    ) -> Result<(), burn_pg::Error> {
        play(self, env, seed, stochastic, episodes, watch)
    }

    fn export(&self, format: Format) -> Result<Vec<u8>, burn_pg::Error> {
        export::bytes(self, format)
    }
}

/// A checkpoint of a run.
#[derive(Debug, Clone, Copy)]
pub enum At {
    Update(u64),
    Best,
}

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "best" => Ok(Self::Best),
            number => {
                number.parse().map(Self::Update).map_err(|_| "expected the number of an update, such as 120, or `best`")
            }
        }
    }
}

/// A policy of a run, not yet loaded onto a device.
pub struct Selected {
    dir: RunDir,
    /// `None` for the policy at the end of the run.
    checkpoint: Option<Checkpoint>,
    /// The settings that it was trained with.
    pub config: CheckedConfig,
}

impl Selected {
    /// Selects the policy at the end of the run, or of its newest checkpoint if it has not ended.
    pub fn newest(run_dir: &Path) -> Result<Self> {
        AgentArgs { run_dir: run_dir.into(), at: None, python: None }.select()
    }

    /// Returns where the policy is saved.
    pub fn saved(&self) -> Saved<'_> {
        match &self.checkpoint {
            Some(checkpoint) => Saved::Checkpoint(checkpoint),
            None => Saved::Dir(&self.dir),
        }
    }
}

/// Refuses a run that did not learn from environments.
pub fn refuse_other_sources(config: &Config, run_dir: &Path) -> Result<()> {
    match &config.run.source {
        None => Ok(()),
        Some(source) => {
            bail!(
                "{} is a run on {source}, and not on environments; runs on texts are for `burn-pg lm`",
                run_dir.display()
            )
        }
    }
}

impl AgentArgs {
    /// Returns the settings of the run, its agent on `device`, and one environment that can be drawn, if any can.
    pub fn open_to_watch(&self, registry: &Registry, device: &Device) -> Result<Watched> {
        let (config, mut agent) = self.open(registry, device)?;
        agent.set_env_options(EnvOptions { render: true, ..agent.spec().options.clone() });
        let env = agent.make_envs(1)?;
        Ok((config, agent, env))
    }

    /// Returns the settings of the run, and its agent on `device`.
    pub fn open(&self, registry: &Registry, device: &Device) -> Result<(CheckedConfig, Box<dyn AnyAgent>)> {
        let selected = self.select()?;
        let network = registry.network(&selected.config).map_err(|error| unknown_network(&error, &self.run_dir))?;
        let mut agent = network.agent(selected.saved(), device)?;
        let options = selected.config.env.options();
        let python = self.python.clone().or(options.python);
        agent.set_env_options(EnvOptions { python, ..options });
        Ok((selected.config, agent))
    }

    pub fn select(&self) -> Result<Selected> {
        let dir = RunDir::open(&self.run_dir);
        dir.check()?;
        let checkpoint = self.checkpoint(&dir)?;
        let config = match &checkpoint {
            Some(checkpoint) => {
                warn_of_other_settings(&dir, checkpoint.config(), "checkpoint");
                checkpoint.config().clone()
            }
            None => settings(&dir)?,
        };
        refuse_other_sources(&config, &self.run_dir)?;
        Ok(Selected { dir, checkpoint, config: config.validate()? })
    }

    /// Returns the selected checkpoint; `None` for the policy at the end of the run.
    fn checkpoint(&self, dir: &RunDir) -> Result<Option<Checkpoint>> {
        let checkpoints = dir.checkpoints();
        let update = match self.at {
            Some(At::Update(update)) => update,
            Some(At::Best) => match checkpoints.best()? {
                Some(best) => best.update,
                None => bail!(
                    "{} has no best checkpoint: none was evaluated during training (`checkpoint.episodes`), or it was removed",
                    dir.path().display()
                ),
            },
            None if dir.policy_path().exists() => return Ok(None),
            // The run has not ended, or was killed.
            None => {
                let Some(checkpoint) = newest(&checkpoints)? else {
                    let no_policy = RunDirError::NoPolicy(dir.path().into());
                    bail!("{no_policy}, and there is no checkpoint; train to its end with: {}", how_to_go_on(dir));
                };
                let why = if dir.has_summary() { "policy.safetensors is gone" } else { "the run has not ended" };
                tell(format_args!("{why}; this is its policy after update {}", checkpoint.updates()));
                return Ok(Some(checkpoint));
            }
        };
        Ok(Some(checkpoints.load(update)?))
    }
}

/// Returns the error for a run with a kind of network that this program does not have.
pub fn unknown_network(error: &ConfigError, run_dir: &Path) -> Error {
    anyhow!("{error} (in {}); use the program that trained the run: it has this kind of network", run_dir.display())
}

/// Returns the settings of the policy at the end of a run. Warns if `config.toml` has other ones, or if the policy was
/// saved without settings, so that those of `config.toml` are used.
fn settings(dir: &RunDir) -> Result<Config> {
    let (policy, config) = (dir.policy_path(), dir.config_path());
    if !policy.exists() {
        return Ok(dir.config()?);
    }
    let Some(saved) = dir.policy_config()? else {
        tell(format_args!(
            "warning: {} does not say which settings it was trained with; those of {} are used",
            policy.display(),
            config.display()
        ));
        return Ok(dir.config()?);
    };
    warn_of_other_settings(dir, &saved, "policy");
    Ok(saved)
}

/// Warns if `config.toml` has other settings than a policy, or cannot be read. Step count, device and threads may have
/// changed since.
fn warn_of_other_settings(dir: &RunDir, saved: &Config, what: &str) {
    let comparable = |config: &Config| {
        config.clone().with(|config| {
            config.run =
                RunConfig { seed: config.run.seed, target_return: config.run.target_return, ..RunConfig::default() };
        })
    };
    match dir.config() {
        Ok(written) if comparable(&written) == comparable(saved) => {}
        Ok(_) => tell(format_args!(
            "warning: {} has other settings than the {what}; those of the {what} are used",
            dir.config_path().display()
        )),
        Err(error) => tell(format_args!("warning: {:#}; the settings of the {what} are used", Error::from(error))),
    }
}
