//! Drivers that panic when they are looked at.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{Arc, Mutex, PoisonError},
};

use super::failed;

/// Runs `probe` and turns a panic into its message, without printing it: a driver that is there but unusable panics deep
/// inside the runtime, on a thread of its own. While it runs, no panic of any thread is printed.
pub(super) fn quietly<T>(probe: impl FnOnce() -> T) -> Result<T, String> {
    /// One probe at a time, or one would restore the silent hook of another.
    static PROBING: Mutex<()> = Mutex::new(());

    let _probing = PROBING.lock().unwrap_or_else(PoisonError::into_inner);
    // If it were installed within the probe, it would be gone after it.
    failed::watch();
    let (usual, said) = (take_hook(), failed::said());
    // The first panic is the cause; later ones are of threads that waited for it.
    let first: Arc<Mutex<Option<String>>> = Arc::default();
    let seen = Arc::clone(&first);
    set_hook(Box::new(move |info| {
        failed::note(info);
        let message = info.payload_as_str().unwrap_or("the driver panicked").to_owned();
        seen.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(message);
    }));
    let outcome = catch_unwind(AssertUnwindSafe(probe));
    set_hook(usual);
    // What happens to one that is only looked at does not concern those that are at work.
    failed::forget(said);
    outcome.map_err(|_| {
        let message = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        message.unwrap_or_else(|| "the driver panicked".into())
    })
}
