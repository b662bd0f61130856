//! Workers in a program of Python.

/// Runs workers in a program of Python, for environments that exist there as objects.
pub trait Host: Send + Sync {
    /// Has a thread of the program call `burn_pg_worker.serve.serve(address, make)`, where `make` returns the
    /// environments. Does not wait for it. [`write_worker`](super::write_worker) writes that module.
    ///
    /// # Errors
    /// Why there is no such thread.
    fn start(&self, address: &str) -> Result<(), String>;
}
