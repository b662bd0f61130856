//! Output to stdout.

use std::{
    io::{ErrorKind, Write},
    ops::ControlFlow,
};

use anyhow::Error;

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
