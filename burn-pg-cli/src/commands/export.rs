//! `burn-pg export`

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn_pg::{
    DeviceChoice,
    agent::export::{self, ExportError, Format},
    device,
    run::directory::RunDir,
};

use crate::{commands::agent::AgentArgs, failure::Failure, output::print_line, registry::Registry};

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
    check_target(&args.agent.run_dir, &args.out).map_err(Failure::Usage)?;
    let bytes = prepare(args, registry).map_err(Failure::refused)?;
    export::write(&bytes, &args.out, args.force).map_err(Failure::usage)?;
    print_line(format_args!("{} bytes of {} in {}", bytes.len(), args.format, args.out.display()))
}

fn prepare(args: &Args, registry: &Registry) -> Result<Vec<u8>> {
    if args.out.exists() && !args.force {
        bail!("{}; --force replaces it", ExportError::Exists(args.out.clone()));
    }
    // The exported weights do not depend on the device.
    let device = device::open(DeviceChoice::Auto)?;
    let (_, agent) = args.agent.open(registry, &device.device)?;
    Ok(agent.export(args.format)?)
}

/// Refuses stdout, files of the run itself, and paths that are not regular files.
fn check_target(run_dir: &Path, out: &Path) -> Result<()> {
    if out == Path::new("-") {
        bail!("--out -: a policy is not written to stdout; name a file, such as policy.onnx");
    }
    let folder = match out.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => bail!("{} is not a file; name one, such as policy.onnx", out.display()),
    };
    // Devices, pipes and links are not replaced.
    if out.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        bail!("{} exists and is not a regular file, so it is not replaced; name another file", out.display());
    }
    let name_is_own = out.file_name().is_some_and(|name| RunDir::FILES.iter().any(|own| *own == name));
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let within = |inner: &Path, outer: PathBuf| match (inner.canonicalize(), outer.canonicalize()) {
        (Ok(inner), Ok(outer)) => inner.starts_with(outer),
        _ => false,
    };
    if (name_is_own && same(folder, run_dir)) || within(folder, run_dir.join("checkpoints")) {
        bail!("{} belongs to the run itself; choose another name", out.display());
    }
    Ok(())
}
