//! `burn-pg import`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn_pg::{
    Agent, Config, DeviceChoice,
    agent::import::PolicyFile,
    device,
    envs::make,
    policy::Activation,
    run::directory::{RunDir, read_normalizer},
};
use clap::ValueEnum;
use serde_json::json;

use crate::{failure::Failure, output::print_line, registry::listed};

/// Make a run directory from a policy that was exported, or that Stable-Baselines3 has trained
///
/// The file is one that `export --format safetensors` has written, or the state dict of an MlpPolicy of Stable-Baselines3, as
/// `safetensors.torch.save_file(model.policy.state_dict(), "policy.safetensors")` writes it. `eval`, `act` and `export` then
/// use it like any other run.
#[derive(clap::Args)]
pub struct Args {
    /// Read the exported policy or the state dict from this file
    file: PathBuf,
    /// Name the environment that the policy was trained in, such as CartPole-v1; `envs` lists them
    #[arg(long)]
    env: String,
    /// Write the run to this directory, which must be empty or not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Apply this activation after each hidden layer; a state dict does not contain it [default: tanh, or that of an exported
    /// policy]
    #[arg(long)]
    activation: Option<Follows>,
    /// Normalise observations with the statistics in this file, which has the format of normalizer.json in a run directory
    /// [default: no normalisation, or that of an exported policy]
    #[arg(long, value_name = "FILE.json")]
    normalizer: Option<PathBuf>,
}

/// An activation by its name.
#[derive(Clone, Copy, ValueEnum)]
enum Follows {
    Tanh,
    Relu,
    Silu,
}

impl From<Follows> for Activation {
    fn from(name: Follows) -> Self {
        match name {
            Follows::Tanh => Self::Tanh,
            Follows::Relu => Self::Relu,
            Follows::Silu => Self::Silu,
        }
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (agent, config) = prepare(args).map_err(Failure::Usage)?;
    let dir = RunDir::create(&args.out).map_err(Failure::usage)?;
    let _lock = dir.lock().map_err(Failure::usage)?;
    let write = || -> Result<()> {
        dir.write_config(&config)?;
        agent.save(&dir)?;
        let from = args.file.to_string_lossy();
        dir.write_summary(
            &json!({ "env": config.env.name, "imported_from": from, "hidden_sizes": config.network.hidden_sizes }),
        )?;
        Ok(())
    };
    write().map_err(Failure::Run)?;
    print_line(format_args!(
        "{}, hidden layers {:?}, in {}",
        config.env.name,
        config.network.hidden_sizes,
        args.out.display()
    ))
}

/// Reads the policy, and refuses what does not fit before anything is written.
fn prepare(args: &Args) -> Result<(Agent, Config)> {
    let envs = make(&args.env, 1).map_err(listed)?;
    let spec = envs.spec().clone();
    let device = device::open(DeviceChoice::Auto)?;
    if args.file.is_dir() {
        let run = args.file.display();
        bail!("{run} is a directory; if it is a run, `eval`, `act` and `train --init-from {run}` use it as it is");
    }
    let file = PolicyFile::read(&args.file)?;
    if file.is_normalized() && args.normalizer.is_some() {
        bail!("{} contains a normaliser; leave out --normalizer", args.file.display());
    }
    let imported = file.import(&spec, args.activation.map(Activation::from), &device.device)?;
    let given = args.normalizer.as_deref().map(read_normalizer).transpose()?;
    let normalizer = given.or(imported.normalizer);
    let mut config = Config::default();
    config.env.name.clone_from(&args.env);
    config.env.normalize_observations = normalizer.is_some();
    config.network = imported.network;
    config.clone().validate()?;
    // Refuses statistics of another environment, and values that are not finite.
    let agent = Agent::new(imported.policy, spec, normalizer);
    let agent = match &args.normalizer {
        Some(path) => agent.with_context(|| format!("{} is not a normaliser for {}", path.display(), args.env))?,
        None => agent?,
    };
    Ok((agent, config))
}
