//! Rollouts and recorded minibatches with numbers that are not finite are refused.

use std::collections::BTreeMap;

use burn_pg::{
    Error, StepQuantity,
    advantage::Targets,
    envs::{ActionBuffer, EnvError, VecEnv},
    source::{Observations, Rollout},
};
use serde::Deserialize;

use super::Still;
use crate::golden::{Number, golden};

/// Two steps of three environments.
fn rollout() -> Rollout {
    let (numbers, flags) = (vec![0.5; 6], vec![false; 6]);
    Rollout {
        log_probs: numbers.clone(),
        values: numbers.clone(),
        next_values: numbers.clone(),
        rewards: numbers,
        terminated: flags.clone(),
        truncated: flags,
        ..Rollout::new(3, Observations::default(), ActionBuffer::Discrete(vec![0; 6]))
    }
}

type Column = fn(&mut Rollout) -> &mut Vec<f32>;

#[test]
fn every_number_of_a_step_is_checked() {
    rollout().check_rewards(1, 0).unwrap();
    rollout().check_predictions(1).unwrap();
    let of: [(StepQuantity, Column); 3] = [
        (StepQuantity::LogProb, |rollout| &mut rollout.log_probs),
        (StepQuantity::Value, |rollout| &mut rollout.values),
        (StepQuantity::NextValue, |rollout| &mut rollout.next_values),
    ];
    let refused = |result: Result<(), Error>, expected: StepQuantity, row: usize, bad: f64| {
        let error = result.unwrap_err();
        let Error::Step { update: 7, quantity, env, step, value } = error else { panic!("{error}") };
        assert_eq!((quantity, env, step), (expected, row % 3, row / 3), "{error}");
        assert!(value == bad || value.is_nan() && bad.is_nan(), "{error}");
    };
    for row in 0..6 {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for (quantity, column) in of {
                let mut rollout = rollout();
                column(&mut rollout)[row] = bad;
                refused(rollout.check_predictions(7), quantity, row, f64::from(bad));
            }
        }
        // The last value is finite, but infinite in single precision.
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e39] {
            let good = Targets { advantages: vec![0.5; 6], returns: vec![0.5; 6] };
            rollout().check_targets(&good, 7).unwrap();
            let (mut advantages, mut returns) = (good.clone(), good);
            advantages.advantages[row] = bad;
            returns.returns[row] = bad;
            refused(rollout().check_targets(&advantages, 7), StepQuantity::Advantage, row, bad);
            refused(rollout().check_targets(&returns, 7), StepQuantity::Return, row, bad);
        }
    }
}

#[derive(Deserialize)]
struct Minibatches {
    cases: Vec<BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Minibatch {
    obs: Vec<Vec<Number>>,
    advantages: Vec<Number>,
}

/// Returns the row whose observation is refused, with one environment per row.
#[allow(clippy::cast_possible_truncation)] // recorded in single precision
fn refused_observation(rows: &[Vec<Number>]) -> usize {
    let envs = rows.iter().map(|row| Still(row.iter().map(|number| number.0 as f32).collect())).collect();
    match VecEnv::from_envs(envs) {
        Err(EnvError::Failed { env, .. }) => env,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("accepted"),
    }
}

/// CleanRL trains on these minibatches, and its weights become NaN.
#[test]
fn recorded_minibatches_that_would_make_weights_nan_are_refused() {
    let file: Minibatches = golden("loss/ppo.json");
    let (mut observations_refused, mut advantages_refused) = (0, 0);
    for mut case in file.cases.into_iter().filter(|case| case["expected"].is_null()) {
        let name = case["name"].as_str().unwrap().to_owned();
        let batch: Minibatch = serde_json::from_value(case.remove("batch").unwrap()).unwrap();
        let bad_row = |rows: &[Vec<Number>]| rows.iter().position(|row| row.iter().any(|n| !n.0.is_finite()));
        if let Some(row) = bad_row(&batch.obs) {
            assert_eq!(refused_observation(&batch.obs), row, "{name}");
            observations_refused += 1;
        } else {
            let advantages: Vec<f64> = batch.advantages.iter().map(|number| number.0).collect();
            let row = advantages.iter().position(|advantage| !advantage.is_finite()).unwrap();
            // One step of this many environments.
            let rollout = Rollout::new(advantages.len(), Observations::default(), ActionBuffer::Discrete(Vec::new()));
            let error = rollout.check_targets(&Targets { advantages, returns: Vec::new() }, 1).unwrap_err();
            let is_reported =
                matches!(error, Error::Step { quantity: StepQuantity::Advantage, env, step: 0, .. } if env == row);
            assert!(is_reported, "{name}: {error}");
            advantages_refused += 1;
        }
    }
    assert!(observations_refused > 0 && advantages_refused > 0);
}
