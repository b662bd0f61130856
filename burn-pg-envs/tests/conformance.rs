//! Properties of every registered environment.

use std::sync::Once;

use burn_pg_envs::{
    ActionBuffer, Actions, Autoreset, Env, EnvError, EnvRng, EnvSpec, Space, Step, StepBatch, VecEnv, VectorEnv, make,
    register_env, specs, wrapper::TimeLimit,
};
use serde_json::Value;

/// An environment with the given action type and spaces; its observations are random.
macro_rules! toy {
    ($name:ident, $action:ty, $action_space:expr, $observation_space:expr) => {
        #[derive(Default)]
        struct $name;

        impl Env for $name {
            type Action = $action;
            type State = ();

            fn spec(&self) -> EnvSpec {
                EnvSpec::new(concat!(stringify!($name), "-v0"), $observation_space, $action_space)
            }

            fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
                for number in observation {
                    *number = f32::from(rng.below(2) == 1);
                }
            }

            fn step(&mut self, action: $action, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
                self.reset(rng, observation);
                let sum: f64 = read(&action).into_iter().sum();
                Step { reward: sum, terminated: rng.below(9) == 0, truncated: rng.below(9) == 0 }
            }

            fn state(&self) {}

            fn set_state(&mut self, (): ()) {}
        }
    };
}

/// Returns the components of an action of any type.
fn read(action: &impl serde::Serialize) -> Vec<f64> {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| f64::from(value.as_bool().unwrap()));
    match serde_json::to_value(action).unwrap() {
        Value::Array(numbers) => numbers.iter().map(number).collect(),
        one => vec![number(&one)],
    }
}

toy!(Shifted, u32, Space::Discrete { n: 3, start: -1 }, Space::discrete(2));
toy!(Pair, [u32; 2], Space::MultiDiscrete { sizes: vec![2, 5] }, Space::MultiBinary { n: 3 });
toy!(Switches, [bool; 4], Space::MultiBinary { n: 4 }, Space::MultiDiscrete { sizes: vec![2, 3] });
/// A row of switches. One of them, another in each step, is masked; pressing it panics.
#[derive(Default)]
struct Masked(u32);

impl Env for Masked {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec { masks_actions: true, ..EnvSpec::new("Masked-v0", Space::discrete(3), Space::discrete(3)) }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = rng.below(3);
        observation[0] = self.0 as f32;
    }

    fn step(&mut self, _action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.reset(rng, observation);
        Step { reward: 0.0, terminated: rng.below(9) == 0, truncated: false }
    }

    /// Writes the masked switch only.
    fn action_mask(&self, mask: &mut [bool]) {
        mask[self.0 as usize] = false;
    }

    fn state(&self) -> u32 {
        self.0
    }

    fn set_state(&mut self, state: u32) {
        self.0 = state;
    }
}

#[test]
fn masks_follow_the_state_in_every_mode_and_through_a_file() {
    for (mode, num_envs) in
        [(Autoreset::SameStep, 5), (Autoreset::NextStep, 5), (Autoreset::SameStep, 5000), (Autoreset::Disabled, 5)]
    {
        let mut envs = VecEnv::<Masked>::new(num_envs).unwrap();
        envs.set_autoreset(mode).unwrap();
        let check = |batch: &StepBatch| {
            for (env, mask) in batch.action_masks.chunks_exact(3).enumerate() {
                let ended = batch.terminated[env] && mode != Autoreset::SameStep;
                let expected = |action: usize| ended || action as f32 != batch.observations[env];
                assert_eq!(mask, [0, 1, 2].map(expected), "{mode:?}");
            }
        };
        check(envs.batch());
        for _ in 0..20 {
            let ended: Vec<bool> = envs.batch().terminated.clone();
            if mode == Autoreset::Disabled {
                envs.reset_where(&ended).unwrap();
            }
            check(envs.step(Actions::Discrete(&vec![0; num_envs])).unwrap());
        }
        let json = serde_json::to_string(&envs.save().unwrap()).unwrap();
        let mut other = VecEnv::<Masked>::new(num_envs).unwrap();
        other.load(&serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(other.batch(), envs.batch());
    }
    let limited = VecEnv::from_envs(vec![TimeLimit::new(Masked::default(), 3)]).unwrap();
    assert_eq!(limited.batch().action_masks.len(), 3);
}

toy!(Image, [f32; 3], Space::symmetric(&[1.0, f32::INFINITY, 2.0]), square());

fn square() -> Space {
    Space::Box { low: vec![0.0; 4], high: vec![1.0; 4], shape: vec![2, 2] }
}

/// Returns the specification of every registered environment, including those above.
fn registered() -> Vec<EnvSpec> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        register_env::<Shifted>().unwrap();
        register_env::<Pair>().unwrap();
        register_env::<Switches>().unwrap();
        register_env::<Image>().unwrap();
        register_env::<Masked>().unwrap();
    });
    specs()
}

