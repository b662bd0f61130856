//! `burn-pg lm score`

use std::path::PathBuf;

use burn_pg::burn::module::Module;
use burn_pg_lm::{
    Texts, data,
    learning::{StoredPairs, scores},
    reward::RewardModel,
    task::{Encoder, figures::of_scorer},
};
use serde_json::json;

use super::{host, outcome::pairs};
use crate::{failure::Failure, output::print_line};

/// Texts that are read at once.
const ROWS: usize = 16;

/// Score texts with a reward model, or see how well it predicts preferences
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 if the texts were scored, 2 if the model or the data is refused.")]
pub struct Args {
    /// The folder of the reward model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// JSON lines with `prompt` and `completion`, or with `messages`; with --pairs, `prompt`, `chosen` and `rejected`. A text may be a list of turns
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Compare the scores of chosen and rejected texts
    #[arg(long)]
    pairs: bool,
    /// Print JSON: one object for each text, or one for all pairs
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let model = RewardModel::load(&args.model, &host().map_err(Failure::refused)?).map_err(Failure::usage)?;
    let encoder =
        Encoder::new(&model.config, &model.tokenizer, model.template.as_ref()).map_err(Failure::usage)?.for_scores();
    let scorer = model.scorer.valid();
    if args.pairs {
        let read = data::pairs(&args.data).map_err(Failure::usage)?;
        let held_out = StoredPairs { pairs: encoder.pairs(&read).map_err(Failure::usage)?, ..StoredPairs::default() };
        let figures =
            serde_json::to_value(of_scorer(&scorer, &held_out).map_err(Failure::of)?).map_err(Failure::run)?;
        return if args.json { print_line(figures) } else { print_line(pairs(&figures)) };
    }
    let read = data::demonstrations(&args.data).map_err(Failure::usage)?;
    let texts: Texts = encoder.demonstrations(&read).map_err(Failure::usage)?.texts;
    for score in scores(&scorer, &texts, ROWS).map_err(Failure::of)? {
        match args.json {
            true => print_line(json!({ "score": score }))?,
            false => print_line(format_args!("{score:.6}"))?,
        }
    }
    Ok(())
}
