//! `burn-pg plan`

use anyhow::{Context, Result, anyhow};
use burn_pg::{
    CheckedConfig, MemoryPlan, available_memory,
    device::{self, OpenDevice},
    envs::EnvSpec,
    plan::{Available, Bytes, DoesNotFit, Part},
};
use serde_json::{Map, Value, json};

use crate::{
    comparison::{Picked, on, pick},
    failure::Failure,
    output::print_line,
    program,
    registry::Registry,
    settings::{Resolved, Settings},
};

/// Show how much memory `train` needs with the same settings, by part and by phase, without allocating it
#[derive(clap::Args)]
#[command(
    override_usage = program::command("plan <ENV> [OPTIONS]"),
    after_help = "Exit codes: 0 if the run fits, or if the available memory is not known, 1 if it does not fit, 2 if the \
                  settings are refused."
)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Print one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let planned = Planned::new(&args.settings, registry).map_err(Failure::Usage)?;
    if args.json {
        print_line(planned.json())?;
    } else {
        let Planned { config, preset, plan, .. } = &planned;
        let (env, algo, device) = (&config.env.name, config.algorithm.algo(), config.run.device);
        let why = planned.why.as_ref().map_or_else(String::new, |why| format!("\ndevice auto: {why}"));
        print_line(format_args!("{env}, {algo} ({preset}), device {device}{why}\n\n{plan}\n{}", planned.verdict()))?;
    }
    match planned.misfit() {
        None => Ok(()),
        Some(_) => Err(Failure::Run(anyhow!("the run does not fit into the available memory"))),
    }
}

/// Refuses a run that needs more memory than is available, unless the user insists.
pub fn refuse_what_does_not_fit(
    insists: bool,
    config: &CheckedConfig,
    device: &OpenDevice,
    is_evaluated: bool,
) -> Result<()> {
    if insists {
        return Ok(());
    }
    let spec = config.env.spec()?;
    let plan = planned(config, &spec, is_evaluated);
    plan.check(config, &spec, available(Some(device)))
        .context("the run is refused (--ignore-memory starts it all the same)")
}

/// Freed memory that the allocator keeps: 28 to 40 MiB were measured, in small runs and large ones.
const KEPT_BY_ALLOCATOR: u64 = 40 << 20;

/// Returns the memory that a plan may use.
fn available(device: Option<&OpenDevice>) -> Available {
    let all = device.map_or_else(|| available_memory().into(), Available::on);
    let host = all.host.map(|Bytes(bytes)| Bytes(bytes.saturating_sub(KEPT_BY_ALLOCATOR)));
    Available { host, ..all }
}

fn planned(config: &CheckedConfig, spec: &EnvSpec, is_evaluated: bool) -> MemoryPlan {
    let plan = MemoryPlan::of(config, spec);
    if is_evaluated { plan.with_checkpoints(config, spec).with_evaluation(config, spec) } else { plan }
}

/// A run, its memory plan, and the available memory.
struct Planned {
    config: CheckedConfig,
    preset: String,
    spec: EnvSpec,
    plan: MemoryPlan,
    /// Why `auto` stands for the device; `None` if there was no choice.
    why: Option<String>,
    available: Available,
    /// Why the device was not opened, so that its limits are not known.
    unchecked: Option<String>,
}

impl Planned {
    /// Plans for any device, whether this machine has it or not.
    fn new(settings: &Settings, registry: &Registry) -> Result<Self> {
        let Resolved { config, preset, .. } = settings.resolve(registry)?;
        let Picked { backend, why } = pick(&config)?;
        let config = on(&config, backend)?;
        let spec = config.env.spec()?;
        config.network.encoder.check(&spec)?;
        let plan = planned(&config, &spec, true);
        // The memory of a device is known only if this machine has it.
        let device = device::open(config.run.device);
        let unchecked = device.as_ref().err().map(ToString::to_string);
        Ok(Self { config, preset, spec, plan, why, available: available(device.ok().as_ref()), unchecked })
    }

    /// Returns why the run does not fit, if it does not.
    fn misfit(&self) -> Option<DoesNotFit> {
        self.plan.check(&self.config, &self.spec, self.available).err()
    }

    fn verdict(&self) -> String {
        let Available { host, device, .. } = self.available;
        let of_host = if self.plan.has_device_memory { "free on the host" } else { "available" };
        let lines = [(of_host, host), ("free on the device", device)];
        let lines = lines.into_iter().filter_map(|(name, bytes)| {
            let bytes = bytes?;
            Some(format!("{name:<20} {bytes:>12} {:>18}", bytes.0))
        });
        let mut lines: Vec<String> = lines.collect();
        if host.is_none() {
            lines.push("the available memory is not known on this system".into());
        }
        match &self.unchecked {
            Some(reason) => lines.push(format!("the limits of the device are not checked: {reason}")),
            None if self.plan.has_device_memory && device.is_none() => {
                lines.push("the memory of the device is not checked: its driver does not say how much there is".into());
            }
            None => {}
        }
        let lines = lines.join("\n");
        let what = if self.plan.has_device_memory { "\nwhat is known is enough: it fits" } else { "   it fits" };
        match (self.misfit(), host) {
            (None, None) => lines,
            (None, Some(_)) => format!("{lines}{what}"),
            (Some(error), _) => format!("{lines}\n\nit does not fit: {error}"),
        }
    }

    fn json(&self) -> Value {
        let (Self { config, plan, why, available, unchecked, .. }, misfit) = (self, self.misfit());
        let by_name = |(part, bytes): (Part, Bytes)| (part.name().replace(' ', "_"), Value::from(bytes.0));
        let phases: Vec<Value> = (plan.phases.iter())
            .map(|phase| {
                let parts: Map<String, Value> = phase.parts.clone().into_iter().map(by_name).collect();
                json!({ "name": phase.name, "bytes": phase.total(), "parts": parts })
            })
            .collect();
        let fixes = misfit.iter().flat_map(|error| &error.fixes);
        json!({
            "env": config.env.name,
            "algo": config.algorithm.algo(),
            "device": config.run.device,
            "why_device": why,
            "unknown_network": plan.unknown_network,
            "off_device": plan.off_device,
            "unfused": plan.unfused,
            "parts": plan.parts().into_iter().map(by_name).collect::<Map<String, Value>>(),
            "phases": phases,
            "peak": plan.peak().name,
            "bytes": plan.peak().total(),
            "bytes_on_host": plan.host_peak(),
            "bytes_on_device": plan.device_peak(),
            "largest_buffer": plan.largest_buffer.1,
            "available": available.host,
            "available_on_device": available.device,
            "available_in_buffer": available.buffer,
            "unchecked": unchecked,
            "fits": if misfit.is_some() { Some(false) } else { available.host.map(|_| true) },
            "fixes": fixes.map(|fix| json!({ fix.key: fix.value, "bytes": fix.needed })).collect::<Vec<_>>(),
        })
    }
}
