//! The native part of the Python package `burn_pg`: environments, training and agents. The Python part, in
//! `python/burn_pg`, gives them the interfaces of Gymnasium and Stable-Baselines3.

mod agent;
mod array;
mod envs;
mod error;
mod host;
mod run;
mod thread;
mod train;

use std::path::PathBuf;

use mimalloc::MiMalloc;
use pyo3::prelude::*;

use error::{Refused, Result};

/// Keeps freed memory of tensors for the next ones. Python keeps its own allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Runs the command line. `again` is a command that starts this program once more. Ends the process if the command fails.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<std::ffi::OsString>, again: Vec<std::ffi::OsString>) {
    py.detach(|| burn_pg_cli::main_of(burn_pg_cli::Embedded { arguments, again }));
}

/// Returns the specifications of the environments that are built in, as JSON.
#[pyfunction]
fn specs() -> String {
    serde_json::to_string(&burn_pg::envs::specs()).expect("specifications are plain data")
}

/// Returns the name of each preset and what it is for.
#[pyfunction]
fn presets() -> Vec<(&'static str, String)> {
    burn_pg_cli::list_presets().map(|(name, about, _)| (name, about)).collect()
}

/// Returns the configuration that a run has with these arguments and settings (as JSON), as TOML.
#[pyfunction]
#[pyo3(signature = (arguments, settings=None))]
#[allow(clippy::needless_pass_by_value)] // as Python gives them
fn configure(arguments: Vec<String>, settings: Option<&str>) -> Result<String> {
    let settings = settings.map(run::settings).transpose()?;
    Ok(burn_pg_cli::configure(&arguments, run::SETTINGS, settings).map_err(Refused)?.to_toml())
}

/// Writes the Python code that steps environments into a folder.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // as Python gives it
fn write_worker(folder: PathBuf) -> PyResult<()> {
    Ok(burn_pg::envs::python::write_worker(&folder)?)
}

#[pymodule]
mod burn_pg_native {
    #[pymodule_export]
    use super::{
        agent::Agent, configure, envs::Envs, error::Error, host::register, main, presets, specs, train::train,
        write_worker,
    };

    use super::{PyModule, PyResult};
    use pyo3::{Bound, types::PyModuleMethods};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Messages name commands, which are the same ones.
        let arguments = ["burn-pg", "train"].map(Into::into).into();
        burn_pg_cli::embed(burn_pg_cli::Embedded { arguments, again: vec!["burn-pg".into()] });
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
