//! Normalisation, compared with Stable-Baselines3's `RunningMeanStd` and `VecNormalize`, and Gymnasium's wrappers.

mod recorded;

use std::{collections::BTreeMap, sync::Arc};

use burn_pg_envs::{
    Actions, Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv, make,
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
fn running_moments_match_stable_baselines3() {
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

/// Flattens nested arrays of numbers.
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

/// An environment that plays one column of the recorded batch back.
struct Replay {
    column: usize,
    event: usize,
    events: Arc<Vec<Value>>,
    /// The final observation of the episode that ends in each event, before normalisation.
    finals: Arc<BTreeMap<usize, Vec<f32>>>,
}

impl Replay {
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&flat(&self.events[self.event]["raw_obs"][self.column]));
    }
}

impl Env for Replay {
    type Action = u32;
    type State = usize;

    fn spec(&self) -> EnvSpec {
        EnvSpec::new("Replay", Space::symmetric(&vec![f32::INFINITY; width(&self.events)]), Space::discrete(1))
    }

    fn reset(&mut self, _rng: &mut EnvRng, observation: &mut [f32]) {
        self.observe(observation);
    }

    fn step(&mut self, _action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.event += 1;
        let event = &self.events[self.event];
        let terminated = event["done"][self.column] == true;
        match self.finals.get(&(self.event * event["done"].as_array().unwrap().len() + self.column)) {
            Some(last) => observation.copy_from_slice(last),
            None => self.observe(observation),
        }
        Step { reward: event["raw_reward"][self.column].as_f64().unwrap(), terminated, truncated: false }
    }

    fn state(&self) -> usize {
        self.event
    }

