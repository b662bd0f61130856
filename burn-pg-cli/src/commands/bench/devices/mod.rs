//! `burn-pg bench devices`

pub mod child;
mod date;
mod figures;
mod files;
mod follow;
mod markdown;
mod measure;

use std::{path::PathBuf, process::Command, time::Duration, time::Instant};

use anyhow::{Context, Result, anyhow};
use burn_pg::{
    DeviceChoice, DeviceError,
    device::{self, Backend},
};

use self::{
    child::{Line, backend_of},
    date::today,
    files::Files,
    follow::follow,
    markdown::render,
};
use crate::{
    comparison::{Conditions, Measured, Report, keep},
    failure::Failure,
    numbers::whole,
    output::print_line,
    program::Again,
    progress::DeviceProgress,
    tell::tell,
};

/// The time for one device, in seconds.
const SECONDS: u64 = 100;
const QUICK_SECONDS: u64 = 40;

/// Time in which a child process must print a line, in addition to the time for its device. A driver may compile kernels
/// for minutes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measure every device of this machine and compare them: kernel launches, copies, matrix products, inference, updates and
/// training, and the number of environments from which a device is faster than the CPU. Print the result as Markdown
#[derive(clap::Args)]
#[command(
    after_help = "Each device is measured in a process of its own, so that a driver that crashes costs one column. \
                        Exit codes: 0 if a device was measured, 1 if none, 2 if the request is refused."
)]
pub struct Args {
    /// Measure fewer sizes and take less time
    #[arg(long)]
    quick: bool,
    /// Measure each device for about this number of seconds, and skip figures for which there is no time [default: 100, with
    /// --quick 40]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole::<u64>(1..=3_600, 100))]
    seconds: Option<u64>,
    /// Measure this device only: auto, flex, ndarray, wgpu, vulkan, metal, webgpu, cuda or rocm [default: all]
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Measure only the adapter with this index of --device, counted from 0 in the order of `devices` [default: all]
    #[arg(long, value_name = "N", requires = "device", allow_negative_numbers = true, value_parser = whole::<usize>(0..=255, 0))]
    adapter: Option<usize>,
    /// Write the result to this file, and as JSON to the file with the same name that ends in .json. Both are written after
    /// each device
    #[arg(long, value_name = "FILE.md")]
    out: Option<PathBuf>,
    /// Keep the devices that are already in the file of --out; measure the others, and those that failed
    #[arg(long = "continue", requires = "out")]
    continues: bool,
    /// Print one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let bench = Bench::new(args).map_err(Failure::Usage)?;
    let conditions = Conditions::new(args.quick, bench.seconds);
    let files = args.out.as_deref().map(Files::new).transpose().map_err(Failure::Usage)?;
    let earlier = files.as_ref().map(|files| files.earlier(&conditions, args.continues)).transpose();
    let earlier = earlier.map_err(Failure::Usage)?.flatten();
    let found = bench.found().map_err(Failure::Usage)?;

    let mut report = match earlier {
        Some(earlier) => Report { date: today(), ..earlier },
        None => Report::new(conditions, today()),
    };
    report.add_without_adapter(&found.without_adapter);
    let missing: Vec<Measured> = found.devices.into_iter().filter(|device| !report.is_complete_for(device)).collect();
    let mut progress = DeviceProgress::new(missing.len());
    for device in missing {
        report.insert(bench.measure(device, &mut progress));
        if let Some(files) = &files {
            files.write(&report).map_err(Failure::Run)?;
        }
    }
    progress.finish();
    match args.json {
        true => print_line(serde_json::to_string(&report).map_err(Failure::run)?)?,
        false => print_line(render(&report))?,
    }
    if let Some(files) = &files {
        tell(format_args!("written to {}", files.names()));
    }
    if args.device.is_none() {
        match keep(&report) {
            Ok(None) => {}
            Ok(Some(path)) => tell(format_args!("`--device auto` goes by it from now on: {}", path.display())),
            Err(error) => tell(format_args!("warning: `--device auto` will not know of it: {error:#}")),
        }
    }
    match report.devices.iter().any(|device| !device.figures.is_empty()) {
        true => Ok(()),
        false => Err(Failure::Run(anyhow!("no device could be measured"))),
    }
}

/// What is to be measured, and how.
struct Bench {
    program: Again,
    quick: bool,
    seconds: u64,
    /// The backend that is asked for; `None` for all.
    backend: Option<Backend>,
    /// The adapter that is asked for; `None` for all of the backend.
    adapter: Option<usize>,
}

/// The devices of this machine, without figures yet.
struct Found {
    devices: Vec<Measured>,
    without_adapter: Vec<Backend>,
}

impl Bench {
    fn new(args: &Args) -> Result<Self> {
        let backend = args.device.map(backend_of).transpose()?;
        if let Some(asked) = backend.filter(|backend| !backend.is_compiled()) {
            return Err(DeviceError::NotCompiled { asked, compiled: Backend::compiled() }.into());
        }
        let seconds = args.seconds.unwrap_or(if args.quick { QUICK_SECONDS } else { SECONDS });
        let program = Again::new().context("the path of this program is unknown")?;
        Ok(Self { program, quick: args.quick, seconds, backend, adapter: args.adapter })
    }

