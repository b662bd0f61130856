//! Panics of a GPU's runtime. The thread that panics may be the one that was to wake whoever waits for the device.

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

/// How many probes run whose panics are not printed.
pub(super) static QUIET: AtomicUsize = AtomicUsize::new(0);

/// Lets a program notice if a thread of a GPU's runtime panics, as one of wgpu's does if the driver says that the device is lost: a
/// wait for that device then ends with [`Error::Execution`](crate::Error::Execution). Without this it may last for ever.
///
/// Sets a panic hook, which calls the hook that was there. The library sets none by itself: call this once, at the start of a
/// program that uses a GPU. (`burn-pg` does.) It does nothing in builds without a backend for GPUs.
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

/// What a panic says.
pub(super) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("its runtime panicked").to_owned()
}

/// Is this a source file of a GPU's runtime?
fn is_in_runtime(file: &str) -> bool {
    // The folder of a crate, with its version or, in a vendored copy, without.
    let is_its_own = |part: &str| ["wgpu", "cubecl"].into_iter().any(|name| part.split('-').next() == Some(name));
    file.split(['/', '\\']).any(is_its_own)
}

/// Panics, in the order in which they came, and how many of them each device has outlived: it has answered since.
pub(super) struct Panics<D>(Mutex<Noted<D>>);

struct Noted<D> {
    count: u64,
    /// What the last of them said.
    last: VecDeque<String>,
    outlived: Vec<(D, u64)>,
}

/// Most panics of which it is kept what they said.
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

    /// What the first of the panics after the first `outlived` ones said: it is the cause of the others.
    pub fn after(&self, outlived: u64) -> Option<String> {
        self.with(|noted| {
            let forgotten = noted.count - noted.last.len() as u64;
            let next = usize::try_from(outlived.saturating_sub(forgotten)).ok()?;
            noted.last.get(next).cloned()
        })
    }

    /// What the first panic said that a device may not have outlived.
    pub fn that_may_concern(&self, device: &D) -> Option<String> {
        let known = self.with(|noted| noted.outlived.iter().find(|(of, _)| of == device).map(|&(_, count)| count));
        self.after(known.unwrap_or(0))
    }

    /// A device has answered what it was asked after `count` panics.
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
        // One that was asked before answers: it may have been its thread that panicked meanwhile.
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
