//! Trajectories for tests of advantage estimators, recorded and random.

use burn_pg::advantage::{AdvantageEstimator, Targets, Trajectory};
use proptest::prelude::*;

use crate::golden::Number;

/// A trajectory in double precision.
pub struct Exact {
    pub num_envs: usize,
    pub rewards: Vec<f64>,
    pub values: Vec<f64>,
    pub next_values: Vec<f64>,
    pub terminated: Vec<bool>,
    pub truncated: Vec<bool>,
}

impl Exact {
    /// A rollout in the form of CleanRL and Stable-Baselines3: one flag before each step for the end of an episode, and the
    /// flag and value after the last step separately. They do not distinguish truncation; here all ends are terminations.
    pub fn of_one_flag(
        (rewards, values): (&[Vec<f64>], &[Vec<f64>]),
        last_values: &[f64],
        dones_before: &[Vec<f64>],
        last_dones: &[f64],
    ) -> Self {
        let after = |before: &[Vec<f64>], last: &[f64]| [before[1..].concat(), last.to_vec()].concat();
        let terminated: Vec<bool> = after(dones_before, last_dones).into_iter().map(|done| done > 0.5).collect();
        Self {
            num_envs: last_values.len(),
            rewards: rewards.concat(),
            values: values.concat(),
            next_values: after(values, last_values),
            truncated: vec![false; terminated.len()],
            terminated,
        }
    }

    /// In single precision, as rollouts are stored.
    #[allow(clippy::cast_possible_truncation)]
    pub fn rounded(&self) -> Owned {
        self.map(|number| number as f32)
    }

    #[allow(clippy::cast_possible_truncation)]
    fn map(&self, number: fn(f64) -> f32) -> Owned {
        let map = |numbers: &[f64]| numbers.iter().map(|&n| number(n)).collect();
        Owned {
            num_envs: self.num_envs,
            rewards: map(&self.rewards),
            values: map(&self.values),
            next_values: map(&self.next_values),
            terminated: self.terminated.clone(),
            truncated: self.truncated.clone(),
            log_ratios: Vec::new(),
        }
    }

    /// Returns the targets of an estimator that is linear in rewards and values. Trajectories are in single precision, so
    /// the targets of the rounded values and those of the rounding errors are added.
    #[allow(clippy::cast_possible_truncation)]
    pub fn estimate(&self, linear: &dyn AdvantageEstimator) -> Targets {
        let whole = linear.estimate(&self.rounded().view());
        let rest = linear.estimate(&self.map(|number| (number - f64::from(number as f32)) as f32).view());
        let sum = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
        Targets { advantages: sum(whole.advantages, rest.advantages), returns: sum(whole.returns, rest.returns) }
    }
}

/// A trajectory that owns its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    pub num_envs: usize,
    pub rewards: Vec<f32>,
    pub values: Vec<f32>,
    pub next_values: Vec<f32>,
    pub terminated: Vec<bool>,
    pub truncated: Vec<bool>,
    pub log_ratios: Vec<f64>,
}

impl Owned {
    /// Steps of `num_envs` environments with these rewards, values of 0, and no ends of episodes.
    pub fn new(num_envs: usize, rewards: &[f32]) -> Self {
        let steps = rewards.len();
        Self {
            num_envs,
            rewards: rewards.to_vec(),
            values: vec![0.0; steps],
            next_values: vec![0.0; steps],
            terminated: vec![false; steps],
            truncated: vec![false; steps],
            log_ratios: Vec::new(),
        }
    }

    pub fn view(&self) -> Trajectory<'_> {
        Trajectory {
            num_envs: self.num_envs,
            rewards: &self.rewards,
            values: &self.values,
            next_values: &self.next_values,
            terminated: &self.terminated,
            truncated: &self.truncated,
            log_ratios: &self.log_ratios,
        }
    }

    pub fn ended(&self, row: usize) -> bool {
        self.terminated[row] || self.truncated[row]
    }

    /// Returns the trajectory with its environments in another order.
    pub fn permuted(&self, order: &[usize]) -> Self {
        Self {
            num_envs: self.num_envs,
            rewards: permuted(&self.rewards, order),
            values: permuted(&self.values, order),
            next_values: permuted(&self.next_values, order),
            terminated: permuted(&self.terminated, order),
            truncated: permuted(&self.truncated, order),
            log_ratios: permuted(&self.log_ratios, order),
        }
    }
}

/// Reorders the environments of each step.
pub fn permuted<T: Copy>(items: &[T], order: &[usize]) -> Vec<T> {
    items.chunks_exact(order.len()).flat_map(|step| order.iter().map(|&env| step[env])).collect()
}

/// Random trajectories of `steps` steps of two environments.
pub fn trajectories(steps: usize) -> impl Strategy<Value = Owned> {
    trajectories_of(2, steps)
}

/// Random trajectories of `steps` steps of `num_envs` environments.
pub fn trajectories_of(num_envs: usize, steps: usize) -> impl Strategy<Value = Owned> {
    let numbers = move || proptest::collection::vec(-10.0_f32..10.0, num_envs * steps);
    let flags = move || proptest::collection::vec(proptest::bool::weighted(0.2), num_envs * steps);
    let log_ratios = proptest::collection::vec(-3.0..3.0_f64, num_envs * steps);
    (numbers(), numbers(), numbers(), flags(), flags(), log_ratios).prop_map(
        move |(rewards, values, mut next_values, terminated, truncated, log_ratios)| {
            // Within an episode the next value is the value of the next step.
            for i in 0..values.len() - num_envs {
                if !terminated[i] && !truncated[i] {
                    next_values[i] = values[i + num_envs];
                }
            }
            Owned { num_envs, rewards, values, next_values, terminated, truncated, log_ratios }
        },
    )
}

#[allow(clippy::cast_possible_truncation)] // rollouts are in single precision
pub fn rounded(rows: &[Vec<f64>]) -> Vec<f32> {
    rows.iter().flatten().map(|&number| number as f32).collect()
}

#[allow(clippy::cast_possible_truncation)] // the recorded inputs are exact in single precision
pub fn single(rows: &[Vec<Number>]) -> Vec<f32> {
    rows.iter().flatten().map(|number| number.0 as f32).collect()
}

pub fn double(rows: &[Vec<Number>]) -> Vec<f64> {
    rows.iter().flatten().map(|number| number.0).collect()
}
