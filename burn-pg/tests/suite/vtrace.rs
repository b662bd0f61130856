//! V-trace, compared with TorchRL and RLax.

use burn_pg::advantage::{AdvantageEstimator, Gae, VTrace};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{assert_close, assert_relative, assert_trained_on},
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
    rho_clip: f64,
    c_clip: f64,
    pg_rho_clip: f64,
    log_pi_target: Vec<Vec<Number>>,
    log_mu_behaviour: Vec<Vec<Number>>,
    rewards: Vec<Vec<Number>>,
    values: Vec<Vec<Number>>,
    next_values: Vec<Vec<Number>>,
    terminated: Vec<Vec<bool>>,
    truncated: Vec<Vec<bool>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    vs: Vec<Vec<Number>>,
    pg_advantages: Vec<Vec<Number>>,
}

#[test]
fn targets_match_torchrl_and_rlax() {
    let file: File = golden("adv/vtrace.json");
    let mut advantages_compared = 0;
    for case in &file.cases {
        let (target, behaviour) = (double(&case.log_pi_target), double(&case.log_mu_behaviour));
        let trajectory = Owned {
            num_envs: case.rewards[0].len(),
            rewards: single(&case.rewards),
            values: single(&case.values),
            next_values: single(&case.next_values),
            terminated: case.terminated.concat(),
            truncated: case.truncated.concat(),
            log_ratios: target.iter().zip(&behaviour).map(|(pi, mu)| pi - mu).collect(),
        };
        let vtrace = VTrace { gamma: case.gamma, rho_clip: case.rho_clip, c_clip: case.c_clip };
        let targets = vtrace.estimate(&trajectory.view());
        assert_relative(&targets.returns, &double(&case.expected.vs), 1e-9, &case.name);
        assert_trained_on(&targets.returns, &double(&case.expected.vs), &case.name);
        // RLax can clip the advantages with a separate bound. We have one bound for both, as in the paper.
        if case.pg_rho_clip == case.rho_clip {
            assert_relative(&targets.advantages, &double(&case.expected.pg_advantages), 1e-9, &case.name);
            assert_trained_on(&targets.advantages, &double(&case.expected.pg_advantages), &case.name);
            advantages_compared += 1;
        }
    }
    assert!(advantages_compared > 0);
}

proptest! {
    #[test]
    fn on_policy_vtrace_equals_gae_with_lambda_one(
        mut trajectory in trajectories(7),
        gamma in 0.0..=1.0_f64,
        rho_clip in prop_oneof![Just(1.0), 1.0..9.0_f64, Just(f64::INFINITY)],
        c_clip in prop_oneof![Just(1.0), 1.0..9.0_f64],
    ) {
        let gae = Gae { gamma, lambda: 1.0 }.estimate(&trajectory.view());
        let vtrace = VTrace { gamma, rho_clip, c_clip };
        trajectory.log_ratios.clear();
        let unsaid = vtrace.estimate(&trajectory.view());
        trajectory.log_ratios = vec![0.0; trajectory.rewards.len()];
        let said = vtrace.estimate(&trajectory.view());
        assert_close(&unsaid.returns, &gae.returns, 1e-9, "returns");
        assert_close(&unsaid.advantages, &gae.advantages, 1e-9, "advantages");
        prop_assert_eq!(unsaid, said);
    }

    #[test]
    fn ratios_above_the_bounds_make_no_difference(trajectory in trajectories(7), row in 0..14_usize) {
        let vtrace = VTrace { gamma: 0.9, rho_clip: 2.0, c_clip: 1.0 };
        let with = |log_ratio| {
            let mut trajectory = trajectory.clone();
            trajectory.log_ratios[row] = log_ratio;
            vtrace.estimate(&trajectory.view())
        };
        // The exponential of 1000 is infinite.
        prop_assert_eq!(with(2.0), with(1000.0));
        // An action with probability 0 under the policy contributes nothing.
        let never = with(f64::NEG_INFINITY);
        prop_assert_eq!(never.returns[row], f64::from(trajectory.values[row]));
        prop_assert_eq!(never.advantages[row], 0.0);
    }
}

#[test]
fn a_nan_ratio_is_not_clipped_to_a_bound() {
    let mut trajectory = Owned::new(1, &[1.0]);
    trajectory.log_ratios = vec![f64::NAN];
    let targets = VTrace { gamma: 0.9, rho_clip: 1.0, c_clip: 1.0 }.estimate(&trajectory.view());
    assert!(targets.returns[0].is_nan() && targets.advantages[0].is_nan());
}
