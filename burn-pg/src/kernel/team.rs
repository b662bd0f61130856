//! A team of threads that works through one set of tasks after the other.
//!
//! The tasks of a set take tens of microseconds, and the sets follow one another closely. So the members of a team do not
//! sleep between sets: they wait in a loop, and a new set costs a fraction of a microsecond.

use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    thread,
};

use super::threads::{in_pool, is_in_pool};

/// Turns of the loop in which a thread waits before it lets other threads of the machine run.
const PATIENCE: u32 = 2_000;

/// A team, and the tasks of the current set.
pub(crate) struct Team<'w, W> {
    work: &'w W,
    /// The number of the current set, and the number of its tasks.
    size: AtomicU64,
    /// For each thread, the number of the current set, and the next of its tasks. It takes those of others when its own
    /// are taken. So a thread mostly gets the tasks that it had in the sets before, whose data is in its cache.
    next: Vec<Next>,
    /// Number of tasks of the current set that are done.
    done: AtomicUsize,
    has_panicked: AtomicBool,
    is_dismissed: AtomicBool,
}

/// A number in a cache line of its own, so that threads that change different ones do not wait for each other.
#[derive(Default)]
#[repr(align(64))]
struct Next(AtomicU64);

/// The upper bits of a number hold the number of a set. The lower ones hold that of a task, or how many tasks there are.
const SET: u32 = 32;
const TASK: u64 = (1 << SET) - 1;

impl<'w, W: Fn(usize) + Sync> Team<'w, W> {
    /// Runs `lead`, which gives sets of tasks to [`run`](Self::run). A task runs `work` with its number. Both run in the
    /// pool of [`in_pool`]: in another pool, a task of somebody else could block a member of the team.
    ///
    /// # Panics
    /// If `lead` or `work` panics.
    pub fn lead<R: Send>(work: &'w W, lead: impl FnOnce(&Self) -> R + Send) -> R {
        in_pool(|| Self::lead_here(work, lead))
    }

    fn lead_here<R: Send>(work: &'w W, lead: impl FnOnce(&Self) -> R + Send) -> R {
        let leader = rayon::current_thread_index().filter(|_| is_in_pool());
        let threads = if leader.is_some() { rayon::current_num_threads() } else { 1 };
        let team = Self {
            work,
            size: AtomicU64::new(0),
            next: (0..threads).map(|_| Next::default()).collect(),
            done: AtomicUsize::new(0),
            has_panicked: AtomicBool::new(false),
            is_dismissed: AtomicBool::new(false),
        };
        if threads == 1 {
            return lead(&team);
        }
        rayon::scope(|scope| {
            let dismissal = Dismissal(&team.is_dismissed);
            scope.spawn_broadcast(|_, member| {
                if Some(member.index()) != leader {
                    team.follow();
                }
            });
            let result = lead(&team);
            drop(dismissal);
            result
        })
    }

    /// Runs the tasks `0..count`, fewer than 2^32, and returns when all are done.
    ///
    /// # Panics
    /// If a task panics.
    pub fn run(&self, count: usize) {
        let set = (self.size.load(Ordering::Relaxed) >> SET) + 1;
        self.done.store(0, Ordering::Relaxed);
        self.size.store(set << SET | count as u64, Ordering::Release);
        for (thread, next) in self.next.iter().enumerate() {
            next.0.store(set << SET | self.first(thread, count) as u64, Ordering::Release);
        }
        self.take_tasks();
        wait_until(|| self.done.load(Ordering::Acquire) == count);
        assert!(!self.has_panicked.load(Ordering::Relaxed), "a task has panicked on another thread");
    }

    /// Returns the first of the tasks of a thread, if there are `count` tasks.
    fn first(&self, thread: usize, count: usize) -> usize {
        thread * count / self.next.len()
    }

