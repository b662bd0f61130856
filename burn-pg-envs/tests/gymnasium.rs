//! Comparison with values recorded from Gymnasium: seeding to the bit, dynamics step by step, and whole episodes.

mod recorded;

use burn_pg_envs::{
    Actions, Autoreset, Env, EnvError, EnvRng, Space, Step, VecEnv, VectorEnv,
    classic::{Acrobot, CartPole, Dynamics, Integrator, MountainCar, MountainCarContinuous, Pendulum},
    make, spec,
};
use recorded::golden;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct ResetCase {
    seed: String,
    state: Vec<f64>,
    obs: Vec<f32>,
    state_after_second_unseeded_reset: Vec<f64>,
}

#[derive(Deserialize)]
struct GeneratorCase {
    seed: String,
    raw_u64_first4: [String; 4],
    doubles_first4: [f64; 4],
}

#[test]
fn a_seed_gives_the_generator_of_numpy() {
    let data: Value = golden("envs/reset_seeds.json");
    let cases: Vec<GeneratorCase> = serde_json::from_value(data["cases"]["numpy_pcg64"].clone()).unwrap();
    assert!(!cases.is_empty());
    for case in &cases {
        let seed: u64 = case.seed.parse().unwrap();
        let mut raw = EnvRng::new(seed);
        let mut doubles = raw.clone();
        assert_eq!(case.raw_u64_first4, [(); 4].map(|()| raw.next_u64().to_string()), "seed {seed}");
        assert_eq!(case.doubles_first4, [(); 4].map(|()| doubles.next_f64()), "seed {seed}");
    }
}

/// Access to the state of an environment in Gymnasium's form.
trait Classic: Env + Default + 'static {
    fn numbers(&self) -> Vec<f64>;
    fn set_numbers(&mut self, numbers: &[f64]);
    /// Creates it with the options of a recording.
    fn configured(recorded: &Trajectory) -> Self;
    /// Takes a recorded action, in single or double precision.
    fn act(&mut self, action: &Value, double: bool, observation: &mut [f32]) -> Step;
}

macro_rules! classic {
    ($env:ident, $act:ident, $configured:expr) => {
        impl Classic for $env {
            fn numbers(&self) -> Vec<f64> {
                self.state.to_vec()
            }

            fn set_numbers(&mut self, numbers: &[f64]) {
                self.set_state(numbers.try_into().unwrap());
            }

            fn configured(recorded: &Trajectory) -> Self {
                let configure: fn(&Trajectory) -> Self = $configured;
                configure(recorded)
            }

            fn act(&mut self, action: &Value, double: bool, observation: &mut [f32]) -> Step {
                $act!(self, action, double, observation)
            }
        }
    };
}

macro_rules! discrete {
    ($env:expr, $action:expr, $double:expr, $observation:expr) => {{
        assert!(!$double, "integers");
        $env.step(index($action), &mut EnvRng::new(0), $observation)
    }};
}

macro_rules! continuous {
    ($env:expr, $action:expr, $double:expr, $observation:expr) => {{
        let action = number($action.as_array().map_or($action, |row| &row[0]));
        #[allow(clippy::cast_possible_truncation)] // recorded in single precision
        match $double {
            true => $env.step_double(action, $observation),
            false => $env.step([action as f32], &mut EnvRng::new(0), $observation),
        }
    }};
}

classic!(CartPole, discrete, |recorded| CartPole {
    sutton_barto_reward: recorded.kwargs.get("sutton_barto_reward") == Some(&Value::Bool(true)),
    integrator: match recorded.note.contains("kinematics_integrator") {
        true => Integrator::SemiImplicitEuler,
        false => Integrator::Euler,
    },
    ..CartPole::default()
});
classic!(Acrobot, discrete, |recorded| Acrobot {
    dynamics: if recorded.note.contains("book_or_nips='nips'") { Dynamics::Nips } else { Dynamics::Book },
    ..Acrobot::default()
});
classic!(MountainCar, discrete, |recorded| MountainCar {
    goal_velocity: recorded.kwargs.get("goal_velocity").map_or(0.0, number),
    ..MountainCar::default()
});
classic!(MountainCarContinuous, continuous, |recorded| MountainCarContinuous {
    goal_velocity: recorded.kwargs.get("goal_velocity").map_or(0.0, number),
    ..MountainCarContinuous::default()
});
classic!(Pendulum, continuous, |recorded| Pendulum {
    gravity: recorded.kwargs.get("g").map_or(10.0, number),
    ..Pendulum::default()
});

