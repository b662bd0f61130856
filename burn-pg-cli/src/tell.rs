//! Output to stderr.

use std::{
    fmt::Display,
    io::Write,
    sync::{Mutex, PoisonError},
};

use indicatif::ProgressBar;

/// The bar on the terminal, if there is one. Lines are printed above it.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Prints a line to stderr. Errors are ignored: there is no other place to report them.
pub fn tell(line: impl Display) {
    let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match bar.filter(|bar| !bar.is_finished()) {
        Some(bar) => bar.println(line.to_string()),
        None => {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// Prints lines above this bar, until it is finished.
pub fn tell_above(bar: &ProgressBar) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
}