    /// Takes tasks of one set after the other, until the team is dismissed.
    fn follow(&self) {
        let Next(own) = &self.next[rayon::current_thread_index().unwrap_or_default()];
        let (mut seen, current) = (0, || own.load(Ordering::Acquire) >> SET);
        loop {
            wait_until(|| current() != seen || self.is_dismissed.load(Ordering::Acquire));
            if self.is_dismissed.load(Ordering::Acquire) {
                return;
            }
            seen = current();
            self.take_tasks();
        }
    }

    fn take_tasks(&self) {
        let (threads, this) = (self.next.len(), rayon::current_thread_index().unwrap_or_default());
        for thread in (0..threads).map(|i| (this + i) % threads) {
            while let Some(task) = self.take_task(thread) {
                let completion = Completion { done: &self.done, has_panicked: &self.has_panicked };
                (self.work)(task);
                drop(completion);
            }
        }
    }

    /// Takes a task of a thread, if one is left.
    fn take_task(&self, thread: usize) -> Option<usize> {
        // If the number is of an old set, all tasks of that are done.
        let task_of = |next: u64| {
            let size = self.size.load(Ordering::Relaxed);
            let (set, task) = (next >> SET, (next & TASK) as usize);
            let is_left = set == size >> SET && task < self.first(thread + 1, (size & TASK) as usize);
            is_left.then_some(task)
        };
        let Next(next) = &self.next[thread];
        // First without changing the number, which other threads read.
        task_of(next.load(Ordering::Acquire))?;
        task_of(next.fetch_add(1, Ordering::AcqRel))
    }
}

/// Dismisses a team when it is dropped.
struct Dismissal<'a>(&'a AtomicBool);

impl Drop for Dismissal<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Counts a task as done when it is dropped.
struct Completion<'a> {
    done: &'a AtomicUsize,
    has_panicked: &'a AtomicBool,
}

impl Drop for Completion<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.has_panicked.store(true, Ordering::Relaxed);
        }
        self.done.fetch_add(1, Ordering::Release);
    }
}

fn wait_until(condition: impl Fn() -> bool) {
    let mut turns = 0_u32;
    while !condition() {
        turns = turns.wrapping_add(1);
        match turns % PATIENCE {
            0 => thread::yield_now(),
            _ => spin_loop(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::kernel::with_threads;

    #[test]
    fn every_task_of_every_set_runs_once() {
        for threads in [1, 2, 5] {
            let runs: Vec<AtomicUsize> = (0..40).map(|_| AtomicUsize::new(0)).collect();
            let work = |task: usize| {
                runs[task].fetch_add(1, Ordering::Relaxed);
            };
            with_threads(threads, || {
                Team::lead(&work, |team| (0..2000).for_each(|set| team.run(set % 40)));
            });
            for (task, runs) in runs.iter().enumerate() {
                assert_eq!(runs.load(Ordering::Relaxed), 50 * (39 - task), "{threads} {task}");
            }
        }
    }

    #[test]
    fn a_task_sees_what_was_written_before_its_set() {
        let (before, sums) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_| {
            sums.fetch_add(before.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        with_threads(3, || {
            Team::lead(&work, |team| {
                for set in 0..3000 {
                    before.store(set, Ordering::Relaxed);
                    team.run(4);
                    assert_eq!(sums.swap(0, Ordering::Relaxed), 4 * set);
                }
            });
        });
    }

    #[test]
    fn panics_reach_the_caller_and_dismiss_the_team() {
        for threads in [1, 4] {
            let work = |task: usize| assert!(task != 7, "as it should");
            let fails = AssertUnwindSafe(|| with_threads(threads, || Team::lead(&work, |team| team.run(20))));
            assert!(catch_unwind(fails).is_err());
            let leader =
                AssertUnwindSafe(|| with_threads(threads, || Team::lead(&work, |_| -> () { panic!("as it should") })));
            assert!(catch_unwind(leader).is_err());
            with_threads(threads, || Team::lead(&work, |team| team.run(7)));
        }
    }
}
