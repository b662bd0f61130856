//! Normalisation against Stable-Baselines3's `RunningMeanStd` and `VecNormalize`.

mod recorded;

use burn_pg_envs::{
    Actions, EnvError, VectorEnv, make,
    wrapper::{Normalize, ObservationNormalizer, RewardNormalizer, RunningMoments},
};
use recorded::golden;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Moments {
    cases: Vec<MomentsCase>,
}

#[derive(Deserialize)]
struct MomentsCase {
    name: String,
    steps: Vec<MomentsStep>,
    combine: Combine,
}

#[derive(Deserialize)]
struct MomentsStep {
    batch: Vec<Vec<f64>>,
    mean: Vec<f64>,
    var: Vec<f64>,
    count: f64,
}

#[derive(Deserialize)]
struct Combine {
    a: Vec<Vec<f64>>,
    b: Vec<Vec<f64>>,
    mean: Vec<f64>,
    var: Vec<f64>,
    count: f64,
}

#[track_caller]
fn assert_close(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() <= tolerance * theirs.abs().max(1.0), "{what}: {ours} instead of {theirs}");
    }
}

#[test]
fn running_moments_are_those_of_stable_baselines() {
    let file: Moments = golden("norm/running_mean_std.json");
    assert!(!file.cases.is_empty());
    for case in &file.cases {
        let mut moments = RunningMoments::new(case.steps[0].mean.len());
        for step in &case.steps {
            moments.update(&step.batch.concat());
            assert_close(&moments.mean, &step.mean, 1e-12, &case.name);
            assert_close(&moments.variance, &step.var, 1e-12, &case.name);
            assert_close(&[moments.count], &[step.count], 1e-12, &case.name);
        }
        let Combine { a, b, mean, var, count } = &case.combine;
        let mut left = RunningMoments::new(mean.len());
        let mut right = left.clone();
        left.update(&a.concat());
        right.update(&b.concat());
        left.combine(&right);
        assert_close(&left.mean, mean, 1e-12, &case.name);
        assert_close(&left.variance, var, 1e-12, &case.name);
        assert_close(&[left.count], &[*count], 1e-12, &case.name);
    }
}

/// Numbers of any nesting, one after the other.
#[allow(clippy::cast_possible_truncation)] // recorded in single precision
fn flat(value: &Value) -> Vec<f32> {
    match value {
        Value::Array(items) => items.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn double(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&number| f64::from(number)).collect()
}

#[test]
fn observations_and_rewards_are_normalised_as_vecnormalize_does() {
    let file: Value = golden("norm/wrappers.json");
    let recorded = &file["sb3_vecnormalize"];
    let events = recorded["events"].as_array().unwrap();
    let mut observations = ObservationNormalizer::new(3);
    let mut rewards = RewardNormalizer::new(flat(&events[0]["raw_obs"]).len() / 3, 0.99);
    for (k, event) in events.iter().enumerate() {
        let mut rows = flat(&event["raw_obs"]);
        observations.moments.update(&rows);
        observations.apply(&mut rows);
        assert_close(&double(&rows), &double(&flat(&event["obs"])), 1e-6, &format!("event {k} observations"));
        if event["event"] == "step" {
            let raw = double(&flat(&event["raw_reward"]));
            rewards.update(&raw);
            let ours: Vec<f64> = raw.iter().map(|&reward| rewards.apply(reward)).collect();
            assert_close(&ours, &double(&flat(&event["reward"])), 1e-6, &format!("event {k} rewards"));
            for (env, done) in event["done"].as_array().unwrap().iter().enumerate() {
                if done == true {
                    rewards.returns[env] = 0.0;
                }
            }
        }
    }
    let numbers =
        |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect() };
    // NumPy takes the mean of each batch of observations in single precision, ours is in double.
    assert_close(&observations.moments.mean, &numbers(&recorded["obs_rms"]["mean"]), 1e-6, "mean");
    assert_close(&observations.moments.variance, &numbers(&recorded["obs_rms"]["var"]), 1e-6, "variance");
    assert_close(&rewards.moments.variance, &[recorded["ret_rms"]["var"].as_f64().unwrap()], 1e-6, "returns");
    assert_close(&rewards.moments.mean, &[recorded["ret_rms"]["mean"].as_f64().unwrap()], 1e-6, "returns");

    let mut frozen = flat(&recorded["eval_mode"]["raw"]);
    observations.apply(&mut frozen);
    assert_close(&double(&frozen), &double(&flat(&recorded["eval_mode"]["normalized"])), 1e-6, "evaluation");
}

fn push_left(envs: &mut impl VectorEnv, steps: usize) {
    for _ in 0..steps {
        envs.step(Actions::Discrete(&[0, 0, 0])).unwrap();
    }
}

#[test]
fn a_normalised_batch_is_saved_and_loaded_with_its_statistics() {
    let wrapped = || Normalize::new(make("CartPole-v1", 3).unwrap(), Some(0.99));
    let mut envs = wrapped();
    envs.reset(5);
    // Episodes end, and final observations are normalised too.
    push_left(&mut envs, 25);
    assert!(envs.batch().observations.iter().all(|o| o.abs() <= 10.0));
    assert!(envs.batch().rewards.iter().all(|&reward| reward != 1.0), "rewards are scaled");
    let saved = serde_json::to_string(&envs.save().unwrap()).unwrap();

    let mut other = wrapped();
    other.load(&serde_json::from_str(&saved).unwrap()).unwrap();
    assert_eq!(other.batch(), envs.batch());
    push_left(&mut envs, 25);
    push_left(&mut other, 25);
    assert_eq!(other.batch(), envs.batch());
    assert_eq!(other.observation_normalizer(), envs.observation_normalizer());
    assert_eq!(other.reward_normalizer(), envs.reward_normalizer());

    // With frozen statistics nothing is learnt.
    let before = envs.observation_normalizer().clone();
    envs.set_training(false);
    push_left(&mut envs, 5);
    assert_eq!(envs.observation_normalizer().clone(), before);

    // A wrapper does not fit where there is none, nor the other way round.
    let mut bare = make("CartPole-v1", 3).unwrap();
    assert!(matches!(bare.load(&serde_json::from_str(&saved).unwrap()), Err(EnvError::State { .. })));
    assert!(matches!(other.load(&bare.save().unwrap()), Err(EnvError::State { .. })));
}
