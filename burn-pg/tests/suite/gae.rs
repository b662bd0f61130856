//! Generalised advantage estimation, against TorchRL, Stable-Baselines3, Spinning Up and RLax.

use burn_pg::advantage::{AdvantageEstimator, Gae, Targets, Trajectory};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::assert_close,
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    gamma: f64,
    lambda: f64,
    rewards: Vec<Vec<Number>>,
    values: Vec<Vec<Number>>,
    next_values: Vec<Vec<Number>>,
    terminated: Vec<Vec<bool>>,
    truncated: Vec<Vec<bool>>,
    expected: Option<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    advantages: Vec<Vec<Number>>,
    returns: Option<Vec<Vec<Number>>>,
}

#[allow(clippy::cast_possible_truncation)] // the recorded inputs are exact in single precision
fn single(rows: &[Vec<Number>]) -> Vec<f32> {
    rows.iter().flatten().map(|number| number.0 as f32).collect()
}

fn double(rows: &[Vec<Number>]) -> Vec<f64> {
    rows.iter().flatten().map(|number| number.0).collect()
}

fn estimate(case: &Case) -> Targets {
    let (rewards, values, next_values) = (single(&case.rewards), single(&case.values), single(&case.next_values));
    let trajectory = Trajectory {
        num_envs: case.rewards[0].len(),
        rewards: &rewards,
        values: &values,
        next_values: &next_values,
        terminated: &case.terminated.concat(),
        truncated: &case.truncated.concat(),
    };
    Gae { gamma: case.gamma, lambda: case.lambda }.estimate(&trajectory)
}

#[test]
fn advantages_and_returns_are_those_of_the_field() {
    let file: File = golden("adv/gae.json");
    assert!(!file.cases.is_empty());
    for case in &file.cases {
        let targets = estimate(case);
        let expected = case.expected.as_ref().unwrap();
        assert_close(&targets.advantages, &double(&expected.advantages), 1e-10, &case.name);
        let returns = expected.returns.as_ref().unwrap();
        assert_close(&targets.returns, &double(returns), 1e-10, &case.name);
    }
}

#[test]
fn what_lies_behind_a_terminal_step_is_never_touched() {
    let file: File = golden("adv/gae_nonfinite.json");
    // The other cases have rewards that are not finite; see `run::a_reward_that_is_not_a_number_ends_a_run`.
    let cases: Vec<&Case> = file.cases.iter().filter(|case| case.expected.is_some()).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let expected = double(&case.expected.as_ref().unwrap().advantages);
        assert!(expected.iter().all(|advantage| advantage.is_finite()), "{}", case.name);
        assert_close(&estimate(case).advantages, &expected, 1e-10, &case.name);
    }
}

type Flat = (Vec<f32>, Vec<f32>, Vec<f32>, Vec<bool>, Vec<bool>);

/// Any trajectory of `steps` steps of two environments: rewards, values, next values, and the two flags.
fn trajectories(steps: usize) -> impl Strategy<Value = Flat> {
    let numbers = move || proptest::collection::vec(-10.0_f32..10.0, 2 * steps);
    let flags = move || proptest::collection::vec(proptest::bool::weighted(0.2), 2 * steps);
    (numbers(), numbers(), numbers(), flags(), flags()).prop_map(
        |(rewards, values, mut next_values, terminated, truncated)| {
            // Within an episode the next value is the value of the next step.
            for i in 0..values.len() - 2 {
                if !terminated[i] && !truncated[i] {
                    next_values[i] = values[i + 2];
                }
            }
            (rewards, values, next_values, terminated, truncated)
        },
    )
}

proptest! {
    #[test]
    fn lambda_zero_is_the_one_step_error_and_lambda_one_the_discounted_return(
        (rewards, values, next_values, terminated, truncated) in trajectories(7),
        gamma in 0.0..=1.0_f64,
    ) {
        let trajectory = Trajectory {
            num_envs: 2,
            rewards: &rewards,
            values: &values,
            next_values: &next_values,
            terminated: &terminated,
            truncated: &truncated,
        };
        let one_step = Gae { gamma, lambda: 0.0 }.estimate(&trajectory);
        let whole = Gae { gamma, lambda: 1.0 }.estimate(&trajectory);
        for i in 0..rewards.len() {
            let bootstrap = |i: usize| if terminated[i] { 0.0 } else { gamma * f64::from(next_values[i]) };
            let error = f64::from(rewards[i]) + bootstrap(i) - f64::from(values[i]);
            prop_assert!((one_step.advantages[i] - error).abs() < 1e-9);

            let (mut discounted, mut discount) = (0.0, 1.0);
            for j in (i..rewards.len()).step_by(2) {
                discounted += discount * f64::from(rewards[j]);
                if terminated[j] || truncated[j] || j + 2 >= rewards.len() {
                    discounted += discount * bootstrap(j);
                    break;
                }
                discount *= gamma;
            }
            prop_assert!((whole.returns[i] - discounted).abs() < 1e-9);
        }
    }

    #[test]
    fn swapping_environments_swaps_the_result(
        (rewards, values, next_values, terminated, truncated) in trajectories(5),
    ) {
        fn swapped<T: Copy>(items: &[T]) -> Vec<T> {
            items.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect()
        }
        let gae = Gae { gamma: 0.9, lambda: 0.8 };
        let forward = gae.estimate(&Trajectory {
            num_envs: 2,
            rewards: &rewards,
            values: &values,
            next_values: &next_values,
            terminated: &terminated,
            truncated: &truncated,
        });
        let backward = gae.estimate(&Trajectory {
            num_envs: 2,
            rewards: &swapped(&rewards),
            values: &swapped(&values),
            next_values: &swapped(&next_values),
            terminated: &swapped(&terminated),
            truncated: &swapped(&truncated),
        });
        prop_assert_eq!(swapped(&forward.advantages), backward.advantages);
        prop_assert_eq!(swapped(&forward.returns), backward.returns);
    }
}
