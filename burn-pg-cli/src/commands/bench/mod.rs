//! `burn-pg bench`

mod devices;
mod train;

use clap::Subcommand;

use crate::{failure::Failure, registry::Registry};

pub use train::{Round, round};

/// Measure how fast this machine trains, or compare its devices
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Train(Box<train::Args>),
    Devices(devices::Args),
    /// The child process of `bench devices`
    #[command(hide = true)]
    Device(devices::child::Args),
}

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    match &args.what {
        What::Train(args) => train::run(args, registry),
        What::Devices(args) => devices::run(args),
        What::Device(args) => devices::child::run(args),
    }
}
