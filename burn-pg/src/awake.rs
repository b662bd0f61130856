//! Threads that wait for work without falling asleep.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use rayon::Yield;

use crate::profile;

/// Does `work` on a thread of a pool: this one, or if it is not of a pool, one of the global pool. Kernels hand over parts of
/// theirs to the others then, without a thread that waits outside. (Unless somebody measures what this thread does.)
pub(crate) fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::current_thread_index() {
        None if !profile::is_wanted() => rayon::scope(|_| work()),
        _ => work(),
    }
}

/// Does `work`, in which tasks of some ten microseconds come again and again, with pauses of the same length, for which the
/// other threads of the pool would be woken each time: meanwhile they look for tasks without sleeping. They give way to
/// any other thread that wants to run. Outside a pool, and in a pool of one thread, it is just the work.
pub(crate) fn with_threads_awake<R>(work: impl FnOnce() -> R) -> R {
    let Some(own) = rayon::current_thread_index().filter(|_| rayon::current_num_threads() > 1) else { return work() };
    let done = AtomicBool::new(false);
    rayon::in_place_scope(|scope| {
        // By broadcast, since nobody steals that: this thread would look for tasks in its own work for ever.
        scope.spawn_broadcast(|_, context| {
            while context.index() != own && !done.load(Ordering::Relaxed) {
                if rayon::yield_now() != Some(Yield::Executed) {
                    thread::yield_now();
                }
            }
        });
        let _end = Set(&done);
        work()
    })
}

/// Sets a flag when it is dropped: after a panic, too.
struct Set<'a>(&'a AtomicBool);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_is_done_in_the_pool_that_there_is() {
        assert!(rayon::current_thread_index().is_none());
        assert!(in_pool(rayon::current_thread_index).is_some());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| in_pool(rayon::current_num_threads)), 3);
    }

    #[test]
    fn work_is_done_in_any_pool_and_panics_get_through() {
        let sum = || with_threads_awake(|| (0..100).map(|_| (0..64).into_par_iter().sum::<u64>()).sum::<u64>());
        assert_eq!(sum(), 201_600);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(sum), 201_600);
            let panics = AssertUnwindSafe(|| pool.install(|| with_threads_awake(|| panic!("as it should"))));
            assert!(catch_unwind(panics).is_err());
            assert_eq!(pool.install(sum), 201_600);
        }
    }
}
