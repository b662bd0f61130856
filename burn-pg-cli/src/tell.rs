//! Output to stderr.

use std::io::Write;

/// Prints a line to stderr. Errors are ignored: there is no other place to report them.
pub fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
