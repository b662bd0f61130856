//! Work in another thread, while the thread that called handles signals.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    thread::{Builder, JoinHandle},
    time::Duration,
};

use pyo3::prelude::*;

use crate::error::{Error, Result};

/// How often Python handles signals, such as Ctrl-C, while nothing else happens.
pub const POLL: Duration = Duration::from_millis(50);

/// Room for the networks of Burn, as in the main thread.
const STACK: usize = 16 << 20;

/// Starts `work` in a thread.
pub fn start<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> PyResult<JoinHandle<T>> {
    Ok(Builder::new().name("burn-pg".into()).stack_size(STACK).spawn(work)?)
}

/// Does `work` in a thread. What a signal raises is raised at once; the thread then ends by itself.
pub fn attended<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<Result<T>> {
    let (done, mut outcome) = channel();
    start(move || {
        let _ = done.send(work());
    })?;
    loop {
        let received;
        (outcome, received) = py.detach(move || {
            let received = outcome.recv_timeout(POLL);
            (outcome, received)
        });
        match received {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => return Err(Error::new_err("the work panicked")),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
        }
    }
}
