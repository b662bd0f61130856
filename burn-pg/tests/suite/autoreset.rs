//! Advantages through each of Gymnasium's autoreset modes: the same episodes, the same advantages, and rows without a
//! transition left out.

use std::collections::BTreeMap;

use burn_pg::advantage::{AdvantageEstimator, Gae, Targets, Trajectory};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::assert_close,
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

/// Trajectories are kept in single precision, and the recorded values are not. But an estimate is linear in rewards and
/// values: that of the rounded numbers and that of what the rounding took away add up to that of the numbers.
#[allow(clippy::cast_possible_truncation)]
fn estimate(gae: Gae, mode: &Mode, value: impl Fn(&[Vec<Vec<f64>>]) -> Vec<f64>) -> Targets {
    let rounded = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect::<Vec<_>>();
    let rest = |numbers: &[f64]| numbers.iter().map(|&n| (n - f64::from(n as f32)) as f32).collect::<Vec<_>>();
    let (rewards, values, next_values) = (mode.rewards.concat(), value(&mode.obs), value(&mode.next_obs_true));
    let part = |take: &dyn Fn(&[f64]) -> Vec<f32>| {
        gae.estimate(&Trajectory {
            num_envs: mode.rewards[0].len(),
            rewards: &take(&rewards),
            values: &take(&values),
            next_values: &take(&next_values),
            terminated: &mode.terminated.concat(),
            truncated: &mode.truncated.concat(),
            log_ratios: &[],
        })
    };
    let (whole, rest) = (part(&rounded), part(&rest));
    let sum = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
    Targets { advantages: sum(whole.advantages, rest.advantages), returns: sum(whole.returns, rest.returns) }
}

#[test]
fn every_autoreset_mode_gives_the_same_advantages() {
    let File { case } = golden("adv/autoreset.json");
    assert_eq!(case.modes.len(), 3);
    for (name, mode) in &case.modes {
        let value = |rows: &[Vec<Vec<f64>>]| -> Vec<f64> {
            let dot = |o: &Vec<f64>| o.iter().zip(&case.value_weights).map(|(o, w)| o * w).sum::<f64>();
            rows.iter().flatten().map(|observation| dot(observation) + case.value_bias).collect()
        };
        let targets = estimate(Gae { gamma: case.gamma, lambda: case.lambda }, mode, value);
        let (advantages, returns) = (mode.expected.advantages.concat(), mode.expected.returns.concat());
        let mut compared = 0;
        for (i, valid) in mode.valid.concat().into_iter().enumerate() {
            if valid {
                let (Number(advantage), Number(returns)) = (advantages[i], returns[i]);
                assert_close(&[targets.advantages[i]], &[advantage], 1e-10, &format!("{name} row {i}"));
                assert_close(&[targets.returns[i]], &[returns], 1e-10, &format!("{name} row {i}"));
                compared += 1;
            }
        }
        assert!(compared > 200, "{name}: {compared}");
    }
}
