//! `burn-pg lm plan`

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use burn_pg_lm::{
    plan::{Lengths, Shapes, TextPlan, available_memory},
    task::{
        Settings, Task,
        settings::{RewardKind, RewardSpec},
    },
};
use serde_json::json;

use super::settings::{Given, SettingsArgs, paths};
use crate::{failure::Failure, output::print_line};

/// Show how much memory a run would take, by part and by phase, without loading any weights
///
/// Reads only config.json of MODEL, and with DATA also its tokenizer.
#[derive(clap::Args)]
#[command(
    after_help = "Exit codes: 0 if the run fits, or if the available memory is not known, 1 if it does not fit, 2 if the settings are \
                        refused."
)]
pub struct Args {
    /// What is learned
    #[arg(value_name = "TASK", value_parser = ["pretrain", "sft", "reward", "dpo", "rl"])]
    task: String,
    /// The folder of the model
    #[arg(value_name = "MODEL")]
    model: Option<PathBuf>,
    /// The data; without it, texts are as long as the context of the model, or as --longest says
    #[arg(value_name = "DATA")]
    data: Option<PathBuf>,
    /// Assume that all prompts (`rl`) or all texts have N tokens [default: as in DATA, or as the context allows]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = crate::numbers::whole::<usize>(1..=1 << 30, 256))]
    longest: Option<usize>,
    /// A reward, as for `lm rl`; of a model, only config.json (or adapter_config.json) is needed
    #[arg(long = "reward", value_name = "REWARD", value_parser = super::settings::reward)]
    rewards: Vec<toml::Value>,
    /// Start from the settings of a published algorithm (`rl`); `lm presets` lists them
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let plan = planned(args).map_err(Failure::Usage)?;
    let available = available_memory();
    let misfit = plan.check(available).err();
    if args.json {
        print_line(json!({ "plan": plan, "available": available, "fits": available.map(|_| misfit.is_none()) }))?;
    } else {
        let verdict = match (&misfit, available) {
            (Some(misfit), _) => format!("it does not fit: {misfit}"),
            (None, Some(available)) => format!("{:<20} {available:>12} {:>18}   it fits", "available", available.0),
            (None, None) => "the available memory is not known on this system".into(),
        };
        print_line(format_args!("{plan}\n{verdict}"))?;
    }
    match misfit {
        None => Ok(()),
        Some(_) => Err(Failure::Run(anyhow!("the run does not fit into the available memory"))),
    }
}

fn planned(args: &Args) -> Result<TextPlan> {
    let mut named = paths(&[("task.model", &args.model), ("task.data", &args.data)]);
    if !args.rewards.is_empty() {
        named.push(("task.rewards", args.rewards.clone().into()));
    }
    let kind = Task::KINDS.into_iter().find(|kind| *kind == args.task);
    let kind = kind.context("a kind of task")?;
    let given = Given { kind, preset: args.preset.as_deref(), from: &args.settings, named, watched: &[] };
    let mut settings = given.resolve()?;
    if let Task::Rl(task) = &mut settings.task
        && task.rewards.is_empty()
    {
        // Any rule: it takes no memory.
        task.rewards.push(RewardSpec { weight: 1.0, name: None, kind: RewardKind::Words { target: 1.0 } });
    }
    settings.validate()?;
    Ok(TextPlan::of(&settings, &shapes(args, &settings)?))
}

fn shapes(args: &Args, settings: &Settings) -> Result<Shapes> {
    let shapes = settings.shapes()?;
    Ok(match args.longest {
        None => shapes,
        Some(longest) => {
            // What a task does not have stays empty.
            let all =
                |lengths: &Lengths| if lengths.longest() > 0 { Lengths::all(longest) } else { Lengths::default() };
            let [prompts, texts, completions] = [&shapes.prompts, &shapes.texts, &shapes.completions].map(all);
            Shapes { prompts, texts, completions, ..shapes }
        }
    })
}
