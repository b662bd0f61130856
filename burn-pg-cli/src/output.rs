//! Output to stdout.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Prints a line and flushes stdout. A closed pipe, as in `burn-pg envs | head -1`, is not a failure.
pub fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(error)),
        _ => Ok(()),
    }
}
