//! Generalised advantage estimation, against TorchRL, Stable-Baselines3, Spinning Up and RLax.

use burn_pg::advantage::{AdvantageEstimator, Gae, Targets};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::assert_close,
    trajectory::{Owned, double, single, trajectories},
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

fn estimate(case: &Case) -> Targets {
    let trajectory = Owned {
        num_envs: case.rewards[0].len(),
        rewards: single(&case.rewards),
        values: single(&case.values),
        next_values: single(&case.next_values),
        terminated: case.terminated.concat(),
        truncated: case.truncated.concat(),
        log_ratios: Vec::new(),
    };
    Gae { gamma: case.gamma, lambda: case.lambda }.estimate(&trajectory.view())
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

proptest! {
    #[test]
    fn lambda_zero_is_the_one_step_error_and_lambda_one_the_discounted_return(
        trajectory in trajectories(7),
        gamma in 0.0..=1.0_f64,
    ) {
        let one_step = Gae { gamma, lambda: 0.0 }.estimate(&trajectory.view());
        let whole = Gae { gamma, lambda: 1.0 }.estimate(&trajectory.view());
        let Owned { rewards, values, next_values, terminated, .. } = &trajectory;
        for i in 0..rewards.len() {
            let bootstrap = |i: usize| if terminated[i] { 0.0 } else { gamma * f64::from(next_values[i]) };
            let error = f64::from(rewards[i]) + bootstrap(i) - f64::from(values[i]);
            prop_assert!((one_step.advantages[i] - error).abs() < 1e-9);

            let (mut discounted, mut discount) = (0.0, 1.0);
            for j in (i..rewards.len()).step_by(2) {
                discounted += discount * f64::from(rewards[j]);
                if trajectory.ended(j) || j + 2 >= rewards.len() {
                    discounted += discount * bootstrap(j);
                    break;
                }
                discount *= gamma;
            }
            prop_assert!((whole.returns[i] - discounted).abs() < 1e-9);
        }
    }
}
