//! What goes to stdout.

use std::io::{ErrorKind, Write};

use crate::failure::Failure;

/// Prints a line, at once. A reader that has gone away, as in `burn-pg envs | head -1`, is no failure.
pub fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    match writeln!(stdout, "{line}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::run(error)),
        _ => Ok(()),
    }
}
