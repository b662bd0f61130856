//! `burn-pg bench device`: the child process that measures one device. It prints what it measures, one JSON object a line.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use burn_pg::{
    DeviceChoice, DeviceError,
    device::{self, Adapter, Backend, OpenDevice},
    kernel::with_threads,
};
use serde::{Deserialize, Serialize};

use super::{figures::Grid, measure::Planned};
use crate::{
    comparison::{Figure, Kind},
    failure::Failure,
    output::print_while_read,
};

#[derive(clap::Args)]
pub struct Args {
    #[arg(long)]
    backend: DeviceChoice,
    /// Print the number of adapters if none is given
    #[arg(long)]
    adapter: Option<usize>,
    #[arg(long)]
    seconds: u64,
    #[arg(long)]
    quick: bool,
}

/// A line that the child process prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The number of adapters of the backend.
    Adapters(usize),
    /// The device is open, and this number of figures follows.
    Opened { adapter: Adapter, driver: Option<String>, figures: usize },
    /// A figure was measured.
    Figure(Figure),
}

/// Returns the backend that a user requests.
pub fn backend_of(choice: DeviceChoice) -> Result<Backend, DeviceError> {
    match choice {
        DeviceChoice::Auto => device::auto(),
        DeviceChoice::Backend(backend) => Ok(backend),
    }
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let backend = backend_of(args.backend).map_err(Failure::usage)?;
    let Some(index) = args.adapter else { return say(&Line::Adapters(backend.num_adapters())).map(|_| ()) };
    let device = device::open_adapter(backend, index).map_err(Failure::usage)?;
    with_threads(0, || measure(&device, Duration::from_secs(args.seconds), args.quick))
}

fn say(line: &Line) -> Result<ControlFlow<()>, Failure> {
    print_while_read(serde_json::to_string(line).map_err(Failure::run)?)
}

/// Measures all figures, in about `limit`. Ends early if nobody reads the lines.
fn measure(device: &OpenDevice, limit: Duration, quick: bool) -> Result<(), Failure> {
    let figures = Grid::new(device.backend, quick).figures();
    let mut flow = say(&Line::Opened { adapter: device.adapter(), driver: device.driver(), figures: figures.len() })?;
    let end = Instant::now() + limit;
    let mut weight: f64 = figures.iter().map(Planned::weight).sum();
    let mut known: Option<Known> = None;
    for planned in figures {
        if flow.is_break() {
            break;
        }
        // What earlier figures have left over is for the later ones.
        let left = end.saturating_duration_since(Instant::now());
        let limit = if weight > 0.0 { left.mul_f64(planned.weight() / weight) } else { left };
        weight -= planned.weight();
        let (kind, cost, name, size) = (planned.kind, planned.cost, planned.name.clone(), planned.size);
        let estimate = known.as_ref().filter(|known| known.kind == kind).map(|known| known.estimate(cost));
        let (outcome, iteration) = planned.measure(&device.device, limit, estimate);
        if let Some(seconds) = iteration {
            known = Some(Known { kind, cost, seconds });
        }
        flow = say(&Line::Figure(Figure { kind, name, size, unit: kind.unit().into(), outcome }))?;
    }
    Ok(())
}

/// The last figure whose time is known.
struct Known {
    kind: Kind,
    cost: f64,
    /// The time of one iteration.
    seconds: f64,
}

impl Known {
    /// Estimates the time of an iteration from its cost.
    fn estimate(&self, cost: f64) -> f64 {
        self.seconds * cost / self.cost
    }
}
