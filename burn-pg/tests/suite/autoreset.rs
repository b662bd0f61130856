//! Advantages through each of Gymnasium's autoreset modes: the same episodes, the same advantages, and rows without a
//! transition left out.

use std::collections::BTreeMap;

use burn_pg::advantage::{AdvantageEstimator, Gae, Trajectory};
use serde::Deserialize;

use crate::golden::{Number, golden};

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

#[test]
#[allow(clippy::cast_possible_truncation)] // trajectories are kept in single precision
fn every_autoreset_mode_gives_the_same_advantages() {
    let File { case } = golden("adv/autoreset.json");
    assert_eq!(case.modes.len(), 3);
    for (name, mode) in &case.modes {
        let value = |rows: &[Vec<Vec<f64>>]| -> Vec<f32> {
            let dot = |o: &Vec<f64>| o.iter().zip(&case.value_weights).map(|(o, w)| o * w).sum::<f64>();
            rows.iter().flatten().map(|observation| (dot(observation) + case.value_bias) as f32).collect()
        };
        let targets = Gae { gamma: case.gamma, lambda: case.lambda }.estimate(&Trajectory {
            num_envs: mode.rewards[0].len(),
            rewards: &mode.rewards.concat().iter().map(|&reward| reward as f32).collect::<Vec<_>>(),
            values: &value(&mode.obs),
            next_values: &value(&mode.next_obs_true),
            terminated: &mode.terminated.concat(),
            truncated: &mode.truncated.concat(),
            log_ratios: &[],
        });
        let (advantages, returns) = (mode.expected.advantages.concat(), mode.expected.returns.concat());
        let mut compared = 0;
        for (i, valid) in mode.valid.concat().into_iter().enumerate() {
            if valid {
                // The values are rounded to single precision on the way in.
                let (Number(advantage), Number(returns)) = (advantages[i], returns[i]);
                assert!((targets.advantages[i] - advantage).abs() < 1e-5, "{name} row {i}");
                assert!((targets.returns[i] - returns).abs() < 1e-5, "{name} row {i}");
                compared += 1;
            }
        }
        assert!(compared > 200, "{name}: {compared}");
    }
}
