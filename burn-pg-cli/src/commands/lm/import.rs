//! `burn-pg lm import`

use std::{fs, path::PathBuf};

use anyhow::{Result, bail};
use burn_pg_lm::{model::LanguageModel, reward::Adapted};

use super::host;
use crate::{failure::Failure, output::print_line};

/// Check a model of Hugging Face, and save it in single precision, with adapters of PEFT added to its weights
///
/// Models in half precision and in several files are read as they are; an import is needed only for adapters, or to see
/// whether a model is supported.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 if the model was saved, 2 if it is refused.")]
pub struct Args {
    /// The folder of the model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The folder to save it in
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// A folder with adapters of PEFT, also of a reward model: adapter_config.json and adapter_model.safetensors; only for Llama models
    #[arg(long, value_name = "FOLDER")]
    adapters: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    import(args).map_err(Failure::refused)
}

fn import(args: &Args) -> Result<()> {
    if args.out.exists() && fs::read_dir(&args.out).map_or(true, |mut entries| entries.next().is_some()) {
        bail!("{} is already used; choose a folder that is empty or does not exist", args.out.display());
    }
    let model = LanguageModel::load(&args.model, &host()?)?;
    let parameters = model.transformer.shape().parameters();
    let adapted = match &args.adapters {
        Some(folder) => Adapted::load(model, folder)?,
        None => Adapted::Policy(model),
    };
    fs::create_dir_all(&args.out)?;
    match adapted {
        Adapted::Policy(model) => model.save(&args.out)?,
        Adapted::Reward(model) => model.save(&args.out)?,
    }
    print_line(format_args!("{parameters} weights saved in {}", args.out.display()))
        .map_err(|_| anyhow::anyhow!("stdout cannot be written"))
}
