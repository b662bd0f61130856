//! Generalised advantage estimation, compared with TorchRL, Stable-Baselines3, Spinning Up and RLax.

use burn_pg::{
    Error,
    advantage::{AdvantageEstimator, Bootstrap, Gae, RewardToGo, Targets},
    envs::ActionBuffer,
    source::{Observations, Rollout},
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{assert_relative, assert_trained_on},
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
    rewards_to_go_bootstrapped: Option<Vec<Vec<Number>>>,
}

fn trajectory(case: &Case) -> Owned {
    Owned {
        num_envs: case.rewards[0].len(),
        rewards: single(&case.rewards),
        values: single(&case.values),
        next_values: single(&case.next_values),
        terminated: case.terminated.concat(),
        truncated: case.truncated.concat(),
        log_ratios: Vec::new(),
    }
}

fn estimate(case: &Case) -> Targets {
    let trajectory = trajectory(case);
    Gae { gamma: case.gamma, lambda: case.lambda }.estimate(&trajectory.view())
}

#[test]
fn advantages_and_returns_match_other_programs() {
    let file: File = golden("adv/gae.json");
    assert!(!file.cases.is_empty());
    for case in &file.cases {
        let targets = estimate(case);
        let expected = case.expected.as_ref().unwrap();
        assert_relative(&targets.advantages, &double(&expected.advantages), 1e-10, &case.name);
        let returns = expected.returns.as_ref().unwrap();
        assert_relative(&targets.returns, &double(returns), 1e-10, &case.name);
        assert_trained_on(&targets.advantages, &double(&expected.advantages), &case.name);
        assert_trained_on(&targets.returns, &double(returns), &case.name);
    }
}

#[test]
fn gae_never_reads_the_value_after_a_terminal_step() {
    let file: File = golden("adv/gae_nonfinite.json");
    // The other cases have rewards that are not finite, see below.
    let cases: Vec<&Case> = file.cases.iter().filter(|case| case.expected.is_some()).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let expected = double(&case.expected.as_ref().unwrap().advantages);
        assert!(expected.iter().all(|advantage| advantage.is_finite()), "{}", case.name);
        assert_relative(&estimate(case).advantages, &expected, 1e-10, &case.name);
    }
}

#[test]
fn rewards_that_are_not_finite_are_refused_before_any_advantage_is_computed() {
    let file: File = golden("adv/gae_nonfinite.json");
    let cases: Vec<&Case> = file.cases.iter().filter(|case| case.expected.is_none()).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let (num_envs, rewards) = (case.rewards[0].len(), single(&case.rewards));
        let bad = rewards.iter().position(|reward| !reward.is_finite()).unwrap();
        let rollout =
            Rollout { rewards, ..Rollout::new(num_envs, Observations::default(), ActionBuffer::Discrete(Vec::new())) };
        let Err(Error::Reward { update: 3, env, step, env_steps: 64, reward }) = rollout.check_rewards(3, 64) else {
            panic!("{}", case.name);
        };
        assert_eq!((env, step), (bad % num_envs, bad / num_envs), "{}", case.name);
        assert!(!reward.is_finite(), "{}", case.name);
    }
}

#[test]
fn discounted_rewards_with_a_bootstrap_match_torchrl() {
    let file: File = golden("adv/gae.json");
    assert!(!file.cases.is_empty());
    for case in &file.cases {
        let whole = RewardToGo { gamma: case.gamma, baseline: false, bootstrap: Bootstrap::NextValues };
        let expected = case.expected.as_ref().unwrap().rewards_to_go_bootstrapped.as_ref().unwrap();
        let targets = whole.estimate(&trajectory(case).view());
        assert_relative(&targets.returns, &double(expected), 1e-10, &case.name);
        assert_trained_on(&targets.returns, &double(expected), &case.name);
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
            prop_assert!((whole.advantages[i] - (discounted - f64::from(values[i]))).abs() < 1e-9);
        }
    }
}