fn index(action: &Value) -> u32 {
    action.as_u64().unwrap().try_into().unwrap()
}

fn within_one_ulp(ours: f32, theirs: f32) -> bool {
    let ulp = theirs.abs().next_up() - theirs.abs();
    (ours - theirs).abs() <= ulp
}

#[test]
fn a_reset_gives_the_initial_state_of_gymnasium() {
    resets_agree::<CartPole>();
    resets_agree::<Acrobot>();
    resets_agree::<MountainCar>();
    resets_agree::<MountainCarContinuous>();
    resets_agree::<Pendulum>();
}

fn resets_agree<E: Classic>() {
    let data: Value = golden("envs/reset_seeds.json");
    let id = E::default().spec().id;
    let cases: Vec<ResetCase> = serde_json::from_value(data["cases"][&id].clone()).unwrap();
    assert!(!cases.is_empty());
    for case in &cases {
        let seed: u64 = case.seed.parse().unwrap();
        let (mut env, mut rng) = (E::default(), EnvRng::new(seed));
        let mut observation = vec![0.0; case.obs.len()];
        env.reset(&mut rng, &mut observation);
        assert_eq!(env.numbers(), case.state, "{id} seed {seed}");
        // Acrobot's first observation has cosines in single precision, which NumPy computes in its own way.
        let agree = observation.iter().zip(&case.obs).all(|(&ours, &theirs)| within_one_ulp(ours, theirs));
        assert!(agree, "{id} seed {seed}: {observation:?} {:?}", case.obs);
        env.reset(&mut rng, &mut observation);
        assert_eq!(env.numbers(), case.state_after_second_unseeded_reset, "{id} seed {seed}");

        let mut envs = make(&id, 2).unwrap();
        let width = case.obs.len();
        let second = &envs.reset(seed.wrapping_sub(1)).unwrap().observations[width..];
        assert!(second.iter().zip(&case.obs).all(|(&ours, &theirs)| within_one_ulp(ours, theirs)));
    }
}

#[derive(Deserialize)]
struct Recording {
    env_id: String,
    default_max_episode_steps: u32,
    reward_threshold: Option<f64>,
    observation_space: Value,
    action_space: Value,
    trajectories: Vec<Trajectory>,
}

#[derive(Deserialize)]
struct Trajectory {
    name: String,
    kind: String,
    reset_seed: Option<u64>,
    reset_options: Option<Value>,
    kwargs: serde_json::Map<String, Value>,
    max_episode_steps: u32,
    note: String,
    action_dtype: String,
    initial_state: Vec<f64>,
    initial_obs: Vec<Value>,
    actions: Vec<Value>,
    obs: Vec<Vec<Value>>,
    rewards: Vec<Value>,
    terminated: Vec<bool>,
    truncated: Vec<bool>,
    states: Vec<Vec<Value>>,
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(name) => name.parse().unwrap(),
        None => value.as_f64().unwrap(),
    }
}

#[test]
fn every_transition_matches_gymnasium() {
    transitions_agree::<CartPole>();
    transitions_agree::<Acrobot>();
    transitions_agree::<MountainCar>();
    transitions_agree::<MountainCarContinuous>();
    transitions_agree::<Pendulum>();
}

/// True if the values agree within `tolerance` (relative above 1), or are the same infinity or both NaN.
fn close(ours: f64, theirs: f64, tolerance: f64) -> bool {
    (ours - theirs).abs() <= tolerance * theirs.abs().max(1.0) || ours == theirs || (ours.is_nan() && theirs.is_nan())
}

