//! Devices that fail while somebody waits for them.

use std::{
    panic::{PanicHookInfo, set_hook, take_hook},
    sync::{Mutex, Once, PoisonError},
};

/// What a thread of a GPU's runtime said when it panicked.
static SAID: Mutex<Option<String>> = Mutex::new(None);

/// Notes from now on if a thread of a GPU's runtime panics, beside what is done about panics anyway. Such a thread may be the one
/// that was to wake whoever waits for the device (it is in wgpu's, if the driver says that the device is lost), and then nobody is
/// told.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();

    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            note(info);
            usual(info);
        }));
    });
}

/// Notes a panic, if it is one of a GPU's runtime. The first one is the cause of the others.
pub(super) fn note(info: &PanicHookInfo<'_>) {
    if is_of_runtime(info) {
        let message = info.payload_as_str().unwrap_or("its runtime panicked");
        SAID.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| message.to_owned());
    }
}

/// What was noted, if anything.
pub(crate) fn said() -> Option<String> {
    SAID.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Forgets what was noted since it was `said` before.
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
pub(super) fn forget(said: Option<String>) {
    *SAID.lock().unwrap_or_else(PoisonError::into_inner) = said;
}

fn is_of_runtime(info: &PanicHookInfo<'_>) -> bool {
    // The folder of a crate, with its version or, in a vendored copy, without.
    let is_its_own = |part: &str| ["wgpu", "cubecl"].into_iter().any(|name| part.split('-').next() == Some(name));
    info.location().is_some_and(|location| location.file().split(['/', '\\']).any(is_its_own))
}
