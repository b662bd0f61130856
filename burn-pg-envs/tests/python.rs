//! Environments of Python: the same numbers as Gymnasium's own loop, and clear errors.
//!
//! These tests need a Python with `gymnasium[box2d,classic-control,mujoco]`, `ale-py` and `envpool`: that of
//! `BURN_PG_PYTHON`, or else `python3`. What the latter lacks is skipped, and the test says so.

use std::{
    env::var,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use burn_pg_envs::{
    ActionBuffer, Actions, Autoreset, EnvError, EnvOptions, EnvRng, Space, VectorEnv, check_env, python::PythonEnvs,
    render::Shape,
};
use tempfile::tempdir;

/// Options for the interpreter of the tests; `None` if there is none with Gymnasium.
fn options() -> Option<EnvOptions> {
    options_with("gymnasium")
}

/// The same, if the interpreter has these modules.
fn options_with(modules: &str) -> Option<EnvOptions> {
    let python = var("BURN_PG_PYTHON").ok();
    let name = python.clone().unwrap_or_else(|| "python3".into());
    let has_gymnasium =
        Command::new(&name).args(["-c", &format!("import {modules}")]).output().is_ok_and(|out| out.status.success());
    assert!(has_gymnasium || python.is_none(), "BURN_PG_PYTHON names a Python without {modules}");
    if !has_gymnasium {
        eprintln!("skipped: `{name}` lacks one of {modules}; set BURN_PG_PYTHON");
    }
    has_gymnasium.then(|| EnvOptions { python: Some(name), timeout: Some(20.0), ..EnvOptions::default() })
}

/// Bytes of actions as NumPy reads them, with the name of their type.
fn bytes(actions: Actions<'_>) -> (&'static str, Vec<u8>) {
    match actions {
        Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
            ("i8", all.iter().flat_map(|&action| i64::from(action).to_ne_bytes()).collect())
        }
        Actions::MultiBinary(all) => ("i1", all.iter().map(|&flag| flag.into()).collect()),
        Actions::Continuous(all) => ("f4", all.iter().flat_map(|action| action.to_ne_bytes()).collect()),
    }
}

/// What `reference.py` wrote.
struct Trace(std::io::Cursor<Vec<u8>>);

impl Trace {
    fn take<const N: usize, T>(&mut self, count: usize, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        use std::io::Read;
        let mut next = || {
            let mut bytes = [0; N];
            self.0.read_exact(&mut bytes).expect("the trace is long enough");
            read(bytes)
        };
        (0..count).map(|_| next()).collect()
    }

    fn singles(&mut self, count: usize) -> Vec<f32> {
        self.take(count, f32::from_ne_bytes)
    }

    fn flags(&mut self, count: usize) -> Vec<bool> {
        self.take(count, |[byte]| byte != 0)
    }
}