/// Runs `check` after each of `steps` random steps.
fn play(envs: &mut dyn VectorEnv, steps: usize, rng: &mut EnvRng, mut check: impl FnMut(&dyn VectorEnv)) {
    let space = envs.spec().action_space.clone();
    for _ in 0..steps {
        let drawn = ActionBuffer::random(&space, envs.num_envs(), rng);
        envs.step(drawn.as_actions()).unwrap();
        check(envs);
    }
}

#[test]
fn observations_lie_in_their_space_and_episodes_end_in_time() {
    for spec in registered() {
        let (space, limit) = (&spec.observation_space, spec.max_episode_steps.unwrap_or(200));
        let mut envs = make(&spec.id, 5).unwrap();
        envs.reset(3).unwrap();
        let mut ended = 0;
        play(&mut *envs, limit as usize + 10, &mut EnvRng::new(0), |envs| {
            let batch = envs.batch();
            let mut rows = batch.observations.chunks_exact(space.flat_len());
            assert!(rows.all(|row| space.contains(row)), "{}", spec.id);
            for env in batch.ended() {
                assert!(batch.episode_lengths[env] <= limit, "{}", spec.id);
                ended += 1;
            }
        });
        assert!(ended >= 5, "{}: each episode has ended at least once", spec.id);
    }
}

/// Returns the history of a batch of `num_envs` environments as text, with `threads` threads.
fn history(id: &str, num_envs: usize, seed: u64, threads: usize) -> String {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut envs = make(id, num_envs).unwrap();
        envs.reset(seed).unwrap();
        let mut history = String::new();
        play(&mut *envs, 6, &mut EnvRng::new(1), |envs| history += &serde_json::to_string(envs.batch()).unwrap());
        history
    })
}

#[test]
fn a_seed_repeats_a_history_with_any_number_of_threads() {
    for spec in registered() {
        let once = history(&spec.id, 2048, 5, 1);
        assert_eq!(once, history(&spec.id, 2048, 5, 1), "{}", spec.id);
        assert_eq!(once, history(&spec.id, 2048, 5, 4), "{}", spec.id);
        assert_ne!(once, history(&spec.id, 2048, 6, 1), "{}", spec.id);
    }
}

#[test]
fn a_saved_state_continues_in_the_middle_of_an_episode() {
    for spec in registered() {
        let mut envs = make(&spec.id, 3).unwrap();
        envs.reset(8).unwrap();
        let mut rng = EnvRng::new(2);
        play(&mut *envs, 17, &mut rng, |_| {});
        let saved = serde_json::to_string(&envs.save().unwrap()).unwrap();

        let mut other = make(&spec.id, 3).unwrap();
        other.load(&serde_json::from_str(&saved).unwrap()).unwrap();
        assert_eq!(other.batch(), envs.batch(), "{}", spec.id);
        // Long enough for episodes to end and resets to draw random numbers.
        let mut batches = Vec::new();
        let mut same = rng.clone();
        play(&mut *envs, 600, &mut rng, |envs| batches.push(envs.batch().clone()));
        let mut batches = batches.into_iter();
        play(&mut *other, 600, &mut same, |other| {
            assert_eq!(Some(other.batch()), batches.next().as_ref(), "{}", spec.id);
        });
    }
}