    /// Finds the devices. A driver that crashes while its adapters are counted is a device that failed.
    ///
    /// # Errors
    /// If the backend or the adapter that is asked for does not exist.
    fn found(&self) -> Result<Found> {
        let mut found = Found { devices: Vec::new(), without_adapter: Vec::new() };
        let backends = self.backend.map_or_else(Backend::compiled, |backend| vec![backend]);
        for backend in backends {
            match self.num_adapters(backend) {
                Err(reason) => {
                    found.devices.push(Measured { failure: Some(reason), ..Measured::new(backend, 0) });
                }
                Ok(0) => found.without_adapter.push(backend),
                Ok(adapters) => found.devices.extend((0..adapters).map(|index| Measured::new(backend, index))),
            }
        }
        found.devices.sort_by_key(Measured::position);
        let Some(backend) = self.backend else { return Ok(found) };
        // This process opens a device only for the message that it does not exist.
        if found.devices.is_empty() {
            device::open(DeviceChoice::Backend(backend))?;
        }
        if let Some(adapter) = self.adapter {
            found.devices.retain(|device| device.index == adapter || device.failure.is_some());
            if found.devices.is_empty() {
                device::open_adapter(backend, adapter)?;
            }
        }
        Ok(found)
    }

    /// Asks a child process for the number of adapters of a backend.
    fn num_adapters(&self, backend: Backend) -> Result<usize, String> {
        let mut adapters = Err("it does not say how many adapters there are".into());
        follow(self.child(backend), PATIENCE, &mut |line| {
            if let Line::Adapters(number) = line {
                adapters = Ok(number);
            }
        })?;
        adapters
    }

    /// Measures a device in a child process.
    fn measure(&self, device: Measured, progress: &mut DeviceProgress) -> Measured {
        if device.failure.is_some() {
            return device;
        }
        match device.backend.is_cpu() {
            true => progress.begin(device.backend),
            false => progress.begin(format_args!("{}, adapter {}", device.backend, device.index)),
        }
        let mut command = self.child(device.backend);
        command.args(["--adapter", &device.index.to_string()]);
        measured_by(command, PATIENCE + Duration::from_secs(self.seconds), device, progress)
    }

    /// Returns the command of the child process for a backend.
    fn child(&self, backend: Backend) -> Command {
        let mut command = self.program.command();
        command.args(["bench", "device", "--backend", backend.name(), "--seconds", &self.seconds.to_string()]);
        command.args(self.quick.then_some("--quick"));
        command
    }
}

/// Runs a child process that measures `device`. Figures that it prints before it fails are kept.
fn measured_by(command: Command, silence: Duration, device: Measured, progress: &mut DeviceProgress) -> Measured {
    let (start, mut device) = (Instant::now(), device);
    let outcome = follow(command, silence, &mut |line| match line {
        Line::Adapters(_) => {}
        Line::Opened { adapter, driver, figures } => {
            progress.opened(&adapter.name, figures);
            (device.adapter, device.driver) = (Some(adapter), driver);
        }
        Line::Figure(figure) => {
            progress.measured(figure.kind.title());
            device.figures.push(figure);
        }
    });
    Measured { failure: outcome.err(), seconds: start.elapsed().as_secs_f64(), ..device }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::comparison::{Kind, Outcome};

    /// Returns the row of a child process that prints an adapter and a figure, and then runs `end`.
    fn row_of(end: &str) -> Measured {
        let script = format!(
            "echo '{{\"opened\":{{\"adapter\":{{\"name\":\"A 9\",\"kind\":\"gpu\"}},\"driver\":null,\"figures\":2}}}}'
             echo '{{\"figure\":{{\"kind\":\"launch\",\"name\":\"queued\",\"unit\":\"us\",\"outcome\":\"skipped\"}}}}'
             {end}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script]);
        let device = Measured::new(Backend::Wgpu, 0);
        measured_by(command, Duration::from_millis(500), device, &mut DeviceProgress::new(1))
    }

    #[test]
    fn a_child_that_crashes_or_hangs_costs_the_rest_of_its_row() {
        for (end, failure) in [
            ("exit 0", None),
            ("echo 'error: lost' >&2; exit 1", Some("its process ended with exit status: 1: lost")),
            ("exec sleep 600", Some("it has not answered for 0 s")),
        ] {
            let row = row_of(end);
            assert_eq!(row.failure.as_deref(), failure);
            assert_eq!(row.adapter.map(|adapter| adapter.name).as_deref(), Some("A 9"));
            assert_eq!((row.figures.len(), row.figures[0].kind), (1, Kind::Launch));
            assert_eq!(row.figures[0].outcome, Outcome::Skipped { seconds: None });
        }
    }
}