/// Compares `steps` steps of each of `num_envs` environments with Gymnasium's own loop.
fn same_as_gymnasium(id: &str, autoreset: Autoreset, num_envs: usize, steps: usize, workers: usize) {
    let Some(options) = options() else { return };
    let options = EnvOptions { workers: Some(workers), ..options };
    let mut envs = PythonEnvs::new(&format!("gym:{id}"), num_envs, &options).unwrap();
    assert_eq!(envs.num_workers(), workers);
    envs.set_autoreset(autoreset).unwrap();
    let (spec, mut rng) = (envs.spec().clone(), EnvRng::new(3));
    let actions: Vec<_> = (0..steps).map(|_| ActionBuffer::random(&spec.action_space, num_envs, &mut rng)).collect();

    let folder = tempdir().unwrap();
    let [setup, given, trace] = ["setup.json", "actions", "trace"].map(|name| folder.path().join(name));
    let dtype = bytes(actions[0].as_actions()).0;
    let text = serde_json::json!({
        "id": id, "kwargs": {}, "envs": num_envs, "mode": format!("{autoreset:?}"), "dtype": dtype, "steps": steps,
        "seed": 11,
    });
    fs::write(&setup, text.to_string()).unwrap();
    fs::write(&given, actions.iter().flat_map(|actions| bytes(actions.as_actions()).1).collect::<Vec<u8>>()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/reference.py");
    let python = options.python.as_deref().unwrap();
    let out = Command::new(python).arg(script).args([&setup, &given, &trace]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut trace = Trace(std::io::Cursor::new(fs::read(trace).unwrap()));

    let width = spec.observation_space.flat_len();
    assert_eq!(envs.reset(11).unwrap().observations, trace.singles(num_envs * width), "{id}");
    let mut ended_before = vec![false; num_envs];
    let mut episodes = 0;
    for (step, actions) in actions.iter().enumerate() {
        let batch = envs.step(actions.as_actions()).unwrap().clone();
        let place = format!("{id}, {autoreset:?}, step {step}");
        assert_eq!(batch.observations, trace.singles(num_envs * width), "{place}");
        let finals = trace.singles(num_envs * width);
        let rewards = trace.take(num_envs, f64::from_ne_bytes);
        let [terminated, truncated] = [(); 2].map(|()| trace.flags(num_envs));
        assert_eq!(
            (&batch.rewards, &batch.terminated, &batch.truncated),
            (&rewards, &terminated, &truncated),
            "{place}"
        );
        let ended: Vec<bool> =
            terminated.iter().zip(&truncated).map(|(terminated, truncated)| terminated | truncated).collect();
        for env in batch.ended() {
            episodes += 1;
            let rows = env * width..(env + 1) * width;
            let last = if autoreset == Autoreset::SameStep { &finals } else { &batch.observations };
            assert_eq!(batch.final_observations[rows.clone()], last[rows], "{place}");
        }
        let is_reset = |env: usize| autoreset == Autoreset::NextStep && ended_before[env];
        assert!((0..num_envs).all(|env| batch.valid[env] != is_reset(env)), "{place}");
        if autoreset == Autoreset::Disabled && ended.contains(&true) {
            assert_eq!(envs.reset_where(&ended).unwrap().observations, trace.singles(num_envs * width), "{place}");
        }
        ended_before = ended;
    }
    assert!(episodes > 0, "{id}: no episode has ended");
    assert_eq!(trace.0.position(), trace.0.get_ref().len() as u64);
}

const MODES: [Autoreset; 3] = [Autoreset::SameStep, Autoreset::NextStep, Autoreset::Disabled];

/// Steps of all environments together in each comparison.
fn steps() -> usize {
    var("BURN_PG_STEPS").map_or(4_000, |steps| steps.parse().expect("BURN_PG_STEPS is a number"))
}

#[test]
fn classic_environments_give_what_gymnasium_gives() {
    for mode in MODES {
        same_as_gymnasium("CartPole-v1", mode, 4, steps() / 4, 2);
        same_as_gymnasium("Pendulum-v1", mode, 4, steps() / 4, 1);
        same_as_gymnasium("MountainCar-v0", mode, 5, steps() / 5, 2);
    }
}

#[test]
fn physics_environments_give_what_gymnasium_gives() {
    if options_with("gymnasium, Box2D, mujoco").is_none() {
        return;
    }
    for mode in MODES {
        same_as_gymnasium("LunarLander-v3", mode, 3, steps() / 3, 2);
        // Its episodes have 1,000 steps.
        same_as_gymnasium("HalfCheetah-v5", mode, 2, (steps() / 4).max(1_002), 2);
    }
}

/// Compares environments that Python steps together with their own loop, in which an environment whose episode has ended
/// is reset by the next step: the mode that they begin in. The episodes are the same in each mode, and so is each transition.
fn same_as_their_own_loop(name: &str, num_envs: usize, transitions: usize) {
    let Some(options) = options_with("ale_py, envpool") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/own_loop.py");
    let folder = tempdir().unwrap();
    let trace = folder.path().join("trace");
    let arguments = [num_envs.to_string(), transitions.to_string()];
    let out =
        Command::new(options.python.as_deref().unwrap()).arg(script).arg(name).args(arguments).arg(&trace).output();
    let out = out.unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut trace = Trace(std::io::Cursor::new(fs::read(trace).unwrap()));
    // Rows of before, after, reward and flags, of each environment.
    let rows = (0..num_envs * transitions).map(|_| (trace.take(3, f64::from_ne_bytes), trace.flags(2)));
    let rows: Vec<_> = rows.collect();
    let expected: Vec<_> = rows.chunks(transitions).collect();
    for mode in [None, Some(Autoreset::SameStep), Some(Autoreset::Disabled)] {
        check_against_their_own_loop(name, mode, &options, &expected);
    }
}

fn check_against_their_own_loop(
    name: &str,
    mode: Option<Autoreset>,
    options: &EnvOptions,
    expected: &[&[(Vec<f64>, Vec<bool>)]],
) {
    let num_envs = expected.len();
    let mut envs = PythonEnvs::new(name, num_envs, options).unwrap();
    if let Some(mode) = mode {
        envs.set_autoreset(mode).unwrap();
    }
    let (spec, width) = (envs.spec().clone(), envs.spec().observation_space.flat_len());
    let Space::Discrete { n, .. } = spec.action_space else { panic!("{name} has discrete actions") };
    envs.reset(21).unwrap();
    let sum = |row: &[f32]| row.iter().map(|&value| f64::from(value)).sum::<f64>();
    let (mut episodes, mut taken) = (0, vec![0; num_envs]);
    while *taken.iter().min().unwrap() < expected[0].len() {
        let before: Vec<f64> = envs.batch().observations.chunks(width).map(sum).collect();
        let action = |(env, t)| u32::try_from((t * 7 + env * 3) / 5).unwrap() % n;
        let actions: Vec<u32> = taken.iter().copied().enumerate().map(action).collect();
        let batch = envs.step(Actions::Discrete(&actions)).unwrap();
        let mut all_ended = vec![false; num_envs];
        for (env, expected) in expected.iter().enumerate() {
            assert!(batch.valid[env] || mode.is_none(), "{mode:?}");
            let ended = batch.terminated[env] || batch.truncated[env];
            all_ended[env] = ended;
            if !batch.valid[env] || taken[env] == expected.len() {
                continue;
            }
            let after = if ended { &batch.final_observations } else { &batch.observations };
            let row = vec![before[env], sum(&after[env * width..][..width]), batch.rewards[env]];
            let flags = vec![batch.terminated[env], batch.truncated[env]];
            let t = taken[env];
            assert_eq!((row, flags), expected[t], "{name}, {mode:?}, environment {env}, transition {t}");
            taken[env] = t + 1;
            episodes += usize::from(ended);
        }
        if mode == Some(Autoreset::Disabled) && all_ended.contains(&true) {
            envs.reset_where(&all_ended).unwrap();
        }
    }
    assert!(episodes > 0, "{name}: no episode has ended");
}

#[test]
fn environments_that_are_stepped_together_give_what_their_own_loop_gives() {
    same_as_their_own_loop("envpool:CartPole-v1", 5, 300);
    same_as_their_own_loop("envpool:Pong-v5", 2, 1_500);
    same_as_their_own_loop("ale:pong", 2, 1_500);
}

#[test]
fn errors_say_what_to_do() {
    let missing = EnvOptions { python: Some("no-such-python".into()), ..EnvOptions::default() };
    let reason = |name: &str, options: &EnvOptions| PythonEnvs::new(name, 1, options).err().unwrap().to_string();
    let message = reason("gym:CartPole-v1", &missing);
    assert!(message.contains("no Python at `no-such-python`") && message.contains("--python"), "{message}");
    let Some(options) = options() else { return };
    let message = reason("gym:CartPloe-v1", &options);
    assert!(message.contains("`gym:CartPloe-v1` cannot be made") && message.contains("CartPole"), "{message}");
    let message = reason("gym:no_such_module:Some-v0", &options);
    assert!(message.contains("no module `no_such_module`; install it with:"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_gymnasium_that_is_too_old_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let Some(options) = options() else { return };
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("gymnasium")).unwrap();
    fs::write(folder.path().join("gymnasium/__init__.py"), "__version__ = '0.29.1'").unwrap();
    let python = folder.path().join("python");
    let (modules, real) = (folder.path().display(), options.python.as_deref().unwrap());
    fs::write(&python, format!("#!/bin/sh\nPYTHONPATH='{modules}' exec '{real}' \"$@\"\n")).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let options = EnvOptions { python: Some(python.display().to_string()), ..options };
    let message = PythonEnvs::new("gym:CartPole-v1", 1, &options).err().unwrap().to_string();
    assert!(message.contains("Gymnasium 0.29.1 is too old: burn-pg needs 1.0 or later"), "{message}");
}

/// A batch of the environments of `tests/python/envs.py`.
fn batch(
    name: &str,
    num_envs: usize,
    workers: usize,
    kwargs: serde_json::Value,
) -> Option<Result<PythonEnvs, EnvError>> {
    let serde_json::Value::Object(kwargs) = kwargs else { panic!("kwargs are an object") };
    let options = EnvOptions { kwargs, workers: Some(workers), ..options()? };
    Some(PythonEnvs::new(&format!("gym:tests.python.envs:{name}"), num_envs, &options))
}

#[test]
fn every_space_is_flattened_in_the_order_that_policies_expect() {
    let boxed = |low: &[f32], high: &[f32], shape: &[usize]| Space::Box {
        low: low.into(),
        high: high.into(),
        shape: shape.into(),
    };
    let flags = |n: usize| boxed(&vec![0.0; n], &vec![1.0; n], &[n]);
    let image = |shape, high| Space::Image { shape, high };
    let infinite = [f32::INFINITY; 4];
    let speed = boxed(&[-1.0; 2], &[1.0; 2], &[2]);
    let expected = [
        ("discrete", flags(4)),
        ("multi_discrete", flags(5)),
        ("multi_binary", flags(3)),
        ("number", boxed(&[-1.0], &[1.0], &[1])),
        ("double", boxed(&infinite.map(|bound| -bound), &infinite, &[2, 2])),
        ("bytes", boxed(&[0.0; 3], &[255.0; 3], &[3])),
        ("rows_last", image([3, 5, 4], 255)),
        ("rows_first", image([2, 5, 4], 255)),
        ("grey", image([1, 5, 4], 255)),
        ("frames", image([6, 5, 4], 255)),
        ("planes", image([3, 5, 5], 1)),
        ("whole", image([1, 5, 4], 3)),
        (
            "dictionary",
            Space::dict([("inner/gear", flags(3)), ("inner/speed", speed.clone()), ("picture", image([3, 5, 4], 255))]),
        ),
        ("tuple", Space::dict([("0", image([1, 3, 3], 255)), ("1", speed)])),
    ];
    for (name, space) in expected {
        let Some(envs) = batch("Sampler-v0", 2, 1, serde_json::json!({"observation": name})) else { return };
        let mut envs = envs.unwrap();
        assert_eq!(envs.spec().observation_space, space, "{name}");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/flattened.py");
        let out = Command::new(options().unwrap().python.unwrap()).arg(script).arg(name).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let rows: Vec<Vec<f32>> = serde_json::from_slice(&out.stdout).unwrap();
        envs.reset_each(&[5, 5]).unwrap();
        for (step, row) in rows.iter().enumerate() {
            let width = space.flat_len();
            assert_eq!(envs.batch().observations[..width], row[..], "{name}, step {step}");
            assert!(space.contains(row), "{name}");
            assert_eq!(envs.batch().observations[width..], row[..], "{name}, step {step}, the second environment");
            envs.step(Actions::Discrete(&[0, 3])).unwrap();
        }
    }
}

#[test]
fn a_whole_number_that_is_no_byte_is_refused_and_seeds_fit_old_generators() {
    let Some(envs) = batch("Numbers-v0", 2, 1, serde_json::json!({})) else { return };
    let mut envs = envs.unwrap();
    envs.reset_each(&[u64::MAX, 1 << 40]).unwrap();
    for _ in 0..4 {
        envs.step(Actions::Discrete(&[0, 0])).unwrap();
    }
    let error = envs.step(Actions::Discrete(&[0, 0])).unwrap_err().to_string();
    assert!(error.contains("has the value 256; those of its space end at 3"), "{error}");
}

#[test]
fn environments_that_are_reset_without_seeds_differ() {
    let Some(options) = options() else { return };
    let mut envs = PythonEnvs::new("gym:CartPole-v1", 3, &options).unwrap();
    let first = &envs.reset_where(&[true; 3]).unwrap().observations;
    assert!(first[..4] != first[4..8] && first[4..8] != first[8..]);
}

#[test]
fn every_action_arrives_in_its_space() {
    let boxed = |high: &[f32], shape: &[usize]| Space::Box {
        low: high.iter().map(|h| -h).collect(),
        high: high.into(),
        shape: shape.into(),
    };
    let expected = [
        ("discrete", Space::Discrete { n: 4, start: -1 }),
        ("multi_discrete", Space::MultiDiscrete { sizes: vec![2, 3] }),
        ("multi_binary", Space::MultiBinary { n: 3 }),
        ("number", boxed(&[1.0], &[1])),
        ("double", boxed(&[f32::INFINITY; 4], &[2, 2])),
        ("two_tuple", Space::MultiDiscrete { sizes: vec![3, 2, 2] }),
        ("two_boxes", boxed(&[1.0, 1.0, 2.0], &[3])),
    ];
    let mut rng = EnvRng::new(1);
    for (name, space) in expected {
        let Some(envs) = batch("Sampler-v0", 3, 2, serde_json::json!({"action": name})) else { return };
        let mut envs = envs.unwrap();
        assert_eq!(envs.spec().action_space, space, "{name}");
        envs.reset(0).unwrap();
        for _ in 0..20 {
            let mut actions = ActionBuffer::random(&space, 3, &mut rng);
            if let ActionBuffer::Continuous(values) = &mut actions {
                // The worker clips.
                for value in values {
                    *value *= 3.0;
                }
            }
            assert_eq!(envs.step(actions.as_actions()).unwrap().rewards, [1.0; 3], "{name}");
        }
    }
    for (role, name, reason) in [
        ("observation", "text", "the observation space is a Text, which burn-pg does not support"),
        ("action", "bytes", "the action space is a Box of uint8, not of floating-point numbers"),
        ("action", "mixed", "has continuous and discrete parts, which burn-pg does not mix"),
    ] {
        let Some(envs) = batch("Sampler-v0", 1, 1, serde_json::json!({role: name})) else { return };
        let message = envs.err().unwrap().to_string();
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn masks_follow_the_observations() {
    let Some(envs) = batch("Sampler-v0", 2, 1, serde_json::json!({"masks": true})) else { return };
    let mut envs = envs.unwrap();
    assert!(envs.spec().masks_actions);
    envs.reset(0).unwrap();
    for step in 0..12 {
        let row = (0..4).map(|action| action == step % 5 % 4);
        assert_eq!(envs.batch().action_masks, row.clone().chain(row).collect::<Vec<_>>(), "step {step}");
        envs.step(Actions::Discrete(&[0, 1])).unwrap();
    }
}

#[test]
fn a_batch_keeps_the_contract() {
    let Some(options) = options() else { return };
    for (name, workers) in [("gym:CartPole-v1", 1), ("gym:CartPole-v1", 3), ("gym:Pendulum-v1", 2)] {
        let options = EnvOptions { workers: Some(workers), ..options.clone() };
        let report = check_env(|| PythonEnvs::new(name, 5, &options)).unwrap();
        assert!(report.episodes > 0 && report.resets_some && report.restarts_one && !report.saves, "{report:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_fault_names_its_environment_and_the_others_go_on() {
    let faults = [
        ("unrelated", "ValueError: the real reason\nTraceback"),
        ("raise", "KeyError: 'a wheel is missing'\nTraceback"),
        ("shape", "ValueError: the observation has the shape (3,), its space (2,)"),
        ("dtype", "TypeError: the observation has the type float64, and had float32 before"),
        ("nan", "component 0 of its observation is NaN"),
        ("text_reward", "TypeError: the reward is 'much', which is no number"),
        ("number_as_text", "TypeError: the reward is '3.0', which is no number"),
        ("text_flag", "TypeError: `truncated` is array('False'"),
        ("array_flag", "TypeError: `truncated` is array([False]), which is no flag"),
        ("nan_flag", "TypeError: `truncated` is array(nan), which is no flag"),
        ("late_mask", "the first info had none: it must be there from the first reset on"),
        ("surrogate", "ValueError: half a letter: ?"),
        ("no_text", "Silent: (its message cannot be shown: OSError)"),
        ("leave", "SystemExit: 5"),
        ("fork_returns", "ValueError: the parent goes on"),
        ("nan_reward", "its reward is NaN"),
        ("die", "its worker of environments 0 to 1 is lost: it was ended by signal 9"),
        ("exit", "its worker of environments 0 to 1 is lost: it ended with exit code 5"),
        ("fork", "its worker of environments 0 to 1 is lost: it was ended by signal 9"),
    ];
    for (fault, expected) in faults {
        let Some(envs) = batch("Faulty-v0", 4, 2, serde_json::json!({"fault": fault})) else { return };
        let mut envs = envs.unwrap();
        envs.reset(50).unwrap();
        for _ in 0..2 {
            envs.step(Actions::Discrete(&[0; 4])).unwrap();
        }
        // Every environment fails in its third step; the last two are made anew before.
        envs.restart(2, 9).unwrap();
        envs.restart(3, 9).unwrap();
        let start = Instant::now();
        let error = envs.step(Actions::Discrete(&[0; 4])).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(3), "{fault}: {:?}", start.elapsed());
        let EnvError::Failed { env: 0, seed: 50, steps, .. } = &error else { panic!("{fault}: {error}") };
        assert!(*steps <= 3, "{fault}: {steps}");
        assert!(error.to_string().contains(expected), "{fault}: {error}");
        let after = envs.batch();
        assert_eq!(
            (&after.valid[..], &after.episode_lengths[2..]),
            (&[false, false, true, true][..], &[1, 1][..]),
            "{fault}"
        );
        assert!(matches!(envs.step(Actions::Discrete(&[0; 4])), Err(EnvError::NeedsReset { env: 0 })), "{fault}");
        envs.restart(0, 1).unwrap();
        envs.reset_where(&[false, true, false, false]).unwrap();
        // The next step but one would be the third of the last two environments.
        envs.step(Actions::Discrete(&[0; 4])).unwrap();
        assert_eq!(envs.batch().episode_lengths, [1, 1, 2, 2], "{fault}");
    }
}

#[cfg(unix)]
#[test]
fn output_and_reads_of_the_standard_input_change_nothing() {
    for harmless in ["print", "stdin"] {
        let Some(envs) = batch("Faulty-v0", 1, 1, serde_json::json!({"fault": harmless})) else { return };
        let mut envs = envs.unwrap();
        envs.reset(0).unwrap();
        for _ in 0..20 {
            envs.step(Actions::Discrete(&[0])).unwrap();
        }
    }
}

#[test]
fn a_worker_that_hangs_is_ended_and_its_log_is_kept() {
    let folder = tempdir().unwrap();
    let Some(options) = options() else { return };
    let of = |fault: serde_json::Value| {
        let serde_json::Value::Object(kwargs) = fault else { unreachable!() };
        EnvOptions { kwargs, timeout: Some(0.7), ..options.clone() }
    };
    // In the first reset, which asks for masks.
    let start = Instant::now();
    let hangs = of(serde_json::json!({"fault": "hang", "where": "reset", "at": 0}));
    let error = PythonEnvs::new("gym:tests.python.envs:Faulty-v0", 1, &hangs).err().unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(error.to_string().contains("it did not answer within 0.7 s and was killed"), "{error}");
    for place in ["step", "reset"] {
        let log = folder.path().join(place);
        let hangs = serde_json::json!({"fault": "hang", "where": place, "at": if place == "step" { 3 } else { 5 }});
        let options = EnvOptions { log: Some(log.clone()), ..of(hangs) };
        let mut envs = PythonEnvs::new("gym:tests.python.envs:Faulty-v0", 1, &options).unwrap();
        envs.reset(0).unwrap();
        let start = Instant::now();
        let error = (0..20).find_map(|_| envs.step(Actions::Discrete(&[0])).err()).unwrap();
        assert!(start.elapsed() < Duration::from_secs(3), "{place}");
        assert!(
            error.to_string().contains("its worker is lost: it did not answer within 0.7 s and was killed"),
            "{error}"
        );
        assert!(log.exists());
        envs.reset(1).unwrap();
        envs.step(Actions::Discrete(&[0])).unwrap();
    }
}

#[test]
fn environments_that_are_loaded_begin_new_episodes() {
    let Some(options) = options() else { return };
    let make = || PythonEnvs::new("gym:CartPole-v1", 3, &options).unwrap();
    let mut envs = make();
    envs.reset(0).unwrap();
    envs.step(Actions::Discrete(&[0; 3])).unwrap();
    let saved = envs.save().unwrap();
    assert!(saved.begins_anew());
    let [mut one, mut two] = [make(), make()];
    one.load(&saved).unwrap();
    two.load(&serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap()).unwrap();
    assert_eq!(one.batch(), two.batch());
    assert_ne!(one.batch().observations, envs.batch().observations);
    let fewer = PythonEnvs::new("gym:CartPole-v1", 2, &options).unwrap().load(&saved).unwrap_err();
    assert!(matches!(fewer, EnvError::MaskLen { given: 3, envs: 2 }), "{fewer}");
}

#[test]
fn pictures_are_those_of_the_environment() {
    let Some(options) = options() else { return };
    let options = EnvOptions { render: true, ..options };
    let mut envs = PythonEnvs::new("gym:tests.python.envs:Painter-v0", 2, &options).unwrap();
    envs.reset(0).unwrap();
    let scene = envs.render(1).unwrap();
    assert_eq!((scene.width, scene.height), (6.0, 4.0));
    let [Shape::Pixels { rgb, .. }] = &scene.shapes[..] else { panic!("the scene is one picture") };
    assert_eq!(rgb[3 * (6 + 2)..][..3], [10, 20, 30]);
    assert_eq!(rgb.iter().filter(|&&byte| byte > 0).count(), 3);
    assert_eq!(envs.render_error(), None);

    let kwargs = serde_json::Map::from_iter([("has_screen".to_owned(), false.into())]);
    let mut blind = PythonEnvs::new("gym:tests.python.envs:Painter-v0", 1, &EnvOptions { kwargs, ..options }).unwrap();
    blind.reset(0).unwrap();
    assert!(blind.render(0).is_none());
    assert!(blind.render_error().unwrap().starts_with("OSError: there is no screen"));
    blind.step(Actions::Discrete(&[0])).unwrap();
}

#[test]
fn games_are_found_by_their_namespace_and_seen() {
    let Some(options) = options_with("ale_py, envpool") else { return };
    let options = EnvOptions { render: true, ..options };
    for (name, [width, height]) in
        [("gym:ALE/Pong-v5", [160.0, 210.0]), ("ale:pong", [84.0, 84.0]), ("envpool:Pong-v5", [160.0, 210.0])]
    {
        let mut envs = PythonEnvs::new(name, 2, &options).unwrap();
        envs.reset(0).unwrap();
        for _ in 0..3 {
            envs.step(Actions::Discrete(&[0; 2])).unwrap();
        }
        let scene = envs.render(1).unwrap_or_else(|| panic!("{name}: {:?}", envs.render_error()));
        assert_eq!((scene.width, scene.height), (width, height), "{name}");
        let [Shape::Pixels { rgb, .. }] = &scene.shapes[..] else { panic!("the scene is one picture") };
        assert!(rgb.iter().any(|&byte| byte != rgb[0]), "{name} shows something");
    }
}

#[test]
fn wrappers_and_arguments_reach_the_environment() {
    let Some(options) = options() else { return };
    let wrappers = serde_json::json!([{"name": "TimeLimit", "kwargs": {"max_episode_steps": 3}}, "gymnasium.wrappers:FlattenObservation"]);
    let options = EnvOptions { wrappers: serde_json::from_value(wrappers).unwrap(), ..options };
    let mut envs = PythonEnvs::new("gym:CartPole-v1", 1, &options).unwrap();
    envs.reset(0).unwrap();
    let truncated: Vec<bool> = (0..6).map(|_| envs.step(Actions::Discrete(&[0])).unwrap().truncated[0]).collect();
    assert_eq!(truncated, [false, false, true, false, false, true]);
    assert_eq!(envs.batch().episode_lengths, [3]);
    let wrappers = serde_json::from_value(serde_json::json!(["NoSuchWrapper"])).unwrap();
    let error = PythonEnvs::new("gym:CartPole-v1", 1, &EnvOptions { wrappers, ..options.clone() }).err().unwrap();
    assert!(error.to_string().contains("`gymnasium.wrappers` has no wrapper `NoSuchWrapper`"), "{error}");
    let wrappers = serde_json::from_value(serde_json::json!([{"name": "os:system"}])).unwrap();
    let error = PythonEnvs::new("gym:CartPole-v1", 1, &EnvOptions { wrappers, ..options.clone() }).err().unwrap();
    assert!(error.to_string().contains("`os` has no wrapper `system`"), "{error}");
    let kwargs = serde_json::json!({"sutton_barto_reward": 1, "colour": "red"});
    let serde_json::Value::Object(kwargs) = kwargs else { unreachable!() };
    let error =
        PythonEnvs::new("gym:CartPole-v1", 1, &EnvOptions { kwargs, wrappers: Vec::new(), ..options }).err().unwrap();
    assert!(error.to_string().contains("colour"), "{error}");
}