#[test]
fn the_first_environment_does_not_depend_on_the_size_of_the_batch() {
    for spec in registered() {
        let mut one = make(&spec.id, 1).unwrap();
        let mut many = make(&spec.id, 200).unwrap();
        let first = one.reset(4).unwrap().observations.clone();
        assert_eq!(many.reset(4).unwrap().observations[..first.len()], first, "{}", spec.id);
    }
}

#[test]
fn the_step_after_an_ended_episode_follows_the_autoreset_mode() {
    for spec in registered() {
        for mode in [Autoreset::SameStep, Autoreset::NextStep, Autoreset::Disabled] {
            let mut envs = make(&spec.id, 1).unwrap();
            envs.set_autoreset(mode).unwrap();
            envs.set_time_limit(Some(7)).unwrap();
            let mut rng = EnvRng::new(3);
            while envs.batch().ended().next().is_none() {
                play(&mut *envs, 1, &mut rng, |_| {});
            }
            let batch = envs.batch();
            assert!((1..=7).contains(&batch.episode_lengths[0]), "{}", spec.id);
            assert!(batch.terminated[0] || batch.episode_lengths[0] == 7 || spec.max_episode_steps.is_none());
            let stays = batch.observations == batch.final_observations;
            assert!(stays || mode == Autoreset::SameStep, "{}", spec.id);
            let again = ActionBuffer::random(&spec.action_space, 1, &mut rng);
            match (mode, envs.step(again.as_actions())) {
                (Autoreset::SameStep, Ok(batch)) => assert_eq!((batch.valid[0], batch.episode_lengths[0]), (true, 1)),
                (Autoreset::NextStep, Ok(batch)) => assert_eq!((batch.valid[0], batch.episode_lengths[0]), (false, 0)),
                (Autoreset::Disabled, outcome) => assert_eq!(outcome, Err(EnvError::NeedsReset { env: 0 })),
                (mode, outcome) => panic!("{mode:?} {outcome:?}"),
            }
        }
    }
}

#[test]
fn actions_outside_the_space_are_refused_and_change_nothing() {
    for spec in registered() {
        let mut envs = make(&spec.id, 2).unwrap();
        let before = envs.save().unwrap();
        let width = spec.action_space.flat_len();
        let mut invalid = ActionBuffer::random(&spec.action_space, 2, &mut EnvRng::new(0));
        let last = 2 * width - 1;
        let is_refused = match (&mut invalid, &spec.action_space) {
            (ActionBuffer::Discrete(actions), Space::Discrete { n, .. }) => {
                actions[last] = *n;
                true
            }
            (ActionBuffer::MultiDiscrete(actions), Space::MultiDiscrete { sizes }) => {
                actions[last] = sizes[width - 1];
                true
            }
            (ActionBuffer::Continuous(actions), _) => {
                actions[last] = f32::NAN;
                true
            }
            // Every flag is valid.
            _ => false,
        };
        if is_refused {
            let error = envs.step(invalid.as_actions()).unwrap_err();
            assert!(matches!(error, EnvError::InvalidAction { env: 1, .. }), "{error}");
        }
        let error = envs.step(invalid.last(width)).unwrap_err();
        assert!(matches!(error, EnvError::BatchSize { envs: 2, .. }), "{error}");
        let wrong_kind = match spec.action_space {
            Space::Box { .. } => Actions::Discrete(&[0; 2]),
            _ => Actions::Continuous(&[0.0; 2]),
        };
        let error = envs.step(wrong_kind).unwrap_err();
        assert!(matches!(error, EnvError::ActionKind { .. }), "{error}");
        assert_eq!(envs.save().unwrap(), before, "{}", spec.id);
    }
}
