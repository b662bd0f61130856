//! `burn-pg bench train`

use std::{fmt, ops::ControlFlow};

use anyhow::Result;
use burn_pg::{
    CheckedConfig, Trainer, UpdateStats,
    agent::export::Layers,
    device::OpenDevice,
    kernel::with_threads,
    profile::{Phase, Profile, profiled},
    source::OffDevice,
    update::Unfused,
};
use serde_json::{Value, json};

use crate::{
    commands::plan::refuse_what_does_not_fit,
    device::{Opened, open},
    failure::Failure,
    numbers::whole,
    output::print_line,
    program,
    registry::Registry,
    settings::{Resolved, Settings},
    tell::tell,
};

/// The environment and the preset that are measured by default.
const ENV: &str = "CartPole-v1";
const PRESET: &str = "ppo-cleanrl";

/// Train without evaluating or saving anything, and show the environment steps per second and where the time goes. The
/// default environment is CartPole-v1; unless --preset, --config or an algorithm is given, the preset is ppo-cleanrl
#[derive(clap::Args)]
#[command(override_usage = program::command("bench train [ENV] [OPTIONS]"))]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Start even if the memory plan says that the run does not fit into the available memory; `plan` shows it
    #[arg(long)]
    ignore_memory: bool,
    /// Train this number of times, and show the median
    #[arg(long, value_name = "N", default_value = "3", allow_negative_numbers = true, value_parser = whole::<usize>(1..=u64::MAX, 3))]
    repeat: usize,
    /// Print one JSON object, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let bench = prepare(args, registry).map_err(Failure::Usage)?;
    let report = bench.run(args.repeat, registry).map_err(Failure::Run)?;
    match args.json {
        true => print_line(report.json()),
        false => print_line(report),
    }
}

struct Bench {
    config: CheckedConfig,
    preset: String,
    device: OpenDevice,
    threads: usize,
}

fn prepare(args: &Args, registry: &Registry) -> Result<Bench> {
    let Resolved { config, preset, .. } = args.settings.clone().or(ENV, PRESET).resolve(registry)?;
    let Opened { config, device, why } = open(&config)?;
    if let Some(why) = why {
        tell(format_args!("device auto: {why}"));
    }
    refuse_what_does_not_fit(args.ignore_memory, &config, &device, false)?;
    let threads = with_threads(config.run.threads, rayon::current_num_threads);
    Ok(Bench { config, preset, device, threads })
}

impl Bench {
    fn run(self, repeat: usize, registry: &Registry) -> Result<Report> {
        let (config, device, network) = (&self.config, &self.device.device, registry.network(&self.config)?);
        let round = |_| with_threads(self.threads, || network.bench(config, device));
        let mut rounds = (0..repeat).map(round).collect::<Result<Vec<_>>>()?;
        rounds.sort_by(|a, b| a.steps_per_second().total_cmp(&b.steps_per_second()));
        Ok(Report { bench: self, rounds })
    }
}

/// Trains once, from start to end.
pub fn round<P: Layers>(mut trainer: Trainer<P>) -> Result<Round> {
    let (outcome, profile) = profiled(|| trainer.run(&mut |_: &UpdateStats| ControlFlow::Continue(())));
    outcome?;
    let (env_steps, return_mean) = (trainer.env_steps(), trainer.episodes().return_mean());
    let off_device = trainer.source().off_device().cloned();
    Ok(Round { env_steps, return_mean, profile, unfused: trainer.unfused(), off_device })
}

/// One training run.
pub struct Round {
    env_steps: u64,
    /// Mean return of the last 100 episodes of training.
    return_mean: Option<f64>,
    profile: Profile,
    /// Why minibatches went through tensors, if they did.
    unfused: Option<Unfused>,
    /// Why the environments were on the host, if they were.
    off_device: Option<OffDevice>,
}

impl Round {
    fn steps_per_second(&self) -> f64 {
        self.env_steps as f64 / self.profile.total.as_secs_f64()
    }

    /// Returns the names of phases that took time, and their shares of it.
    fn shares(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let phases = Phase::ALL.iter().map(|&phase| (phase.name(), self.profile.of(phase)));
        let rest = ("rest", self.profile.rest());
        let phases = phases.filter(|(_, time)| !time.is_zero());
        phases.chain([rest]).map(|(name, time)| (name, time.as_secs_f64() / self.profile.total.as_secs_f64()))
    }
}

/// The rounds, from the slowest to the fastest.
struct Report {
    bench: Bench,
    rounds: Vec<Round>,
}

impl Report {
    /// Returns the median round; for an even number of rounds, the slower of the middle two.
    fn median(&self) -> &Round {
        &self.rounds[(self.rounds.len() - 1) / 2]
    }

    fn json(&self) -> Value {
        let (median, Bench { config, preset, device, threads }) = (self.median(), &self.bench);
        let shares: serde_json::Map<String, Value> =
            median.shares().map(|(name, share)| (name.to_owned(), share.into())).collect();
        json!({
            "bench": "train",
            "env": config.env.name,
            "algo": config.algorithm.algo(),
            "hyperparameters": preset,
            "device": device.backend,
            "adapter": device.adapter().name,
            "threads": threads,
            "num_envs": config.env.num_envs,
            "env_steps": median.env_steps,
            "seconds": median.profile.total.as_secs_f64(),
            "steps_per_second": median.steps_per_second(),
            "steps_per_second_of_rounds": self.rounds.iter().map(Round::steps_per_second).collect::<Vec<_>>(),
            "train_return_mean": median.return_mean,
            "unfused": median.unfused,
            "off_device": median.off_device,
            "shares": shares,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, Bench { config, preset, device, threads }) = (self.median(), &self.bench);
        let (slowest, fastest) = (&self.rounds[0], &self.rounds[self.rounds.len() - 1]);
        writeln!(
            f,
            "{}, {} ({preset}), device {}, threads {}\n\
             {:.0} steps/s{}; {} steps in {:.2} s",
            config.env.name,
            config.algorithm.algo(),
            device.backend,
            threads,
            median.steps_per_second(),
            match self.rounds.len() {
                1 => String::new(),
                rounds => format!(
                    ": the median of {rounds} rounds, from {:.0} to {:.0}",
                    slowest.steps_per_second(),
                    fastest.steps_per_second()
                ),
            },
            median.env_steps,
            median.profile.total.as_secs_f64(),
        )?;
        if !device.backend.is_cpu() {
            match &median.off_device {
                None => writeln!(f, "environments are on the device")?,
                Some(reason) => writeln!(f, "environments are on the host: {reason}")?,
            }
        }
        match median.unfused {
            None => writeln!(f, "minibatches are fused")?,
            Some(reason) => writeln!(f, "minibatches are not fused: {reason}")?,
        }
        let mut shares = median.shares().peekable();
        while let Some((name, share)) = shares.next() {
            let microseconds = share * 1e6 / median.steps_per_second();
            write!(f, "{name:>12} {:5.1} %  {microseconds:8.3} us a step", 100.0 * share)?;
            if shares.peek().is_some() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}
