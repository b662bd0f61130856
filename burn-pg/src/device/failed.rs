//! Panics of GPU runtimes. A runtime thread that panics may never wake the threads that wait for the device.

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
/// panics. For example, a thread of wgpu panics if the driver reports that the device is lost. Without this call the
/// wait may never end.
///
/// Sets a panic hook that calls the previous hook. The library never sets the hook by itself: call this function once,
/// at the start of a program that uses a GPU. The command line `burn-pg` does so. Builds without a GPU backend set no
/// hook.
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
    let is_runtime = |part: &str| ["wgpu", "cubecl"].into_iter().any(|name| part.split('-').next() == Some(name));
    file.split(['/', '\\']).any(is_runtime)
}

/// Panics in the order in which they occurred, and how many of them each device has survived. A device has survived a
/// panic if it answered a request made after the panic.
pub(super) struct Panics<D>(Mutex<Noted<D>>);

struct Noted<D> {
    count: u64,
    /// The messages of the last panics, at most [`KEPT`].
    last: VecDeque<String>,
    survived: Vec<(D, u64)>,
}

/// Maximum number of messages kept.
const KEPT: usize = 16;

impl<D: PartialEq> Panics<D> {
    pub const fn new() -> Self {
        Self(Mutex::new(Noted { count: 0, last: VecDeque::new(), survived: Vec::new() }))
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

    /// Returns the first message that is kept of the panics after the first `count`: that panic is the cause of the
    /// later ones.
    pub fn first_after(&self, count: u64) -> Option<String> {
        self.with(|noted| {
            let forgotten = noted.count - noted.last.len() as u64;
            let next = usize::try_from(count.saturating_sub(forgotten)).ok()?;
            noted.last.get(next).cloned()
        })
    }

    /// Returns the message of the first panic that `device` has not survived, as far as is known.
    pub fn not_survived_by(&self, device: &D) -> Option<String> {
        let known = self.with(|noted| noted.survived.iter().find(|(of, _)| of == device).map(|&(_, count)| count));
        self.first_after(known.unwrap_or(0))
    }

    /// Records that `device` answered a request made after `count` panics.
    pub fn set_survived(&self, device: D, count: u64) {
        self.with(|noted| match noted.survived.iter_mut().find(|(of, _)| *of == device) {
            Some((_, known)) => *known = count.max(*known),
            None => noted.survived.push((device, count)),
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
    fn an_answer_of_a_device_clears_its_earlier_panics_but_not_those_of_other_devices() {
        let panics = Panics::new();
        assert_eq!(panics.not_survived_by(&"a"), None);
        panics.note("a kernel failed".into());
        panics.note("so did a thread that waited for it".into());
        // The request was made before the panics, so they may be of this device.
        panics.set_survived("a", 0);
        assert_eq!(panics.not_survived_by(&"a").as_deref(), Some("a kernel failed"));
        panics.set_survived("a", panics.count());
        assert_eq!(panics.not_survived_by(&"a"), None);
        assert_eq!(panics.not_survived_by(&"b").as_deref(), Some("a kernel failed"));
        panics.note("lost".into());
        assert_eq!(panics.not_survived_by(&"a").as_deref(), Some("lost"));
    }

    #[test]
    fn only_the_messages_of_the_last_panics_are_kept() {
        let panics = Panics::new();
        (0..100).for_each(|i| panics.note(i.to_string()));
        panics.set_survived("a", 90);
        assert_eq!(panics.not_survived_by(&"a").as_deref(), Some("90"));
        assert_eq!(panics.not_survived_by(&"b").as_deref(), Some("84"));
    }

    #[test]
    fn source_files_of_gpu_runtimes_are_recognised() {
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
