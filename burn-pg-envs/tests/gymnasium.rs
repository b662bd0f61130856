//! Against numbers recorded from Gymnasium: seeding to the bit, dynamics step by step.

use std::path::PathBuf;

use burn_pg_envs::{Env, EnvRng, VecEnv, VectorEnv, classic::CartPole};
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
    trajectories: Vec<Trajectory>,
}

#[derive(Deserialize)]
struct Trajectory {
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
            assert_eq!(u32::try_from(k).unwrap() + 1 >= t.max_episode_steps, t.truncated[k], "{at}");
            state = t.states[k];
        }
    }
}