    fn set_state(&mut self, event: usize) {
        self.event = event;
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect()
}

/// The number of elements of an observation.
fn width(events: &[Value]) -> usize {
    flat(&events[0]["raw_obs"][0]).len()
}

/// Plays the events, and passes each batch to a function.
fn replay(
    events: &Arc<Vec<Value>>,
    finals: &BTreeMap<usize, Vec<f32>>,
    mut show: impl FnMut(usize, &Normalize<VecEnv<Replay>>),
) -> Normalize<VecEnv<Replay>> {
    let finals = Arc::new(finals.clone());
    let columns = 0..events[0]["raw_obs"].as_array().unwrap().len();
    let replay = |column| Replay { column, event: 0, events: Arc::clone(events), finals: Arc::clone(&finals) };
    let mut envs = Normalize::new(VecEnv::from_envs(columns.map(replay).collect()).unwrap(), Some(0.99)).unwrap();
    show(0, &envs);
    for k in 1..events.len() {
        envs.step(Actions::Discrete(&vec![0; envs.num_envs()])).unwrap();
        show(k, &envs);
    }
    envs
}

#[test]
fn a_batch_is_normalised_as_by_vecnormalize() {
    let file: Value = golden("norm/wrappers.json");
    let recorded = &file["sb3_vecnormalize"];
    let events = Arc::new(recorded["events"].as_array().unwrap().clone());
    // Final observations are recorded after normalisation. They do not enter the statistics, so a first run without them
    // gives the statistics of each event, from which the observations before normalisation follow.
    let (num_envs, width) = (events[0]["raw_obs"].as_array().unwrap().len(), width(&events));
    let mut finals = BTreeMap::new();
    replay(&events, &BTreeMap::new(), |k, envs| {
        let RunningMoments { mean, variance, .. } = &envs.observation_normalizer().unwrap().moments;
        let recorded = events[k]["normalized_terminal_obs"].as_object().into_iter().flatten();
        for (env, last) in recorded {
            let before = |d: usize| f64::from(flat(last)[d]) * (variance[d] + 1e-8).sqrt() + mean[d];
            #[allow(clippy::cast_possible_truncation)] // observations are single precision
            let before = (0..width).map(|d| before(d) as f32).collect();
            finals.insert(k * num_envs + env.parse::<usize>().unwrap(), before);
        }
    });
    assert!(!finals.is_empty());
    let mut compared = 0;
    let envs = replay(&events, &finals, |k, envs| {
        let (batch, event) = (envs.batch(), &events[k]);
        if k > 0 {
            assert_close(&batch.rewards, &double(&flat(&event["reward"])), 1e-6, &format!("event {k} rewards"));
        }
        let theirs = double(&flat(&event["obs"]));
        assert_close(&double(&batch.observations), &theirs, 1e-6, &format!("event {k} observations"));
        for env in batch.ended() {
            let theirs = double(&flat(&event["normalized_terminal_obs"][env.to_string()]));
            let ours = double(&batch.final_observations[width * env..width * (env + 1)]);
            assert_close(&ours, &theirs, 1e-6, &format!("event {k} final observation"));
            compared += 1;
        }
    });
    assert_eq!(compared, finals.len());
    // NumPy computes the mean of each batch of observations in single precision, we in double precision.
    let (observations, rewards) = (envs.observation_normalizer().unwrap(), envs.reward_normalizer().unwrap());
    assert_close(&observations.moments.mean, &numbers(&recorded["obs_rms"]["mean"]), 1e-6, "mean");
    assert_close(&observations.moments.variance, &numbers(&recorded["obs_rms"]["var"]), 1e-6, "variance");
    assert_close(&rewards.moments.variance, &[recorded["ret_rms"]["var"].as_f64().unwrap()], 1e-6, "returns");
    assert_close(&rewards.moments.mean, &[recorded["ret_rms"]["mean"].as_f64().unwrap()], 1e-6, "returns");

    let mut frozen = flat(&recorded["eval_mode"]["raw"]);
    observations.apply(&mut frozen);
    assert_close(&double(&frozen), &double(&flat(&recorded["eval_mode"]["normalized"])), 1e-6, "evaluation");
}

/// Gymnasium's wrappers have the same formulas, with three differences: they do not clip; they update the statistics with one
/// observation at a time, also at resets; and the running return is reset before the terminal reward is added instead of
/// after it, and not reset by truncation.
#[test]
fn the_normalisers_match_the_formulas_of_gymnasium() {
    let file: Value = golden("norm/wrappers.json");
    let recorded = &file["gymnasium"];
    let raw = recorded["raw"].as_array().unwrap();
    let events = |name: &str| recorded[name]["events"].as_array().unwrap().clone();
    let (normalize_reward, gamma) = recorded
        .as_object()
        .unwrap()
        .keys()
        .find_map(|key| Some((key.as_str(), key.strip_prefix("NormalizeReward_gamma_")?.parse().unwrap())))
        .unwrap();
    let width = flat(&raw[0]["obs"]).len();
    let mut observations = ObservationNormalizer { clip: f64::INFINITY, ..ObservationNormalizer::new(width) };
    let mut rewards = RewardNormalizer { clip: f64::INFINITY, ..RewardNormalizer::new(1, gamma) };
    assert!(raw.iter().any(|event| event["terminated"] == true));
    let theirs = events("NormalizeObservation").into_iter().zip(events(normalize_reward));
    for (k, (event, (observed, rewarded))) in raw.iter().zip(theirs).enumerate() {
        let raw = flat(&event["obs"]);
        let mut row = raw.clone();
        observations.moments.update(&raw);
        observations.apply(&mut row);
        // Their moments of observations are in single precision, so the difference from the mean, which is small at first,
        // has the rounding error of the mean.
        let deviations = observations.moments.variance.iter().map(|variance| variance.sqrt());
        let rounding = raw.iter().zip(deviations).map(|(&o, deviation)| f64::from(o.abs() * f32::EPSILON) / deviation);
        let rounding = rounding.fold(0.0, f64::max);
        let theirs = double(&flat(&observed["obs"]));
        assert_close(&double(&row), &theirs, 1e-6 + rounding, &format!("event {k} observation"));
        if event["event"] == "step" {
            if event["terminated"] == true {
                rewards.returns[0] = 0.0;
            }
            let reward = event["reward"].as_f64().unwrap();
            rewards.update(&[reward]);
            let theirs = rewarded["reward"].as_f64().unwrap();
            assert_close(&[rewards.apply(reward)], &[theirs], 1e-12, &format!("event {k} reward"));
        }
    }
    let theirs = &recorded["NormalizeObservation"];
    assert_close(&observations.moments.mean, &numbers(&theirs["mean"]), 1e-6, "mean");
    assert_close(&observations.moments.variance, &numbers(&theirs["var"]), 1e-6, "variance");
    let theirs = &recorded[normalize_reward];
    assert_close(&rewards.moments.variance, &[theirs["var"].as_f64().unwrap()], 1e-12, "returns");
    assert_close(&[rewards.moments.count], &[theirs["count"].as_f64().unwrap()], 1e-12, "returns");
}

fn push_left(envs: &mut impl VectorEnv, steps: usize) {
    for _ in 0..steps {
        envs.step(Actions::Discrete(&[0, 0, 0])).unwrap();
    }
}

#[test]
fn a_normalised_batch_is_saved_and_loaded_with_its_statistics() {
    let wrapped = || Normalize::new(make("CartPole-v1", 3).unwrap(), Some(0.99)).unwrap();
    let mut envs = wrapped();
    envs.reset(5).unwrap();
    // Final observations are normalised too.
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
    assert_eq!(other.observation_normalizer().unwrap(), envs.observation_normalizer().unwrap());
    assert_eq!(other.reward_normalizer(), envs.reward_normalizer());

    // Frozen statistics do not change.
    let before = envs.observation_normalizer().unwrap().clone();
    envs.set_training(false);
    push_left(&mut envs, 5);
    assert_eq!(envs.observation_normalizer().unwrap().clone(), before);

    // A saved state with a wrapper does not fit a batch without it, and vice versa.
    let mut bare = make("CartPole-v1", 3).unwrap();
    assert!(matches!(bare.load(&serde_json::from_str(&saved).unwrap()), Err(EnvError::State { .. })));
    assert!(matches!(other.load(&bare.save().unwrap()), Err(EnvError::State { .. })));
}

/// Observes the number of its steps; actions 1 and 2 make its state NaN.
#[derive(Default)]
struct Fragile(f32);

impl Env for Fragile {
    type Action = u32;
    type State = f32;

