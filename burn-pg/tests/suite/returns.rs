//! Reward-to-go, compared with Spinning Up, and n-step returns, compared with reward-to-go and GAE.

use std::num::NonZeroUsize;

use burn_pg::advantage::{AdvantageEstimator, Bootstrap, Gae, NStep, RewardToGo, Targets, Trajectory};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::golden,
    precision::{assert_close, assert_relative, assert_trained_on},
    trajectory::{Owned, trajectories},
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    gamma: f64,
    rewards: Vec<f64>,
    done: Vec<bool>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    reward_to_go: Vec<f64>,
}

#[test]
#[allow(clippy::cast_possible_truncation)] // the recorded inputs are exact in single precision
fn reward_to_go_without_a_critic_matches_spinning_up() {
    let file: File = golden("adv/returns.json");
    assert!(!file.cases.is_empty());
    for case in &file.cases {
        let going_on = vec![false; case.done.len()];
        // Without bootstrapping, termination and truncation are the same.
        for (terminated, truncated) in [(&case.done, &going_on), (&going_on, &case.done)] {
            let reinforce = RewardToGo { gamma: case.gamma, baseline: false, bootstrap: Bootstrap::Zero };
            let targets = reinforce.estimate(&Trajectory {
                num_envs: 1,
                rewards: &case.rewards.iter().map(|&reward| reward as f32).collect::<Vec<_>>(),
                values: &[],
                next_values: &[],
                terminated,
                truncated,
                log_ratios: &[],
            });
            assert_relative(&targets.returns, &case.expected.reward_to_go, 1e-9, &case.name);
            assert_trained_on(&targets.returns, &case.expected.reward_to_go, &case.name);
            assert_eq!(targets.advantages, targets.returns, "{}", case.name);
        }
    }
}

fn n_step(gamma: f64, n: usize, trajectory: &Owned) -> Targets {
    NStep { gamma, n: NonZeroUsize::new(n).unwrap() }.estimate(&trajectory.view())
}

proptest! {
    #[test]
    fn reward_to_go_with_a_critic_equals_gae_with_lambda_one(trajectory in trajectories(7), gamma in 0.0..=1.0_f64) {
        let gae = Gae { gamma, lambda: 1.0 }.estimate(&trajectory.view());
        for baseline in [false, true] {
            let reward_to_go = RewardToGo { gamma, baseline, bootstrap: Bootstrap::NextValues };
            let targets = reward_to_go.estimate(&trajectory.view());
            assert_close(&targets.returns, &gae.returns, 1e-9, "returns");
            let advantages = if baseline { &gae.advantages } else { &gae.returns };
            assert_close(&targets.advantages, advantages, 1e-9, "advantages");
        }
    }

    #[test]
    fn without_a_bootstrap_every_end_is_terminal(trajectory in trajectories(7), gamma in 0.0..=1.0_f64) {
        let steps = trajectory.rewards.len();
        let mut terminal = trajectory.clone();
        for row in 0..steps {
            terminal.terminated[row] = trajectory.ended(row) || row + 2 >= steps;
        }
        for baseline in [false, true] {
            let zero = RewardToGo { gamma, baseline, bootstrap: Bootstrap::Zero };
            let next_values = RewardToGo { gamma, baseline, bootstrap: Bootstrap::NextValues };
            prop_assert_eq!(zero.estimate(&trajectory.view()), next_values.estimate(&terminal.view()));
        }
    }

    #[test]
    fn one_step_returns_equal_gae_with_lambda_zero(trajectory in trajectories(7), gamma in 0.0..=1.0_f64) {
        let gae = Gae { gamma, lambda: 0.0 }.estimate(&trajectory.view());
        let targets = n_step(gamma, 1, &trajectory);
        assert_close(&targets.advantages, &gae.advantages, 1e-9, "advantages");
        assert_close(&targets.returns, &gae.returns, 1e-9, "returns");
    }

    #[test]
    fn n_steps_beyond_the_end_equal_reward_to_go(
        trajectory in trajectories(7),
        gamma in 0.0..=1.0_f64,
        n in prop_oneof![7..20_usize, Just(usize::MAX)],
    ) {
        let whole = RewardToGo { gamma, baseline: true, bootstrap: Bootstrap::NextValues };
        let whole = whole.estimate(&trajectory.view());
        let targets = n_step(gamma, n, &trajectory);
        assert_close(&targets.advantages, &whole.advantages, 1e-9, "advantages");
        assert_close(&targets.returns, &whole.returns, 1e-9, "returns");
    }

    #[test]
    fn n_plus_one_steps_are_a_reward_and_the_n_step_return_of_the_next_step(
        trajectory in trajectories(9),
        gamma in 0.0..=1.0_f64,
        n in 1..8_usize,
    ) {
        let (fewer, more) = (n_step(gamma, n, &trajectory), n_step(gamma, n + 1, &trajectory));
        let steps = trajectory.rewards.len();
        for row in 0..steps {
            let rest = match row + 2 {
                next if next < steps && !trajectory.ended(row) => fewer.returns[next],
                _ if trajectory.terminated[row] => 0.0,
                _ => f64::from(trajectory.next_values[row]),
            };
            let expected = f64::from(trajectory.rewards[row]) + gamma * rest;
            prop_assert!((more.returns[row] - expected).abs() < 1e-9, "row {row}");
            let advantage = more.returns[row] - f64::from(trajectory.values[row]);
            prop_assert_eq!(more.advantages[row], advantage);
        }
    }
}
