//! Drivers that panic when they are looked at.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
};

use super::failed::{PANICS, QUIET, message_of};

/// Runs `probe` and turns a panic into its message: a driver that is there but unusable panics deep inside the runtime, often on a
/// thread of its own. In a program that [reports panics](super::report_panics), that thread's message is the one that is returned,
/// and meanwhile no panic of a runtime is printed.
pub(super) fn quietly<T>(probe: impl FnOnce() -> T) -> Result<T, String> {
    let before = PANICS.count();
    QUIET.fetch_add(1, Ordering::SeqCst);
    let outcome = catch_unwind(AssertUnwindSafe(probe));
    QUIET.fetch_sub(1, Ordering::SeqCst);
    // The first panic is the cause; later ones are of threads that waited for it.
    outcome.map_err(|panic| PANICS.after(before).unwrap_or_else(|| message_of(&*panic)))
}
