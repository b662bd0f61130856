//! `burn-pg export`

use std::path::PathBuf;

use anyhow::Result;
use burn_pg::{
    DeviceChoice,
    agent::export::{self, Format},
    device,
};

use crate::{
    commands::agent::AgentArgs, failure::Failure, new_file::check_new_file, output::print_line, registry::Registry,
};

/// Export the agent of a run directory to a file that other programs run or load
///
/// The exported model turns observations, as the environment gives them, into the actions that `eval` takes: it
/// contains the normaliser and the bounds of continuous actions. docs/export.md lists inputs, outputs and names.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    agent: AgentArgs,
    /// Write `onnx`, a graph that onnxruntime runs, or `safetensors`, weights that PyTorch loads
    #[arg(long)]
    format: Format,
    /// Write to this file, such as policy.onnx
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    force: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let bytes = prepare(args, registry).map_err(Failure::refused)?;
    export::write(&bytes, &args.out, args.force).map_err(Failure::usage)?;
    print_line(format_args!("saved in {} ({}, {} bytes)", args.out.display(), args.format, bytes.len()))
}

fn prepare(args: &Args, registry: &Registry) -> Result<Vec<u8>> {
    let run = std::slice::from_ref(&args.agent.run_dir);
    check_new_file("a policy", "policy.onnx", &args.out, run, args.force)?;
    // The exported weights do not depend on the device.
    let device = device::open(DeviceChoice::Auto)?;
    let (_, agent) = args.agent.open(registry, &device.device)?;
    Ok(agent.export(args.format)?)
}