/// Compares each recorded transition: sets the recorded state and takes one step. (Some tasks are chaotic, so whole episodes
/// would amplify the last bit.) This includes actions that are not finite, although a batch refuses them.
#[allow(clippy::cast_possible_truncation)] // observations are recorded in single precision
fn transitions_agree<E: Classic>() {
    let recording: Recording = golden(&format!("envs/{}.json", E::default().spec().id));
    let mut checked = 0;
    for t in &recording.trajectories {
        let reward_tolerance = if t.action_dtype == "float32" { 3e-7 } else { 1e-12 };
        let (mut state, mut is_over) = (t.initial_state.clone(), false);
        for (k, action) in t.actions.iter().enumerate() {
            let at = format!("{} {} step {k}", recording.env_id, t.name);
            let mut env = E::configured(t);
            env.set_numbers(&state);
            let mut observation = vec![0.0; t.obs[k].len()];
            let step = env.act(action, t.action_dtype == "float64", &mut observation);
            let theirs: Vec<f64> = t.states[k].iter().map(number).collect();
            for (&ours, &theirs) in env.numbers().iter().zip(&theirs) {
                assert!(close(ours, theirs, 1e-12), "{at}: state {ours} instead of {theirs}");
            }
            for (&ours, theirs) in observation.iter().zip(&t.obs[k]) {
                let theirs = number(theirs) as f32;
                let close = within_one_ulp(ours, theirs) || (ours.is_nan() && theirs.is_nan());
                assert!(close, "{at}: observation {ours} instead of {theirs}");
            }
            // After the end of an episode Gymnasium's reward is undefined (it returns 0); a batch never steps there.
            let theirs_reward = number(&t.rewards[k]);
            let close = is_over || close(step.reward, theirs_reward, reward_tolerance);
            assert!(close, "{at}: reward {} instead of {theirs_reward}", step.reward);
            assert_eq!(step.terminated, t.terminated[k], "{at}");
            is_over |= step.terminated;
            state = theirs;
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn specifications_match_gymnasium() {
    for id in ["CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"] {
        let recording: Recording = golden(&format!("envs/{id}.json"));
        let spec = spec(&recording.env_id).unwrap();
        assert_eq!(spec.id, id);
        assert_eq!(spec.max_episode_steps, Some(recording.default_max_episode_steps), "{id}");
        assert_eq!(spec.reward_threshold, recording.reward_threshold, "{id}");
        assert_same_space(&spec.observation_space, &recording.observation_space);
        assert_same_space(&spec.action_space, &recording.action_space);
    }
}

#[allow(clippy::cast_possible_truncation)] // recorded in single precision
fn assert_same_space(ours: &Space, theirs: &Value) {
    let bounds =
        |key: &str| -> Vec<f32> { theirs[key].as_array().unwrap().iter().map(|bound| number(bound) as f32).collect() };
    match ours {
        Space::Discrete { n, start } => {
            assert_eq!(
                (Some(u64::from(*n)), Some(i64::from(*start))),
                (theirs["n"].as_u64(), theirs["start"].as_i64())
            );
        }
        Space::Box { low, high, .. } => assert_eq!((low, high), (&bounds("low"), &bounds("high"))),
        other => panic!("{other}"),
    }
}

#[test]
fn both_flags_match_gymnasium_on_every_recorded_step() {
    let found = [
        flags_agree::<CartPole>(),
        flags_agree::<Acrobot>(),
        flags_agree::<MountainCar>(),
        flags_agree::<MountainCarContinuous>(),
        flags_agree::<Pendulum>(),
    ]
    .concat();
    for flags in [(true, false), (false, true), (true, true)] {
        assert!(found.contains(&flags), "no episode ends with {flags:?}");
    }
}

/// Plays the recorded episodes in a batch, with their time limits, until their first end. Before each step our state is
/// replaced with the recorded one, so that no rounding is amplified. Returns the flags that ended the episodes.
#[allow(clippy::cast_possible_truncation)] // actions of a batch are single precision
fn flags_agree<E: Classic + Clone>() -> Vec<(bool, bool)> {
    let recording: Recording = golden(&format!("envs/{}.json", E::default().spec().id));
    let mut found = Vec::new();
    for t in &recording.trajectories {
        let mut envs = VecEnv::from_envs(vec![E::configured(t)]).unwrap();
        envs.set_autoreset(Autoreset::Disabled).unwrap();
        envs.set_time_limit(Some(t.max_episode_steps)).unwrap();
        // If the recording began with a plain reset, we compare the reset.
        if let (true, None, Some(seed)) = (t.kind == "reset", &t.reset_options, t.reset_seed) {
            let first = &envs.reset(seed).unwrap().observations;
            let agree =
                first.iter().zip(&t.initial_obs).all(|(&ours, theirs)| within_one_ulp(ours, number(theirs) as f32));
            assert!(agree && first.len() == t.initial_obs.len(), "{} {}", recording.env_id, t.name);
        }
        let mut state = t.initial_state.clone();
        for (k, action) in t.actions.iter().enumerate() {
            let at = format!("{} {} step {k}", recording.env_id, t.name);
            let mut saved = serde_json::to_value(envs.save().unwrap()).unwrap();
            saved["state"]["slots"][0]["state"] = serde_json::to_value(&state).unwrap();
            envs.load(&serde_json::from_value(saved).unwrap()).unwrap();
            let numbers: Vec<f32> = match action.as_array() {
                Some(row) => row.iter().map(|component| number(component) as f32).collect(),
                None => vec![number(action) as f32],
            };
            let outcome = match action.as_u64() {
                Some(_) => envs.step(Actions::Discrete(&[index(action)])),
                None => envs.step(Actions::Continuous(&numbers)),
            };
            let Ok(batch) = outcome else {
                assert!(matches!(outcome, Err(EnvError::InvalidAction { .. })), "{at}");
                assert!(numbers.iter().any(|number| !number.is_finite()), "{at}");
                break;
            };
            let flags = (batch.terminated[0], batch.truncated[0]);
            assert_eq!(flags, (t.terminated[k], t.truncated[k]), "{at}");
            if flags != (false, false) {
                found.push(flags);
                break;
            }
            state = t.states[k].iter().map(number).collect();
        }
    }
    found
}

#[derive(Deserialize)]
struct Invalid {
    cases: Vec<InvalidCase>,
}

#[derive(Deserialize)]
struct InvalidCase {
    env_id: String,
    action: Value,
}

/// Two recorded cases are left out: negative actions, which our type cannot represent (`burn-pg env-trace` refuses them), and
/// a step before a reset, because a batch is reset when it is created.
#[test]
fn invalid_actions_are_refused_and_change_nothing() {
    let file: Invalid = golden("envs/invalid_actions.json");
    let mut checked = 0;
    for case in &file.cases {
        let mut envs = make(&case.env_id, 1).unwrap();
        let before = envs.save().unwrap();
        let text = case.action.as_str().unwrap_or_default();
        let (discrete, continuous): (Vec<u32>, Vec<f32>) = match case.action.as_u64() {
            Some(action) => (vec![action.try_into().unwrap()], vec![]),
            None if text.starts_with("wrong shape") => (vec![], vec![0.0; 2]),
            None if text == "empty" => (vec![], vec![]),
            None => continue,
        };
        let is_discrete = matches!(envs.spec().action_space, Space::Discrete { .. });
        let error = match is_discrete {
            true => envs.step(Actions::Discrete(&discrete)).unwrap_err(),
            false => envs.step(Actions::Continuous(&continuous)).unwrap_err(),
        };
        let typed = match error {
            EnvError::InvalidAction { env: 0, index: 0, value, .. } => is_discrete && value == f64::from(discrete[0]),
            EnvError::BatchSize { numbers, envs: 1, width: 1 } => numbers == continuous.len(),
            _ => false,
        };
        assert!(typed, "{} {}: {error}", case.env_id, case.action);
        assert_eq!(envs.save().unwrap(), before);
        checked += 1;
    }
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut envs = make("Pendulum-v1", 2).unwrap();
        let error = envs.step(Actions::Continuous(&[0.0, bad])).unwrap_err();
        assert!(matches!(error, EnvError::InvalidAction { env: 1, index: 0, .. }), "{error}");
    }
    assert!(checked > 0);
}
