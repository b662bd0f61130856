//! Environments that exist as objects in this program of Python.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use burn_pg::envs::{
    EnvError, VectorEnv,
    python::{Host, PythonEnvs},
};
use pyo3::{prelude::*, types::PyAny};

use crate::{error::Refused, thread::attended};

/// What the names of objects in this program begin with.
const PREFIX: &str = "python:";

/// Most environments of this program that an evaluation makes.
const MOST: usize = 8;

/// Returns how many environments called `name` to make for an evaluation of `episodes` episodes.
pub fn evaluation_envs(name: &str, episodes: usize) -> usize {
    let most = if name.starts_with(PREFIX) { MOST } else { usize::MAX };
    burn_pg::evaluation_envs(name, episodes).min(most)
}

/// Starts threads that step the environments of a Python object: its method `start` takes the address to serve.
struct OfPython(Py<PyAny>);

impl Host for OfPython {
    fn start(&self, address: &str) -> std::result::Result<(), String> {
        Python::attach(|py| self.0.call_method1(py, "start", (address,)).map(|_| ()).map_err(|error| error.to_string()))
    }
}

/// Registers the environments of `host` as `name`, so that configurations can name them. Environments of that name are
/// replaced. `num_envs` is given if there is only one batch, of this size.
#[pyfunction]
#[pyo3(signature = (name, host, num_envs=None))]
pub fn register(py: Python<'_>, name: String, host: Py<PyAny>, num_envs: Option<usize>) -> PyResult<()> {
    if !name.starts_with(PREFIX) {
        return Err(Refused(format!("`{name}` is no environment of a program of Python: leave out `env`")).into());
    }
    let host: Arc<dyn Host> = Arc::new(OfPython(host));
    let (own, of_spec) = (name.clone(), Arc::clone(&host));
    let is_taken = AtomicBool::new(false);
    let make = move |asked: usize| {
        let refused = |reason: String| Err(EnvError::Python { id: own.clone(), reason });
        match num_envs {
            Some(there_are) if there_are != asked => {
                refused(format!("the batch holds {there_are} environments, and {asked} are needed"))
            }
            Some(_) if is_taken.swap(true, Ordering::Relaxed) => {
                refused("the batch is already used: environments of a function can be made as often as needed".into())
            }
            _ => PythonEnvs::hosted(&own, asked, Arc::clone(&host)),
        }
    };
    let registered = attended(py, move || {
        let spec = PythonEnvs::hosted(&name, num_envs.unwrap_or(1), of_spec)?.spec().clone();
        burn_pg::envs::unregister(&name);
        Ok(burn_pg::envs::register(spec, make)?)
    })?;
    Ok(registered?)
}
