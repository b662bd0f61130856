//! What goes to stderr.

use std::io::Write;

/// Tells something on stderr. If nobody reads that, there is nobody to tell.
pub fn tell(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
