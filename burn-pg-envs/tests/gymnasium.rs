//! Against numbers recorded from Gymnasium: seeding to the bit, dynamics step by step.

use std::path::PathBuf;

use burn_pg_envs::{Actions, Env, EnvRng, Space, VecEnv, VectorEnv, classic::CartPole, spec};
use serde::Deserialize;
use serde_json::Value;

/// Data recorded from other programs: a copy in this crate, or the folder that `BURN_PG_GOLDEN` names.
fn golden<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let folder = std::env::var_os("BURN_PG_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from);
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[derive(Deserialize)]
struct ResetCase {
    seed: String,
    state: [f64; 4],
    obs: [f32; 4],
    state_after_second_unseeded_reset: [f64; 4],
}

#[derive(Deserialize)]
struct GeneratorCase {
    seed: String,
    raw_u64_first4: [String; 4],
    doubles_first4: [f64; 4],
}

/// A seed that fits in 64 bits. Gymnasium takes larger ones too; ours are 64 bits wide.
fn seed(text: &str) -> Option<u64> {
    text.parse().ok()
}

#[test]
fn a_seed_gives_the_generator_that_numpy_makes_of_it() {
    let data: Value = golden("envs/reset_seeds.json");
    let cases: Vec<GeneratorCase> = serde_json::from_value(data["cases"]["numpy_pcg64"].clone()).unwrap();
    let mut checked = 0;
    for case in &cases {
        let Some(seed) = seed(&case.seed) else {
            continue;
        };
        let mut raw = EnvRng::new(seed);
        let mut doubles = raw.clone();
        assert_eq!(case.raw_u64_first4, [(); 4].map(|()| raw.next_u64().to_string()), "seed {seed}");
        assert_eq!(case.doubles_first4, [(); 4].map(|()| doubles.next_f64()), "seed {seed}");
        checked += 1;
    }
    assert!(checked > 0);
}

#[test]
fn a_reset_gives_the_state_that_gymnasium_starts_from() {
    let data: Value = golden("envs/reset_seeds.json");
    let cases: Vec<ResetCase> = serde_json::from_value(data["cases"]["CartPole-v1"].clone()).unwrap();
    let mut checked = 0;
    for case in &cases {
        let Some(seed) = seed(&case.seed) else {
            continue;
        };
        let (mut env, mut rng, mut observation) = (CartPole::default(), EnvRng::new(seed), [0.0; 4]);
        env.reset(&mut rng, &mut observation);
        assert_eq!((env.state, observation), (case.state, case.obs), "seed {seed}");
        env.reset(&mut rng, &mut observation);
        assert_eq!(env.state, case.state_after_second_unseeded_reset, "seed {seed}");

        let mut envs = VecEnv::<CartPole>::new(2).unwrap();
        assert_eq!(envs.reset(seed.wrapping_sub(1)).observations[4..], case.obs);
        checked += 1;
    }
    assert!(checked > 0);
}

#[derive(Deserialize)]
struct Recording {
    env_id: String,
    default_max_episode_steps: u32,
    reward_threshold: f64,
    observation_space: Bounds,
    action_space: Count,
    trajectories: Vec<Trajectory>,
}

#[derive(Deserialize)]
struct Bounds {
    low: Vec<Value>,
    high: Vec<Value>,
}

#[derive(Deserialize)]
struct Count {
    n: u32,
}

#[derive(Deserialize)]
struct Trajectory {
    kind: String,
    reset_seed: Option<u64>,
    reset_options: Option<Value>,
    name: String,
    max_episode_steps: u32,
    initial_state: [f64; 4],
    initial_obs: [f32; 4],
    actions: Vec<u32>,
    obs: Vec<[f32; 4]>,
    rewards: Vec<f64>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    states: Vec<[f64; 4]>,
}

/// Each recorded transition by itself: the recorded state is set, one step is taken. (CartPole is chaotic: an open loop
/// would amplify the last bit.)
#[test]
fn every_transition_is_gymnasiums() {
    let recording: Recording = golden("envs/CartPole-v1.json");
    assert!(!recording.trajectories.is_empty());
    for t in &recording.trajectories {
        // Two options of Gymnasium's constructor that the registered CartPole-v1 leaves at their defaults.
        if ["sutton_barto_reward", "semi_implicit_integrator"].contains(&t.name.as_str()) {
            continue;
        }
        let mut state = t.initial_state;
        for (k, &action) in t.actions.iter().enumerate() {
            let at = format!("{} step {k}", t.name);
            let (mut env, mut observation) = (CartPole { state }, t.initial_obs);
            let step = env.step(action, &mut EnvRng::new(0), &mut observation);
            for (ours, theirs) in env.state.iter().zip(t.states[k]) {
                assert!((ours - theirs).abs() <= 1e-12 * theirs.abs().max(1.0), "{at}: {ours} {theirs}");
            }
            for (ours, theirs) in observation.iter().zip(t.obs[k]) {
                let ulp = theirs.abs().next_up() - theirs.abs();
                assert!((ours - theirs).abs() <= ulp, "{at}: {ours} {theirs}");
            }
            // Gymnasium rewards no step beyond the end of an episode; here there is none.
            let beyond = k > 0 && t.terminated[k - 1];
            if !beyond {
                assert!((step.reward - t.rewards[k]).abs() <= 1e-12, "{at}");
            }
            assert_eq!(step.terminated, t.terminated[k], "{at}");
            state = t.states[k];
        }
    }
}

#[test]
fn the_specification_is_gymnasiums() {
    let recording: Recording = golden("envs/CartPole-v1.json");
    let spec = spec(&recording.env_id).unwrap();
    assert_eq!(spec.max_episode_steps, Some(recording.default_max_episode_steps));
    assert_eq!(spec.reward_threshold, Some(recording.reward_threshold));
    assert_eq!(spec.action_space, Space::Discrete { n: recording.action_space.n });
    let Space::Box { low, high, .. } = spec.observation_space else { panic!("a box") };
    #[allow(clippy::cast_possible_truncation)] // recorded in single precision
    let number = |bound: &Value| match bound.as_str() {
        Some(name) => name.parse::<f32>().unwrap(),
        None => bound.as_f64().unwrap() as f32,
    };
    assert_eq!(low, recording.observation_space.low.iter().map(number).collect::<Vec<_>>());
    assert_eq!(high, recording.observation_space.high.iter().map(number).collect::<Vec<_>>());
}

/// Whole episodes from the recorded seed through the batch: the flags, the time limit above all.
#[test]
fn episodes_end_as_gymnasiums_do() {
    let recording: Recording = golden("envs/CartPole-v1.json");
    let options = ["sutton_barto_reward", "semi_implicit_integrator", "steps_after_termination"];
    let mut truncations = 0;
    for t in &recording.trajectories {
        let plain = t.kind == "reset"
            && t.reset_options.is_none()
            && t.max_episode_steps == recording.default_max_episode_steps
            && !options.contains(&t.name.as_str());
        let (true, Some(seed)) = (plain, t.reset_seed) else { continue };
        let mut envs = VecEnv::<CartPole>::new(1).unwrap();
        assert_eq!(envs.reset(seed).observations, t.initial_obs, "{}", t.name);
        for (k, &action) in t.actions.iter().enumerate() {
            let batch = envs.step(Actions::Discrete(&[action])).unwrap();
            assert_eq!(batch.terminated[0], t.terminated[k], "{} step {k}", t.name);
            assert_eq!(batch.truncated[0], t.truncated[k], "{} step {k}", t.name);
            truncations += usize::from(batch.truncated[0]);
        }
    }
    assert!(truncations > 0, "no recorded episode reaches the time limit");
}
