//! `burn-pg lm`

mod curve;
mod export;
mod import;
mod outcome;
mod plan;
mod presets;
mod sample;
mod score;
mod settings;
mod train;
mod watch;

use anyhow::Result;
use burn_pg::{
    burn::tensor::Device,
    device::{self, Backend, DeviceChoice},
};
use clap::Subcommand;

use crate::failure::Failure;

/// Work with language models in Hugging Face's folders: GPT-2 and Llama families
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Train a new language model on documents, or train an existing one further (--set task.model=FOLDER)
    Pretrain(train::PretrainArgs),
    /// Train a language model on demonstrations: supervised fine-tuning
    Sft(train::ExamplesArgs),
    /// Learn a reward model from preferences
    Reward(train::ExamplesArgs),
    /// Let a language model write, and train it to write what a reward scores highly
    Rl(train::RlArgs),
    /// Train a language model on preferences, without a reward model: direct preference optimisation
    Dpo(train::ExamplesArgs),
    Sample(sample::Args),
    Plan(plan::Args),
    Presets(presets::Args),
    Score(score::Args),
    Curve(curve::Args),
    Export(export::Args),
    Import(import::Args),
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        What::Pretrain(args) => args.run(),
        What::Sft(args) => args.run("sft"),
        What::Reward(args) => args.run("reward"),
        What::Rl(args) => args.run(),
        What::Dpo(args) => args.run("dpo"),
        What::Sample(args) => sample::run(args),
        What::Plan(args) => plan::run(args),
        What::Presets(args) => presets::run(args),
        What::Score(args) => score::run(args),
        What::Curve(args) => curve::run(args),
        What::Export(args) => export::run(args),
        What::Import(args) => import::run(args),
    }
}

/// Returns a device on the CPU, if this build has one: what needs no training needs no GPU.
fn host() -> Result<Device> {
    let on_cpu = Backend::compiled().into_iter().find(|backend| backend.is_cpu());
    Ok(device::open(on_cpu.map_or(DeviceChoice::Auto, DeviceChoice::Backend))?.device)
}
