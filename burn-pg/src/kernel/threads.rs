//! The threads that kernels run on.
//!
//! Work that uses kernels runs in a thread pool of this crate. Only one caller uses a pool at a time. The work never
//! waits for a thread of rayon's global pool or of the caller's own pool, so other code that blocks those threads
//! cannot delay it.

use std::{
    cell::{Cell, RefCell},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rayon::{ThreadPool, ThreadPoolBuilder, Yield, prelude::*};

use crate::profile;

/// Time for which a thread searches for tasks before it falls asleep. A thread that waits for a part of its own task
/// searches for other tasks meanwhile, and checks after this time whether its task can continue.
const SEARCH_TIME: Duration = Duration::from_millis(2);

/// Largest number of idle pools that are kept.
const KEPT: usize = 16;

/// Pools that no caller uses.
static IDLE: Mutex<Vec<ThreadPool>> = Mutex::new(Vec::new());

thread_local! {
    /// Number of threads in this thread's pool that search for tasks instead of sleeping; `None` if the thread is not
    /// in a pool of this crate.
    static AWAKE: RefCell<Option<Arc<AtomicUsize>>> = const { RefCell::new(None) };
    /// True while this thread runs the work of a caller, or searches for tasks of that work.
    static IS_OCCUPIED: Cell<bool> = const { Cell::new(false) };
    /// True while this thread runs a task of [`map_alone`].
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` on `threads` threads that run nothing else. 0 stands for the number of threads of the current rayon
/// pool, or of the global pool if this thread is in none. If [`profiled`](crate::profile::profiled) is measuring this
/// thread, it measures the work too.
pub fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads };
    let kept = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().position(|pool| pool.current_num_threads() == threads).map(|i| idle.swap_remove(i))
    };
    let Some(pool) = kept.or_else(|| new_pool(threads)) else {
        // The system refuses to start more threads, so this thread does all of the work.
        return work();
    };
    let profile = profile::take();
    let installed = || {
        pool.install(|| {
            run_occupied(|| {
                profile::set(profile);
                (work(), profile::take())
            })
        })
    };
    // While a rayon thread waits for another pool, it runs other tasks of its own pool, and one of them may block. It
    // does not run them while it waits for a plain thread.
    let outcome = match rayon::current_thread_index() {
        None => installed(),
        Some(_) => thread::scope(|scope| scope.spawn(installed).join()).flatten(),
    };
    // The pool is kept even if the work has panicked.
    let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    if idle.len() < KEPT {
        idle.push(pool);
    }
    drop(idle);
    let (result, profile) = outcome.unwrap_or_else(|panic| resume_unwind(panic));
    profile::set(profile);
    result
}

/// Runs `work` on as many threads as the caller's pool has, or rayon's global pool if there is none; see
/// [`with_threads`].
pub(crate) fn in_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let threads = rayon::current_num_threads();
    match threads == 1 || is_in_pool() {
        true => work(),
        false => with_threads(threads, work),
    }
}

/// True if this thread is in a pool of this crate.
pub(crate) fn is_in_pool() -> bool {
    AWAKE.with_borrow(Option::is_some)
}

/// Runs tasks, on several threads if there are several tasks and several threads. Tasks that a thread runs one after
/// the other may share a workspace.
pub fn for_each<I: Send, W>(
    tasks: Vec<I>,
    workspace: impl Fn() -> W + Sync + Send,
    run: impl Fn(&mut W, I) + Sync + Send,
) {
    if is_serial(tasks.len()) {
        let mut workspace = workspace();
        return tasks.into_iter().for_each(|task| run(&mut workspace, task));
    }
    in_current_pool(|| tasks.into_par_iter().for_each_init(workspace, run));
}

/// Runs tasks and returns their results, on several threads if there are several tasks and several threads.
pub fn map<I: Send, R: Send>(tasks: Vec<I>, run: impl Fn(I) -> R + Sync + Send) -> Vec<R> {
    match is_serial(tasks.len()) {
        true => tasks.into_iter().map(run).collect(),
        false => in_current_pool(|| tasks.into_par_iter().map(run).collect()),
    }
}

/// Runs tasks and returns their results, on several threads if there are several tasks and several threads. Each task then has its thread alone:
/// what it calls here runs on that thread too, which spares the waiting for other threads. The results do not depend on that.
pub fn map_alone<I: Send, R: Send>(tasks: Vec<I>, run: impl Fn(I) -> R + Sync + Send) -> Vec<R> {
    if is_serial(tasks.len()) {
        return tasks.into_iter().map(run).collect();
    }
    map(tasks, |task| {
        let _restored = Restored(IS_ALONE.replace(true));
        run(task)
    })
}

/// Restores [`IS_ALONE`] when it is dropped, also after a panic.
struct Restored(bool);

impl Drop for Restored {
    fn drop(&mut self) {
        IS_ALONE.set(self.0);
    }
}

fn is_serial(tasks: usize) -> bool {
    tasks < 2 || rayon::current_num_threads() == 1 || IS_ALONE.get()
}

/// Runs parallel work in the pool of this thread, or in a pool of this crate if the thread is in none.
fn in_current_pool<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if rayon::current_thread_index().is_none() {
        return in_pool(work);
    }
    keep_awake();
    work()
}

fn new_pool(threads: usize) -> Option<ThreadPool> {
    let awake: Arc<AtomicUsize> = Arc::default();
    let start = move |_| AWAKE.set(Some(Arc::clone(&awake)));
    ThreadPoolBuilder::new().num_threads(threads).start_handler(start).build().ok()
}

/// Keeps the other threads of this pool awake: they search for tasks until they have found none for [`SEARCH_TIME`].
/// Tasks take tens of microseconds and follow one another closely; a sleeping thread takes longer than that to wake up.
/// Without this, training in 8 environments on two threads reaches 0.96 of its speed; 0.58 if minibatches are not fused.
///
/// No work waits for these threads. A thread that waits for a part of its own task may start [`search_for_tasks`]. It
/// returns to its task after [`SEARCH_TIME`], and searches again if it has to wait again.
fn keep_awake() {
    AWAKE.with_borrow(|awake| {
        let Some(awake) = awake else { return };
        for _ in awake.load(Ordering::Relaxed)..rayon::current_num_threads() - 1 {
            awake.fetch_add(1, Ordering::Relaxed);
            let awake = Arc::clone(awake);
            rayon::spawn(move || search_for_tasks(awake));
        }
    });
}

fn search_for_tasks(awake: Arc<AtomicUsize>) {
    if IS_OCCUPIED.replace(true) {
        awake.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let start = Instant::now();
    let mut busy = start;
    let continues = loop {
        match rayon::yield_now() {
            Some(Yield::Executed) => busy = Instant::now(),
            _ if busy.elapsed() < SEARCH_TIME => thread::yield_now(),
            _ => break false,
        }
        if start.elapsed() > SEARCH_TIME {
            break true;
        }
    };
    IS_OCCUPIED.set(false);
    match continues {
        true => rayon::spawn(move || search_for_tasks(awake)),
        false => drop(awake.fetch_sub(1, Ordering::Relaxed)),
    }
}

/// Runs the work of a caller on this thread, and catches its panics. If the thread was searching for tasks, [`AWAKE`]
/// does not count it during the work.
fn run_occupied<R>(work: impl FnOnce() -> R) -> thread::Result<R> {
    let was_searching = IS_OCCUPIED.replace(true);
    let awake = AWAKE.with_borrow(Option::clone).filter(|_| was_searching);
    if let Some(awake) = &awake {
        awake.fetch_sub(1, Ordering::Relaxed);
    }
    let outcome = catch_unwind(AssertUnwindSafe(work));
    IS_OCCUPIED.set(was_searching);
    if let Some(awake) = &awake {
        awake.fetch_add(1, Ordering::Relaxed);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    /// Runs many small tasks in a pool as large as the caller's.
    fn sum() -> u64 {
        in_pool(|| (0..100).map(|_| map((0..64).collect(), |i: u64| i).into_iter().sum::<u64>()).sum())
    }

    /// Fails if `work` takes more than a minute.
    fn finishes(work: impl FnOnce() + Send + 'static) {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            work();
            sender.send(()).unwrap();
        });
        receiver.recv_timeout(Duration::from_mins(1)).expect("the work ends within a minute");
    }

    #[test]
    fn work_runs_on_as_many_threads_as_the_callers_pool_has() {
        for threads in 1..4 {
            assert_eq!(pool(threads).install(|| in_pool(rayon::current_num_threads)), threads);
            assert_eq!(with_threads(threads, || in_pool(rayon::current_num_threads)), threads);
        }
        assert_eq!(in_pool(rayon::current_num_threads), rayon::current_num_threads());
    }

    #[test]
    fn panics_reach_the_caller_and_leave_the_threads_usable() {
        for threads in [1, 2, 5] {
            let pool = pool(threads);
            assert_eq!(pool.install(sum), 201_600);
            let panics = AssertUnwindSafe(|| pool.install(|| in_pool(|| panic!("as it should"))));
            assert!(catch_unwind(panics).is_err());
            assert!(catch_unwind(|| with_threads(threads, || panic!("as it should"))).is_err());
            assert_eq!(pool.install(sum), 201_600);
            assert_eq!(with_threads(threads, sum), 201_600);
        }
    }

    /// For example, a logger that waits for messages of a run.
    #[test]
    fn tasks_that_block_every_thread_of_the_callers_pool_do_not_delay_work() {
        finishes(|| {
            let pool = pool(3);
            let (sender, receiver) = mpsc::channel::<()>();
            let receiver = Arc::new(Mutex::new(receiver));
            let block = |pool: &ThreadPool| {
                let receiver = Arc::clone(&receiver);
                pool.spawn(move || receiver.lock().unwrap().recv().unwrap_or(()));
            };
            let done = pool.install(|| {
                (0..5).for_each(|_| block(&pool));
                let many: u64 = (0..50).map(|_| sum()).sum();
                (0..5).for_each(|_| block(&pool));
                many + sum()
            });
            assert_eq!(done, 51 * 201_600);
            drop(sender);
        });
    }

    /// For example, several trainers, in one pool and outside of it.
    #[test]
    fn several_callers_at_once_do_not_wait_for_each_other() {
        let updates = || (0..30).for_each(|_| assert_eq!(sum(), 201_600));
        finishes(move || {
            let pool = pool(4);
            for trainers in [2, 8] {
                pool.install(|| (0..trainers).into_par_iter().for_each(|_| updates()));
                thread::scope(|scope| {
                    for _ in 0..trainers {
                        scope.spawn(updates);
                        scope.spawn(|| pool.install(updates));
                    }
                });
            }
        });
    }

    #[test]
    fn searching_threads_do_not_delay_tasks_that_wait_for_their_own_parts() {
        finishes(|| {
            let parts = || map((0..8).collect(), |i: u64| map((0..8).collect(), |j: u64| i * j).iter().sum::<u64>());
            with_threads(4, || (0..2000).for_each(|_| assert_eq!(parts().iter().sum::<u64>(), 784)));
        });
    }

    #[test]
    fn threads_that_find_no_tasks_fall_asleep() {
        let awake = with_threads(3, || {
            map((0..64).collect(), |i: u64| i);
            AWAKE.with_borrow(Option::clone).unwrap()
        });
        let start = Instant::now();
        while awake.load(Ordering::Relaxed) > 0 {
            assert!(start.elapsed() < Duration::from_mins(1), "{awake:?}");
            thread::sleep(SEARCH_TIME);
        }
    }

    #[test]
    fn a_profile_includes_the_work_of_other_threads() {
        let nap = || profile::during(profile::Phase::Forward, || thread::sleep(SEARCH_TIME));
        let ((), profile) = profile::profiled(|| with_threads(2, nap));
        assert!(profile.of(profile::Phase::Forward) >= SEARCH_TIME);
    }
}
