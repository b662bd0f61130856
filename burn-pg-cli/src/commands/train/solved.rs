//! When a task counts as solved.

use std::fmt;

use burn_pg::UpdateStats;

/// Number of episodes whose mean return must reach the threshold, as in Gymnasium.
const EPISODES: u64 = 100;

/// The first update after which the task counted as solved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Solved {
    /// Environment steps up to then.
    pub env_steps: u64,
    /// Seconds of training up to then.
    pub seconds: f64,
}

impl Solved {
    pub fn at(stats: &UpdateStats) -> Self {
        Self { env_steps: stats.env_steps, seconds: stats.elapsed_seconds }
    }

    /// Returns the first update that solved the task.
    pub fn first(metrics: &[UpdateStats], threshold: Option<f64>) -> Option<Self> {
        metrics.iter().find(|stats| is_solved(stats, threshold)).map(Self::at)
    }
}

impl fmt::Display for Solved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.seconds < 10.0 { 2 } else { 0 };
        write!(f, "solved after {} steps, {:.digits$} s", self.env_steps, self.seconds)
    }
}

/// True if the last 100 episodes of training had a mean return of at least the threshold.
pub fn is_solved(stats: &UpdateStats, threshold: Option<f64>) -> bool {
    stats.episodes >= EPISODES && threshold.zip(stats.episode_return_mean).is_some_and(|(least, mean)| mean >= least)
}
