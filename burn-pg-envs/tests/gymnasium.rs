//! Against numbers recorded from Gymnasium: seeding to the bit, dynamics step by step, episodes as a whole.

mod recorded;

use burn_pg_envs::{
    Actions, Env, EnvError, EnvRng, Space,
    classic::{Acrobot, CartPole, MountainCar, MountainCarContinuous, Pendulum},
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
        let Some(seed) = seed(&case.seed) else { continue };
        let mut raw = EnvRng::new(seed);
        let mut doubles = raw.clone();
        assert_eq!(case.raw_u64_first4, [(); 4].map(|()| raw.next_u64().to_string()), "seed {seed}");
        assert_eq!(case.doubles_first4, [(); 4].map(|()| doubles.next_f64()), "seed {seed}");
        checked += 1;
    }
    assert!(checked > 0);
}

/// The state of an environment as Gymnasium keeps it.
trait Classic: Env + Default + 'static {
    fn numbers(&self) -> Vec<f64>;
    fn set_numbers(&mut self, numbers: &[f64]);
    fn action(value: &Value) -> Self::Action;
}

macro_rules! classic {
    ($env:ty, $action:expr) => {
        impl Classic for $env {
            fn numbers(&self) -> Vec<f64> {
                self.state.to_vec()
            }

            fn set_numbers(&mut self, numbers: &[f64]) {
                self.set_state(numbers.try_into().unwrap());
            }

            fn action(value: &Value) -> Self::Action {
                $action(value)
            }
        }
    };
}

fn discrete(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

#[allow(clippy::cast_possible_truncation)] // actions are single precision
fn continuous(value: &Value) -> [f32; 1] {
    let value = value.as_array().map_or(value, |row| &row[0]);
    [match value.as_str() {
        Some(name) => name.parse().unwrap(),
        None => value.as_f64().unwrap() as f32,
    }]
}

classic!(CartPole, discrete);
classic!(Acrobot, discrete);
classic!(MountainCar, discrete);
classic!(MountainCarContinuous, continuous);
classic!(Pendulum, continuous);

fn within_one_ulp(ours: f32, theirs: f32) -> bool {
    let ulp = theirs.abs().next_up() - theirs.abs();
    (ours - theirs).abs() <= ulp
}

#[test]
fn a_reset_gives_the_state_that_gymnasium_starts_from() {
    resets_agree::<CartPole>();
    resets_agree::<Acrobot>();
    resets_agree::<MountainCar>();
    resets_agree::<MountainCarContinuous>();
    resets_agree::<Pendulum>();
}

fn resets_agree<E: Classic>() {
    let data: Value = golden("envs/reset_seeds.json");
    let id = E::spec().id;
    let cases: Vec<ResetCase> = serde_json::from_value(data["cases"][&id].clone()).unwrap();
    let mut checked = 0;
    for case in &cases {
        let Some(seed) = seed(&case.seed) else { continue };
        let (mut env, mut rng) = (E::default(), EnvRng::new(seed));
        let mut observation = vec![0.0; case.obs.len()];
        env.reset(&mut rng, &mut observation);
        assert_eq!(env.numbers(), case.state, "{id} seed {seed}");
        // Cosines of single precision, which Acrobot's first observation takes, are NumPy's own.
        let agree = observation.iter().zip(&case.obs).all(|(&ours, &theirs)| within_one_ulp(ours, theirs));
        assert!(agree, "{id} seed {seed}: {observation:?} {:?}", case.obs);
        env.reset(&mut rng, &mut observation);
        assert_eq!(env.numbers(), case.state_after_second_unseeded_reset, "{id} seed {seed}");

        let mut envs = make(&id, 2).unwrap();
        let width = case.obs.len();
        let second = &envs.reset(seed.wrapping_sub(1)).observations[width..];
        assert!(second.iter().zip(&case.obs).all(|(&ours, &theirs)| within_one_ulp(ours, theirs)));
        checked += 1;
    }
    assert!(checked > 0);
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

impl Trajectory {
    /// Recorded with an option of Gymnasium's constructor that registered environments leave at its default, or past the
    /// end of an episode, or with an action that we refuse.
    fn is_beside_the_task(&self) -> bool {
        let names =
            ["semi_implicit_integrator", "nips_dynamics", "steps_after_termination", "nan_action", "inf_action"];
        !self.kwargs.is_empty() || names.contains(&self.name.as_str())
    }
}

fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some(name) => name.parse().unwrap(),
        None => value.as_f64().unwrap(),
    }
}

#[test]
fn every_transition_is_gymnasiums() {
    transitions_agree::<CartPole>();
    transitions_agree::<Acrobot>();
    transitions_agree::<MountainCar>();
    transitions_agree::<MountainCarContinuous>();
    transitions_agree::<Pendulum>();
}

