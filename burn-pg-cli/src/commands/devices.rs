//! `burn-pg devices`

use burn_pg::device::{self, Adapter, AdapterKind, Backend};
use serde_json::json;

use crate::failure::Failure;

/// List the backends of this build, the adapters they find, and what `auto` picks
#[derive(clap::Args)]
pub struct Args {
    /// Print them as one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let auto = device::auto().map_err(Failure::usage)?;
    let backends: Vec<(Backend, Vec<Adapter>)> =
        Backend::ALL.into_iter().map(|backend| (backend, backend.adapters())).collect();
    if args.json {
        let backends: Vec<_> = backends
            .iter()
            .map(|(backend, adapters)| {
                json!({ "backend": backend, "compiled": backend.is_compiled(), "adapters": adapters })
            })
            .collect();
        println!("{}", json!({ "auto": auto, "backends": backends }));
        return Ok(());
    }
    for (backend, adapters) in backends {
        let state = match (backend.is_compiled(), adapters.is_empty()) {
            (false, _) => format!("not compiled in (add with `--features {backend}`)"),
            (true, true) => "no adapter found".into(),
            (true, false) => adapters.iter().map(describe).collect::<Vec<_>>().join(", "),
        };
        let mark = if backend == auto { "  <- auto" } else { "" };
        println!("{:<8} {state}{mark}", backend.name());
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
