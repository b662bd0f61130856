//! How many tasks a step is split into.

use std::time::Duration;

/// Minimum duration of a task, in nanoseconds. Passing a task to another thread of the pool takes about a microsecond
/// if that thread is awake, and several if it sleeps (see docs/environments.md).
const TASK: f64 = 10_000.0;

/// Minimum duration of a batch, in nanoseconds, if the caller is outside the pool and has to wake it up and wait.
const BATCH: f64 = 60_000.0;

/// Steps from one measurement to the next.
const INTERVAL: u32 = 256;

/// The measured cost of stepping one environment, and the task size that follows from it.
///
/// No result depends on the cost: it decides only where a batch is cut, and each environment has its own random stream.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    num_envs: usize,
    /// Nanoseconds per environment step.
    cost: f64,
    envs_per_task: usize,
    /// Measurements taken so far, up to 8.
    measured: u32,
    steps_to_next: u32,
}

impl Workload {
    /// Creates the workload of `num_envs` environments of unknown cost. The first step times one environment.
    pub fn new(num_envs: usize) -> Self {
        Self { num_envs, cost: TASK, envs_per_task: 1, measured: 0, steps_to_next: 0 }
    }

    /// Returns the number of environments to time in this step: one task in each of the first 8 steps and in every
    /// 256th step after them, `None` otherwise.
    #[inline]
    pub fn sample(&mut self) -> Option<usize> {
        if let Some(left) = self.steps_to_next.checked_sub(1) {
            self.steps_to_next = left;
            return None;
        }
        self.measured = (self.measured + 1).min(8);
        self.steps_to_next = if self.measured < 8 { 0 } else { INTERVAL - 1 };
        Some(self.envs_per_task)
    }

    /// Updates the cost from the time it took to step `sample` environments. One long measurement, for example of an
    /// interrupted thread, at most doubles the cost.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a positive number, cut off
    pub fn measured(&mut self, sample: usize, elapsed: Duration) {
        let cost = elapsed.as_nanos() as f64 / sample as f64;
        self.cost = cost.min(2.0 * self.cost).max(1.0);
        let tasks = ((self.num_envs as f64 * self.cost / TASK) as usize).clamp(1, self.num_envs);
        // A power of two, so that two or four threads get equal shares of few tasks; unless each environment is a task.
        let tasks = if tasks < self.num_envs { 1 << tasks.ilog2() } else { tasks };
        self.envs_per_task = self.num_envs.div_ceil(tasks);
    }

    /// Returns the number of environments per task: all of them if spreading a step from this thread is not faster.
    #[inline]
    pub fn envs_per_task(&self) -> usize {
        if self.envs_per_task < self.num_envs && !self.pays() { self.num_envs } else { self.envs_per_task }
    }

    fn pays(&self) -> bool {
        let is_in_pool = rayon::current_thread_index().is_some();
        rayon::current_num_threads() > 1 && (is_in_pool || self.num_envs as f64 * self.cost >= BATCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_environments_share_a_task_and_costly_ones_are_spread() {
        let micros = Duration::from_micros;
        let mut workload = Workload::new(1000);
        assert_eq!(workload.sample(), Some(1), "one environment is timed first");
        workload.measured(1000, micros(30));
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (one, two) = (pool(1), pool(2));
        assert_eq!(two.install(|| workload.envs_per_task()), 500);
        assert_eq!(one.install(|| workload.envs_per_task()), 1000);
        assert_eq!(workload.envs_per_task(), 1000, "not from outside the pool");
        workload.measured(1000, micros(3));
        assert_eq!(two.install(|| workload.envs_per_task()), 1000);
        let mut dear = Workload::new(8);
        for _ in 0..20 {
            dear.measured(1, micros(1000));
        }
        assert_eq!(two.install(|| dear.envs_per_task()), 1);
        let measured = (0..1000).filter(|_| workload.sample().is_some()).count();
        assert_eq!(measured, 7 + 3, "the rest of the first 8, and every 256th");
    }
}
