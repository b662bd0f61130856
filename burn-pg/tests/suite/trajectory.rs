//! Trajectories for tests of advantage estimators: recorded ones, and any at all.

use burn_pg::advantage::Trajectory;
use proptest::prelude::*;

use crate::golden::Number;

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
    /// Steps of `num_envs` environments that earn `rewards`, are worth nothing and end nothing.
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

    /// A rollout as CleanRL and Stable-Baselines3 keep it, with one flag from before each step for the end of an episode,
    /// and what followed the last step apart. They do not tell truncations apart; here all ends are terminations.
    pub fn of_one_flag(
        (rewards, values): (&[Vec<f64>], &[Vec<f64>]),
        last_values: &[f64],
        dones_before: &[Vec<f64>],
        last_dones: &[f64],
    ) -> Self {
        let after = |before: &[Vec<f64>], last: &[f64]| [before[1..].concat(), last.to_vec()].concat();
        Self {
            values: rounded(values),
            next_values: rounded(&[after(values, last_values)]),
            terminated: after(dones_before, last_dones).into_iter().map(|done| done > 0.5).collect(),
            ..Self::new(last_values.len(), &rounded(rewards))
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

    /// With its environments in another order.
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

/// Each step of as many environments as `order` names, in that order.
pub fn permuted<T: Copy>(items: &[T], order: &[usize]) -> Vec<T> {
    items.chunks_exact(order.len()).flat_map(|step| order.iter().map(|&env| step[env])).collect()
}

/// Any trajectory of `steps` steps of two environments.
pub fn trajectories(steps: usize) -> impl Strategy<Value = Owned> {
    trajectories_of(2, steps)
}

/// Any trajectory of `steps` steps of `num_envs` environments.
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

#[allow(clippy::cast_possible_truncation)] // rollouts are kept in single precision
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