    fn spec(&self) -> EnvSpec {
        EnvSpec::new("Fragile", Space::symmetric(&[f32::INFINITY]), Space::discrete(3))
    }

    fn reset(&mut self, _rng: &mut EnvRng, observation: &mut [f32]) {
        (self.0, observation[0]) = (0.0, 0.0);
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.0 = if action > 0 { f32::NAN } else { self.0 + 1.0 };
        observation[0] = self.0;
        Step { reward: 1.0, terminated: false, truncated: false }
    }

    fn state(&self) -> f32 {
        self.0
    }

    fn set_state(&mut self, state: f32) {
        self.0 = state;
    }
}

#[test]
fn failed_environments_do_not_change_the_statistics() {
    let mut envs = Normalize::new(VecEnv::<Fragile>::new(4).unwrap(), Some(0.9)).unwrap();
    let error = envs.step(Actions::Discrete(&[0, 1, 2, 0])).unwrap_err();
    assert!(matches!(error, EnvError::Failed { env: 1, .. }), "{error}");
    assert_eq!(envs.batch().valid, [true, false, false, true]);
    let normalizer = envs.observation_normalizer().unwrap().clone();
    assert!((normalizer.moments.count - (4.0 + 2.0 + 1e-4)).abs() < 1e-9, "two rows were seen");
    assert_eq!(envs.reward_normalizer().unwrap().returns, [1.0, 0.0, 0.0, 1.0]);

    // Only the failed environments are reset. The rows of the others stay and are not added to the statistics again.
    let before = envs.batch().clone();
    let batch = envs.reset_where(&[false, true, true, false]).unwrap().clone();
    for env in [0, 3] {
        assert_eq!((batch.observations[env], batch.rewards[env]), (before.observations[env], before.rewards[env]));
    }
    assert!((envs.observation_normalizer().unwrap().moments.count - (4.0 + 2.0 + 2.0 + 1e-4)).abs() < 1e-9);
    let batch = envs.step(Actions::Discrete(&[0; 4])).unwrap();
    assert!(batch.observations.iter().all(|observation| observation.is_finite()));

    // A state that was saved after a failure can be loaded.
    envs.step(Actions::Discrete(&[0, 0, 1, 0])).unwrap_err();
    let json = serde_json::to_string(&envs.save().unwrap()).unwrap();
    let mut other = Normalize::new(VecEnv::<Fragile>::new(4).unwrap(), Some(0.9)).unwrap();
    other.load(&serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(other.batch(), envs.batch());
    assert_eq!(other.step(Actions::Discrete(&[0; 4])).unwrap_err(), EnvError::NeedsReset { env: 2 });
}

#[test]
fn statistics_can_be_used_with_a_batch_of_another_size() {
    let mut envs = Normalize::new(make("CartPole-v1", 3).unwrap(), Some(0.99)).unwrap();
    push_left(&mut envs, 40);
    let observations = envs.observation_normalizer().unwrap().clone();
    let rewards = envs.reward_normalizer().cloned();
    let mut other =
        Normalize::with_normalizers(make("CartPole-v1", 7).unwrap(), Some(observations.clone()), rewards).unwrap();
    let mut raw = make("CartPole-v1", 7).unwrap().reset(9).unwrap().observations.clone();
    other.observation_normalizer().unwrap().apply(&mut raw);
    assert_eq!(other.reset(9).unwrap().observations, raw);
    let refused = Normalize::with_normalizers(make("Pendulum-v1", 7).unwrap(), Some(observations.clone()), None);
    assert!(matches!(refused, Err(EnvError::State { .. })));
    let unsound = ObservationNormalizer { clip: f64::NAN, ..observations };
    assert!(matches!(
        Normalize::with_normalizers(make("CartPole-v1", 1).unwrap(), Some(unsound), None),
        Err(EnvError::State { .. })
    ));
}
