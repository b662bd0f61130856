//! Panics of GPU runtimes. The thread that panics may be the one that should wake a thread waiting for the device.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{set_hook, take_hook},
    sync::{
        Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use burn::tensor::Device;

/// The panics of this process's GPU runtimes, if [`report_panics`] was called.
pub(super) static PANICS: Panics<Device> = Panics::new();

/// Number of running probes whose panics are not printed.
pub(super) static QUIET: AtomicUsize = AtomicUsize::new(0);

/// Makes a wait for a GPU end with [`Error::Execution`](crate::Error::Execution) if a thread of the GPU's runtime
/// panics, as a thread of wgpu does if the driver reports that the device is lost. Without this call the wait may never
/// end.
///
/// Sets a panic hook that calls the previous hook. The library does not set it by itself: call this function once, at
/// the start of a program that uses a GPU. (`burn-pg` does.) Builds without a GPU backend set no hook.
pub fn report_panics() {
    static ONCE: Once = Once::new();

    if !cfg!(any(feature = "wgpu", feature = "cuda", feature = "rocm")) {
        return;
    }
    ONCE.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let is_of_runtime = info.location().is_some_and(|location| is_in_runtime(location.file()));
            if is_of_runtime {
                PANICS.note(message_of(info.payload()));
            }
            if !is_of_runtime || QUIET.load(Ordering::SeqCst) == 0 {
                usual(info);
            }
        }));
    });
}

/// Returns the message of a panic.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("its runtime panicked").to_owned()
}

/// True if `file` is a source file of a GPU runtime.
fn is_in_runtime(file: &str) -> bool {
    // The folder name of a crate ends with its version, except in a vendored copy.
    let is_its_own = |part: &str| ["wgpu", "cubecl"].into_iter().any(|name| part.split('-').next() == Some(name));
    file.split(['/', '\\']).any(is_its_own)
}

/// Panics in the order in which they occurred, and how many of them each device has outlived. A device has outlived a
/// panic if it answered a request made after the panic.
pub(super) struct Panics<D>(Mutex<Noted<D>>);

struct Noted<D> {
    count: u64,
    /// The messages of the last panics, at most [`KEPT`].
    last: VecDeque<String>,
    outlived: Vec<(D, u64)>,
}

/// Maximum number of messages kept.
const KEPT: usize = 16;

impl<D: PartialEq> Panics<D> {
    pub const fn new() -> Self {
        Self(Mutex::new(Noted { count: 0, last: VecDeque::new(), outlived: Vec::new() }))
    }

    pub fn note(&self, message: String) {
        self.with(|noted| {
            noted.count += 1;
            noted.last.push_back(message);
            if noted.last.len() > KEPT {
                noted.last.pop_front();
            }
        });
    }

    pub fn count(&self) -> u64 {
        self.with(|noted| noted.count)
    }

    /// Returns the first message kept after the first `outlived` panics: that panic is the cause of the later ones.
    pub fn after(&self, outlived: u64) -> Option<String> {
        self.with(|noted| {
            let forgotten = noted.count - noted.last.len() as u64;
            let next = usize::try_from(outlived.saturating_sub(forgotten)).ok()?;
            noted.last.get(next).cloned()
        })
    }

    /// Returns the message of the first panic that `device` may not have outlived.
    pub fn that_may_concern(&self, device: &D) -> Option<String> {
        let known = self.with(|noted| noted.outlived.iter().find(|(of, _)| of == device).map(|&(_, count)| count));
        self.after(known.unwrap_or(0))
    }

    /// Records that `device` answered a request made after `count` panics.
    pub fn outlived(&self, device: D, count: u64) {
        self.with(|noted| match noted.outlived.iter_mut().find(|(of, _)| *of == device) {
            Some((_, known)) => *known = count.max(*known),
            None => noted.outlived.push((device, count)),
        });
    }

    fn with<R>(&self, look: impl FnOnce(&mut Noted<D>) -> R) -> R {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_answers_has_outlived_the_panics_before_and_no_other_device_has() {
        let panics = Panics::new();
        assert_eq!(panics.that_may_concern(&"a"), None);
        panics.note("a kernel failed".into());
        panics.note("so did who waited for it".into());
        // The request was made before the panics, so it may be this device's thread that panicked since.
        panics.outlived("a", 0);
        assert_eq!(panics.that_may_concern(&"a").as_deref(), Some("a kernel failed"));
        panics.outlived("a", panics.count());
        assert_eq!(panics.that_may_concern(&"a"), None);
        assert_eq!(panics.that_may_concern(&"b").as_deref(), Some("a kernel failed"));
        panics.note("lost".into());
        assert_eq!(panics.that_may_concern(&"a").as_deref(), Some("lost"));
    }

    #[test]
    fn old_panics_make_room_for_new_ones() {
        let panics = Panics::new();
        (0..100).for_each(|i| panics.note(i.to_string()));
        panics.outlived("a", 90);
        assert_eq!(panics.that_may_concern(&"a").as_deref(), Some("90"));
        assert_eq!(panics.that_may_concern(&"b").as_deref(), Some("84"));
    }

    #[test]
    fn files_of_runtimes_are_told_from_those_of_others() {
        for file in
            ["/registry/wgpu-29.0.1/src/backend.rs", "vendor/cubecl/src/lib.rs", "C:\\x\\cubecl-wgpu-0.11.3\\a.rs"]
        {
            assert!(is_in_runtime(file), "{file}");
        }
        for file in ["burn-pg/src/run/trainer.rs", "/registry/rayon-1.12.0/src/lib.rs"] {
            assert!(!is_in_runtime(file), "{file}");
        }
    }
}
