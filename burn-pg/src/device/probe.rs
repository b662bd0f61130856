//! Probing of drivers, which may panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
};

use super::failed::{PANICS, QUIET, message_of};

/// Runs `probe` and returns the message of a panic as an error. A driver that is installed but unusable panics inside
/// the runtime, often on another thread. In a program that [reports panics](super::report_panics), the error is the
/// message of that thread, and no panic of a runtime is printed while `probe` runs.
pub(super) fn quietly<T>(probe: impl FnOnce() -> T) -> Result<T, String> {
    let before = PANICS.count();
    QUIET.fetch_add(1, Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(probe));
    QUIET.fetch_sub(1, Ordering::SeqCst);
    // The first panic is the cause; later ones come from threads that waited for the first thread.
    outcome.map_err(|panic| PANICS.first_after(before).unwrap_or_else(|| message_of(&*panic)))
}
