//! `burn-pg lm`

mod sample;

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
    Sample(sample::Args),
}

pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.what {
        What::Sample(args) => sample::run(args),
    }
}
