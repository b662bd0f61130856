//! `burn-pg`: trains and evaluates policy-gradient agents from the command line.
#![forbid(unsafe_code)]

mod commands;
mod failure;
mod interrupt;
mod numbers;
mod output;
mod presets;
mod progress;
mod settings;
mod tell;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

/// Keeps freed memory of tensors for the next ones; the system's allocator may return it to the system each time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Train, evaluate and export policy-gradient agents on any CPU or GPU
#[derive(Parser)]
#[command(name = "burn-pg", bin_name = "burn-pg", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(commands::train::Args),
    Plan(commands::plan::Args),
    Eval(commands::eval::Args),
    Act(commands::act::Args),
    Export(commands::export::Args),
    Import(commands::import::Args),
    Envs(commands::envs::Args),
    EnvTrace(commands::env_trace::Args),
    Devices(commands::devices::Args),
    Bench(commands::bench::Args),
}

fn main() {
    // With this hook, a lost device ends a run instead of blocking it for ever.
    burn_pg::device::report_panics();
    let outcome = match Cli::parse().command {
        Command::Train(args) => commands::train::run(&args),
        Command::Plan(args) => commands::plan::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Act(args) => commands::act::run(&args),
        Command::Export(args) => commands::export::run(&args),
        Command::Import(args) => commands::import::run(&args),
        Command::Envs(args) => commands::envs::run(&args),
        Command::EnvTrace(args) => commands::env_trace::run(&args),
        Command::Devices(args) => commands::devices::run(&args),
        Command::Bench(args) => commands::bench::run(&args),
    };
    if let Err(failure) = outcome {
        failure.exit();
    }
}
