//! Threads that wait for work without falling asleep.

use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
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

/// How long a thread that finds no task looks for the next one without a pause. That work has other things to do then.
const ALERT: Duration = Duration::from_millis(2);

/// How long the pauses are after that.
const PAUSE: Duration = Duration::from_micros(100);

/// Is somebody's work kept company? The loops below must not meet those of another: each would wait for the end of what the
/// other keeps from ending.
static ACTIVE: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Does this thread do such work, below whatever it looks for while it waits?
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, in which tasks of some ten microseconds come again and again, with pauses of the same length, for which the
/// other threads of the pool would be woken each time: meanwhile they look for tasks without sleeping. They give way to
/// any other thread that wants to run, and take short pauses once tasks have long stayed away. For the other threads to come,
/// the work waits no longer than `patience`. Outside a pool, in a pool of one thread, and while others do so (a part of the
/// work, too), it is just the work.
pub(crate) fn with_threads_awake<R>(patience: Duration, work: impl FnOnce() -> R) -> R {
    let _working = During::begin();
    if rayon::current_thread_index().is_none() || rayon::current_num_threads() == 1 {
        return work();
    }
    if ACTIVE.swap(true, Ordering::Acquire) {
        return work();
    }
    let _active = OnDrop(&ACTIVE, false);
    let (started, others) = (AtomicUsize::new(0), rayon::current_num_threads() - 1);
    let [closed, done] = [AtomicBool::new(false), AtomicBool::new(false)];
    rayon::in_place_scope(|scope| {
        // By broadcast, since nobody steals that: this thread would look for tasks in its own work for ever.
        scope.spawn_broadcast(|_, _| {
            if WORKING.get() || closed.load(Ordering::SeqCst) {
                return;
            }
            started.fetch_add(1, Ordering::SeqCst);
            let mut busy = Instant::now();
            while !done.load(Ordering::Relaxed) {
                match rayon::yield_now() {
                    Some(Yield::Executed) => busy = Instant::now(),
                    _ if busy.elapsed() < ALERT => thread::yield_now(),
                    _ => thread::sleep(PAUSE),
                }
            }
        });
        let _end = OnDrop(&done, true);
        // Who has not come by the time that the work begins stays away. A thread that does a part of it, and waits for a part of
        // that part, would otherwise come then, and wait for the end of what waits for it.
        let start = Instant::now();
        while started.load(Ordering::SeqCst) < others && start.elapsed() < patience {
            thread::yield_now();
        }
        closed.store(true, Ordering::SeqCst);
        work()
    })
}

/// Marks this thread as one that does such work, until it is dropped.
struct During {
    before: bool,
}

impl During {
    fn begin() -> Self {
        Self { before: WORKING.replace(true) }
    }
}

impl Drop for During {
    fn drop(&mut self) {
        WORKING.set(self.before);
    }
}

/// Sets a flag to a value when it is dropped: after a panic, too.
struct OnDrop<'a>(&'a AtomicBool, bool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(self.1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        panic::{AssertUnwindSafe, catch_unwind},
        sync::mpsc,
    };

    use rayon::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_micros(200);

    #[test]
    fn work_is_done_in_the_pool_that_there_is() {
        assert!(rayon::current_thread_index().is_none());
        assert!(in_pool(rayon::current_thread_index).is_some());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        assert_eq!(pool.install(|| in_pool(rayon::current_num_threads)), 3);
    }

    #[test]
    fn work_is_done_in_any_pool_and_panics_get_through() {
        let sum =
            || with_threads_awake(PATIENCE, || (0..100).map(|_| (0..64).into_par_iter().sum::<u64>()).sum::<u64>());
        assert_eq!(sum(), 201_600);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(sum), 201_600);
            let panics = AssertUnwindSafe(|| pool.install(|| with_threads_awake(PATIENCE, || panic!("as it should"))));
            assert!(catch_unwind(panics).is_err());
            assert_eq!(pool.install(sum), 201_600);
        }
    }

    /// As a run and its updates do, with a pause between them.
    #[test]
    fn work_within_work_is_done_by_the_threads_that_are_there() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let sums = pool.install(|| {
            with_threads_awake(Duration::from_millis(5), || {
                let sum = || with_threads_awake(PATIENCE, || (0..64).into_par_iter().sum::<u64>());
                let first = sum();
                thread::sleep(ALERT * 3);
                [first, sum()]
            })
        });
        assert_eq!(sums, [2016, 2016]);
    }

    /// As several trainers do, in one pool and from outside of it.
    #[test]
    fn several_at_once_do_not_wait_for_each_other_for_ever() {
        let updates = || {
            for _ in 0..300 {
                in_pool(|| {
                    with_threads_awake(PATIENCE, || {
                        for _ in 0..10 {
                            assert_eq!((0..64).into_par_iter().sum::<u64>(), 2016);
                        }
                    });
                });
            }
        };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
            for trainers in [2, 4, 8] {
                pool.install(|| (0..trainers).into_par_iter().for_each(|_| updates()));
                thread::scope(|scope| {
                    for _ in 0..trainers {
                        scope.spawn(updates);
                        scope.spawn(|| pool.install(updates));
                    }
                });
            }
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_mins(2)).expect("it ends");
    }
}
