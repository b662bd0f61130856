//! Output to stdout and to files.

use std::{
    io::{ErrorKind, Write},
    ops::ControlFlow,
    path::Path,
};

use anyhow::{Context, Error};
use burn_pg::storage::durable::write_atomically;

use crate::failure::Failure;

/// Prints a line and flushes stdout. A closed pipe, as in `burn-pg envs | head -1`, is not a failure.
pub fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    print_while_read(line).map(|_| ())
}

/// Prints a line and flushes stdout. Breaks if stdout is a pipe that nobody reads any more.
pub fn print_while_read(line: impl std::fmt::Display) -> Result<ControlFlow<()>, Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(Failure::Run(Error::from(error).context("stdout cannot be written"))),
    }
}

/// Writes a file of text.
pub fn replace_file(path: &Path, text: &str) -> anyhow::Result<()> {
    replace_bytes(path, format!("{text}\n").as_bytes())
}

/// Writes a file. An earlier file stays as it is until the new one is complete.
pub fn replace_bytes(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_atomically(path, bytes).with_context(|| format!("{} cannot be written", path.display()))
}
