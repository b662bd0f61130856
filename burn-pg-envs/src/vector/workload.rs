//! How many tasks a step is worth.

use std::time::Instant;

/// Nanoseconds that a task should take at least. Handing one to another thread takes around a microsecond while that is
/// awake, and several while it sleeps (see docs/environments.md).
const TASK: f64 = 8_000.0;

/// The cost of stepping one environment, measured now and then, and the number of tasks that follows from it.
///
/// It decides only where a batch is cut: each environment has its own stream, so no result depends on the cost.
#[derive(Debug, Clone)]
pub(super) struct Workload {
    steps: u32,
    /// Nanoseconds an environment step.
    cost: f64,
}

impl Workload {
    pub fn new() -> Self {
        // Until it is known, the cost is that of a task: the first environment of the first step is timed by itself.
        Self { steps: 0, cost: TASK }
    }

    /// How many of `num_envs` environments should be timed in this step: as many as make a task, in one of the first 8 steps
    /// and in every 256th, and none otherwise.
    pub fn sample(&mut self, num_envs: usize) -> usize {
        self.steps = self.steps.wrapping_add(1);
        if self.steps <= 8 || self.steps.is_multiple_of(256) { num_envs.div_ceil(self.tasks(num_envs)) } else { 0 }
    }

    /// Takes in that `sample` environments have been stepped since `start`. A single long time, as an interrupted thread has,
    /// moves the cost by no more than a factor of 2.
    pub fn measured(&mut self, sample: usize, start: Instant) {
        let cost = start.elapsed().as_nanos() as f64 / sample as f64;
        self.cost = cost.min(2.0 * self.cost).max(1.0);
    }

    /// The number of tasks for `num_envs` environments.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a positive number, cut off
    pub fn tasks(&self, num_envs: usize) -> usize {
        ((num_envs as f64 * self.cost / TASK) as usize).clamp(1, num_envs)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_cheap_stays_together_and_what_is_dear_is_spread() {
        let mut workload = Workload::new();
        assert_eq!(workload.sample(1000), 1, "one environment is timed first");
        workload.measured(1000, Instant::now().checked_sub(Duration::from_micros(30)).unwrap());
        assert!((3..=4).contains(&workload.tasks(1000)), "{workload:?}");
        assert_eq!(workload.tasks(100), 1);
        for _ in 0..20 {
            workload.measured(1, Instant::now().checked_sub(Duration::from_millis(1)).unwrap());
        }
        assert_eq!(workload.tasks(8), 8);
    }
}
