//! Advantages with each of Gymnasium's autoreset modes: the same episodes give the same advantages, and rows without a
//! transition are left out.

use std::collections::BTreeMap;

use burn_pg::advantage::{AdvantageEstimator, Gae};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{assert_relative, assert_trained_on},
    trajectory::Exact,
};

#[derive(Deserialize)]
struct File {
    case: Case,
}

#[derive(Deserialize)]
struct Case {
    gamma: f64,
    lambda: f64,
    value_weights: Vec<f64>,
    value_bias: f64,
    modes: BTreeMap<String, Mode>,
}

#[derive(Deserialize)]
struct Mode {
    obs: Vec<Vec<Vec<f64>>>,
    rewards: Vec<Vec<f64>>,
    terminated: Vec<Vec<bool>>,
    truncated: Vec<Vec<bool>>,
    next_obs_true: Vec<Vec<Vec<f64>>>,
    valid: Vec<Vec<bool>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    advantages: Vec<Vec<Number>>,
    returns: Vec<Vec<Number>>,
}

fn trajectory(mode: &Mode, value: impl Fn(&[Vec<Vec<f64>>]) -> Vec<f64>) -> Exact {
    Exact {
        num_envs: mode.rewards[0].len(),
        rewards: mode.rewards.concat(),
        values: value(&mode.obs),
        next_values: value(&mode.next_obs_true),
        terminated: mode.terminated.concat(),
        truncated: mode.truncated.concat(),
    }
}

#[test]
fn every_autoreset_mode_gives_the_same_advantages() {
    let File { case } = golden("adv/autoreset.json");
    assert!(case.modes.keys().eq(["Disabled", "NextStep", "SameStep"]));
    for (name, mode) in &case.modes {
        let value = |rows: &[Vec<Vec<f64>>]| -> Vec<f64> {
            let dot = |o: &Vec<f64>| o.iter().zip(&case.value_weights).map(|(o, w)| o * w).sum::<f64>();
            rows.iter().flatten().map(|observation| dot(observation) + case.value_bias).collect()
        };
        let gae = Gae { gamma: case.gamma, lambda: case.lambda };
        let targets = trajectory(mode, value).estimate(&gae);
        let single = gae.estimate(&trajectory(mode, value).rounded().view());
        let (advantages, returns) = (mode.expected.advantages.concat(), mode.expected.returns.concat());
        let valid = mode.valid.concat();
        let mut ended = mode.terminated.concat().into_iter().zip(mode.truncated.concat()).zip(&valid);
        assert!(ended.any(|((terminated, truncated), &valid)| valid && (terminated || truncated)), "{name}");
        assert_eq!(valid.contains(&false), name == "NextStep", "{name}");
        for (what, theirs, ours, single) in [
            ("advantages", advantages, targets.advantages, single.advantages),
            ("returns", returns, targets.returns, single.returns),
        ] {
            let of_valid = |numbers: &[f64]| -> Vec<f64> {
                numbers.iter().zip(&valid).filter_map(|(&number, &valid)| valid.then_some(number)).collect()
            };
            let theirs: Vec<f64> = theirs.into_iter().map(|number| number.0).collect();
            assert_relative(&of_valid(&ours), &of_valid(&theirs), 1e-10, &format!("{name} {what}"));
            assert_trained_on(&of_valid(&single), &of_valid(&theirs), &format!("{name} {what}"));
        }
    }
}
