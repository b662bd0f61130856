//! `burn-pg devices`

use burn_pg::device::{self, Adapter, AdapterKind, Backend};
use serde_json::json;

use crate::{comparison::kept, failure::Failure, output::print_line};

/// List the backends of this build, the adapters they find, and the one that `auto` picks
#[derive(clap::Args)]
pub struct Args {
    /// Print them as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let auto = device::auto().ok();
    let measured = kept().filter(|_| auto.is_some_and(|auto| !auto.is_cpu())).map(|report| report.date);
    let backends: Vec<(Backend, Vec<Adapter>)> =
        Backend::ALL.into_iter().map(|backend| (backend, backend.adapters())).collect();
    if args.json {
        let backends: Vec<_> = backends
            .iter()
            .map(|(backend, adapters)| {
                json!({ "backend": backend, "compiled": backend.is_compiled(), "adapters": adapters })
            })
            .collect();
        print_line(json!({ "auto": auto, "measured": measured, "backends": backends }))?;
        return Ok(());
    }
    for (backend, adapters) in backends {
        let state = match (backend.is_compiled(), adapters.is_empty()) {
            (false, _) => format!("not compiled in (build with `--features {backend}`)"),
            (true, true) => "no adapter found".into(),
            (true, false) => adapters.iter().map(describe).collect::<Vec<_>>().join(", "),
        };
        let mark = if Some(backend) == auto { "  <- auto" } else { "" };
        print_line(format_args!("{:<8} {state}{mark}", backend.name()))?;
    }
    if let Some(date) = measured {
        print_line(format_args!(
            "auto: that GPU or the CPU, whichever `bench devices` found to be faster for the size of a run ({date})"
        ))?;
    }
    Ok(())
}

fn describe(adapter: &Adapter) -> String {
    match adapter.kind {
        AdapterKind::Cpu | AdapterKind::Gpu => adapter.name.clone(),
        AdapterKind::Software => format!("{} (software)", adapter.name),
        AdapterKind::Broken => format!("{} (cannot be opened)", adapter.name),
    }
}