/// Each recorded transition by itself: the recorded state is set, one step is taken. (Some tasks are chaotic: an open loop
/// would amplify the last bit.)
#[allow(clippy::cast_possible_truncation)] // observations are recorded in single precision
fn transitions_agree<E: Classic>() {
    let recording: Recording = golden(&format!("envs/{}.json", E::spec().id));
    let mut checked = 0;
    for t in recording.trajectories.iter().filter(|t| !t.is_beside_the_task()) {
        // Ours take actions of single precision. Those recorded in double precision are rounded, and NumPy then computes
        // with fewer roundings than for an action like ours: a unit of the last place of single precision.
        let rounded = t.action_dtype == "float64";
        let (state_tolerance, reward_tolerance) = match (rounded, t.action_dtype.as_str()) {
            (true, _) => (1e-7, 3e-7),
            (false, "float32") => (1e-12, 3e-7),
            _ => (1e-12, 1e-12),
        };
        let mut state = t.initial_state.clone();
        for (k, action) in t.actions.iter().enumerate() {
            let at = format!("{} {} step {k}", recording.env_id, t.name);
            let mut env = E::default();
            env.set_numbers(&state);
            let mut observation = vec![0.0; t.obs[k].len()];
            let step = env.step(E::action(action), &mut EnvRng::new(0), &mut observation);
            let theirs: Vec<f64> = t.states[k].iter().map(number).collect();
            for (ours, theirs) in env.numbers().iter().zip(&theirs) {
                let close = (ours - theirs).abs() <= state_tolerance * theirs.abs().max(1.0);
                assert!(close, "{at}: state {ours} instead of {theirs}");
            }
            for (&ours, theirs) in observation.iter().zip(&t.obs[k]) {
                let theirs = number(theirs) as f32;
                let close = within_one_ulp(ours, theirs) || (rounded && (ours - theirs).abs() < 1e-6);
                assert!(close, "{at}: observation {ours} instead of {theirs}");
            }
            let theirs_reward = number(&t.rewards[k]);
            let close = (step.reward - theirs_reward).abs() <= reward_tolerance * theirs_reward.abs().max(1.0);
            assert!(close, "{at}: reward {} instead of {theirs_reward}", step.reward);
            assert_eq!(step.terminated, t.terminated[k], "{at}");
            state = theirs;
            checked += 1;
        }
    }
    assert!(checked > 0);
}

#[test]
fn specifications_are_gymnasiums() {
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

/// Whole episodes from the recorded seed through the batch: the flags, at the recorded time limits above all.
#[test]
fn episodes_end_as_gymnasiums_do() {
    let (mut truncations, mut both) = (0, 0);
    for id in ["CartPole-v1", "Acrobot-v1", "MountainCar-v0"] {
        let recording: Recording = golden(&format!("envs/{id}.json"));
        for t in recording.trajectories.iter().filter(|t| !t.is_beside_the_task()) {
            let plain = t.kind == "reset" && t.reset_options.is_none();
            let (true, Some(seed)) = (plain, t.reset_seed) else { continue };
            let mut envs = make(id, 1).unwrap();
            envs.set_time_limit(Some(t.max_episode_steps));
            let first: Vec<f64> = envs.reset(seed).observations.iter().map(|&o| f64::from(o)).collect();
            for (ours, theirs) in first.iter().zip(&t.initial_obs) {
                assert!((ours - number(theirs)).abs() < 1e-6, "{id} {}", t.name);
            }
            for (k, action) in t.actions.iter().enumerate() {
                let batch = envs.step(Actions::Discrete(&[discrete(action)])).unwrap();
                let at = format!("{id} {} step {k}", t.name);
                assert_eq!((batch.terminated[0], batch.truncated[0]), (t.terminated[k], t.truncated[k]), "{at}");
                truncations += usize::from(batch.truncated[0]);
                both += usize::from(batch.truncated[0] && batch.terminated[0]);
            }
        }
    }
    assert!(truncations > 0 && both > 0, "the recordings reach time limits, and end at them");
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

/// Actions that cannot even be written as our types (-1, `step before reset`) do not occur.
#[test]
fn invalid_actions_are_refused_and_change_nothing() {
    let file: Invalid = golden("envs/invalid_actions.json");
    let mut checked = 0;
    for case in &file.cases {
        let mut envs = make(&case.env_id, 1).unwrap();
        let before = envs.save().unwrap();
        let refused: Result<_, EnvError> = match (&case.action, case.action.as_u64()) {
            (_, Some(action)) => envs.step(Actions::Discrete(&[action.try_into().unwrap()])).map(|_| ()),
            (Value::String(kind), _) if kind.starts_with("wrong shape") => {
                envs.step(Actions::Continuous(&[0.0, 0.0])).map(|_| ())
            }
            (Value::String(kind), _) if kind == "empty" => envs.step(Actions::Continuous(&[])).map(|_| ()),
            _ => continue,
        };
        assert!(refused.is_err(), "{} {}", case.env_id, case.action);
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
