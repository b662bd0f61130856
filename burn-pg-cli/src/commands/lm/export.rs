//! `burn-pg lm export`

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, bail};
use burn_pg::{
    run::RunDir,
    storage::tensors::{from_bytes, into_module, of_module},
};
use burn_pg_lm::task::{
    Policy,
    figures::{save_adapters, save_policy, save_scorer, save_scorer_adapters},
};

use super::{host, settings::of_run};
use crate::{failure::Failure, output::print_line};

/// Save the model of a run as a folder that `transformers` reads
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 if the model was saved, 2 if the run is refused.")]
pub struct Args {
    /// The directory of the run
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// The folder to save the model in
    #[arg(value_name = "OUT")]
    out: PathBuf,
    /// Save the adapters alone (of a reward model, with its head), as PEFT reads them, instead of adding them to the weights; only of Llama
    /// models
    #[arg(long)]
    adapters: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    export(args).map_err(Failure::refused)?;
    print_line(format_args!("saved in {}", args.out.display()))
}

fn export(args: &Args) -> Result<()> {
    let settings = of_run(&args.run)?;
    let Some(base) = settings.task.model() else {
        bail!(
            "the model of a finished run is in its folder `model` already; of one that is not finished, resume it first"
        );
    };
    let path = RunDir::open(&args.run).policy_path();
    let bytes =
        fs::read(&path).with_context(|| format!("{} cannot be read: the run has not ended yet", path.display()))?;
    let tensors = from_bytes(&bytes).with_context(|| path.display().to_string())?;
    if args.out.exists() && fs::read_dir(&args.out).map_or(true, |mut entries| entries.next().is_some()) {
        bail!("{} is already used; choose a folder that is empty or does not exist", args.out.display());
    }
    let lora = match (args.adapters, &settings.lora) {
        (true, None) => bail!("the run has no adapters: all of its weights were trained"),
        (true, lora) => lora.as_ref(),
        (false, _) => None,
    };
    let (policy, around) = settings.policy(&host()?)?;
    match policy {
        Policy::Text(policy) => {
            let expected = of_module(&policy)?;
            let policy = into_module(policy, tensors, &expected)?;
            match lora {
                Some(lora) => Ok(save_adapters(&policy, lora, base, &args.out)?),
                None => Ok(save_policy(&policy, &around, &args.out)?),
            }
        }
        Policy::Scorer(scorer) => {
            let expected = of_module(&scorer)?;
            let scorer = into_module(scorer, tensors, &expected)?;
            match lora {
                Some(lora) => Ok(save_scorer_adapters(&scorer, lora, base, &args.out)?),
                None => Ok(save_scorer(&scorer, &around, &args.out)?),
            }
        }
    }
}
