//! Environments of Python, stepped by worker processes.
//!
//! A name with a prefix, such as `gym:LunarLander-v3`, `envpool:Pong-v5` or `ale:pong`, is made by Python:
//! [`make`](crate::make) starts worker processes of any interpreter that has the package installed. Observations and
//! actions cross in a shared file, and one byte on a socket says that a batch is ready. No interpreter is embedded, so
//! an environment that crashes ends its worker only.

mod bell;
mod envs;
mod host;
mod interpreter;
mod log;
mod maker;
mod name;
mod peer;
mod process;
mod program;
mod reason;
mod rows;
mod setup;
mod shared;
mod worker;

pub use envs::PythonEnvs;
pub use host::Host;
pub use name::Maker;
pub use program::write_worker;
