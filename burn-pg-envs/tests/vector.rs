//! Batches of environments: ends of episodes, time limits, faults, saved states.

use burn_pg_envs::{
    Actions, Autoreset, Env, EnvError, EnvRng, EnvSpec, Fault, Space, Step, StepBatch, VecEnv, VectorEnv, make,
};
use serde::{Deserialize, Serialize};

/// Counts its steps, which are also the rewards, and starts at a random fraction. Action 1 terminates, 2 panics, 3 observes
/// infinity, 4 gives a reward of NaN.
#[derive(Default, Clone, Serialize, Deserialize)]
struct Counter(f32);

impl Env for Counter {
    type Action = u32;
    type State = f32;

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(3),
            ..EnvSpec::new("Counter", Space::symmetric(&[100.0]), Space::discrete(5))
        }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = rng.uniform(0.0, 0.5) as f32;
        observation[0] = self.0;
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert!(action != 2, "as scripted");
        self.0 += 1.0;
        observation[0] = if action == 3 { f32::INFINITY } else { self.0 };
        let reward = if action == 4 { f64::NAN } else { f64::from(self.0.floor()) };
        Step { reward, terminated: action == 1, truncated: false }
    }

    fn state(&self) -> f32 {
        self.0
    }

    fn set_state(&mut self, state: f32) {
        self.0 = state;
    }
}

fn counters(num_envs: usize) -> VecEnv<Counter> {
    VecEnv::new(num_envs).unwrap()
}

fn step<'a>(envs: &'a mut VecEnv<Counter>, actions: &[u32]) -> &'a StepBatch {
    envs.step(Actions::Discrete(actions)).unwrap()
}

fn whole(observations: &[f32]) -> Vec<f32> {
    observations.iter().map(|o| o.floor()).collect()
}

#[test]
fn an_ended_episode_returns_its_final_observation_and_is_reset() {
    let mut envs = counters(2);
    step(&mut envs, &[0, 0]);
    let batch = step(&mut envs, &[1, 0]);
    assert_eq!(batch.terminated, [true, false]);
    assert_eq!(batch.truncated, [false, false]);
    assert_eq!(whole(&batch.observations), [0.0, 2.0]);
    assert_eq!(batch.final_observations[0].floor(), 2.0);
    assert_eq!(batch.episode_returns, [3.0, 3.0]);
    assert_eq!(batch.episode_lengths, [2, 2]);
    assert_eq!(batch.valid, [true, true]);
    assert_eq!(batch.ended().collect::<Vec<_>>(), [0]);

    let batch = step(&mut envs, &[0, 0]);
    assert_eq!(batch.truncated, [false, true], "the time limit is 3");
    assert_eq!(batch.terminated, [false, false]);
    assert_eq!(whole(&batch.observations), [1.0, 0.0]);
    assert_eq!(batch.final_observations[1].floor(), 3.0);
    assert_eq!(batch.episode_returns, [1.0, 6.0]);
    assert_eq!(batch.episode_lengths, [1, 3]);
}

#[test]
fn both_flags_are_set_when_the_last_step_in_time_is_terminal() {
    let mut envs = counters(1);
    step(&mut envs, &[0]);
    step(&mut envs, &[0]);
    let batch = step(&mut envs, &[1]);
    assert!(batch.terminated[0] && batch.truncated[0]);
}

#[test]
fn a_reset_in_place_of_the_next_step_is_not_valid() {
    let mut envs = counters(2);
    envs.set_autoreset(Autoreset::NextStep).unwrap();
    let batch = step(&mut envs, &[1, 0]);
    assert_eq!(batch.terminated, [true, false]);
    assert_eq!(whole(&batch.observations), [1.0, 1.0], "the final observation stays");
    let batch = step(&mut envs, &[1, 0]);
    assert_eq!(batch.valid, [false, true]);
    assert_eq!(batch.terminated, [false, false], "the action was ignored");
    assert_eq!(batch.rewards, [0.0, 2.0]);
    assert_eq!(whole(&batch.observations), [0.0, 2.0]);
    assert_eq!((batch.episode_returns[0], batch.episode_lengths[0]), (0.0, 0));
    let batch = step(&mut envs, &[0, 0]);
    assert_eq!(batch.valid, [true, true]);
    assert_eq!(batch.episode_returns, [1.0, 6.0]);
}

#[test]
fn without_autoreset_an_ended_episode_waits_for_a_reset() {
    let mut envs = counters(2);
    envs.set_autoreset(Autoreset::Disabled).unwrap();
    step(&mut envs, &[1, 0]);
    let before = envs.save().unwrap();
    let error = envs.step(Actions::Discrete(&[0, 0])).unwrap_err();
    assert_eq!(error, EnvError::NeedsReset { env: 0 });
    assert_eq!(envs.save().unwrap(), before);
    assert_eq!(envs.reset_where(&[true]).unwrap_err(), EnvError::MaskLen { given: 1, envs: 2 });
    let batch = envs.reset_where(&[true, false]).unwrap();
    assert_eq!(whole(&batch.observations), [0.0, 1.0]);
    assert_eq!(batch.episode_lengths, [0, 1]);
    assert_eq!(step(&mut envs, &[0, 0]).episode_lengths, [1, 2]);
}

#[test]
fn every_row_of_a_parallel_batch_gets_its_own_action() {
    let n = 657;
    let mut envs = counters(n);
    let actions: Vec<u32> = (0..n).map(|i| u32::from(i % 3 == 0)).collect();
    let batch = step(&mut envs, &actions);
    assert_eq!(batch.ended().collect::<Vec<_>>(), (0..n).step_by(3).collect::<Vec<_>>());
}

#[test]
fn actions_are_checked_before_anything_changes() {
    let mut envs = counters(2);
    let before = envs.save().unwrap();
    let error = envs.step(Actions::Discrete(&[0, 5])).unwrap_err();
    assert_eq!(error.to_string(), "environment 1: component 0 of the action is 5, which is outside Discrete(5)");
    let error = envs.step(Actions::Discrete(&[0])).unwrap_err();
    assert_eq!(error, EnvError::BatchSize { numbers: 1, envs: 2, width: 1 });
    let error = envs.step(Actions::Continuous(&[0.0, 0.0])).unwrap_err();
    assert_eq!(error.to_string(), "the action space is Discrete(5), but continuous actions were given");
    assert_eq!(envs.save().unwrap(), before);
}

#[test]
fn an_environment_that_fails_is_named_and_the_others_continue() {
    let n = 300;
    for (action, fault) in [
        (2, Fault::Panic { message: "as scripted".into() }),
        (3, Fault::Observation { index: 0, value: f32::INFINITY }),
    ] {
        let mut envs = counters(n);
        envs.reset(1000).unwrap();
        step(&mut envs, &vec![0; n]);
        let mut actions = vec![0; n];
        actions[257] = action;
        let error = envs.step(Actions::Discrete(&actions)).unwrap_err();
        assert_eq!(error, EnvError::Failed { env: 257, seed: 1257, steps: 2, fault });
        let lengths = &envs.batch().episode_lengths;
        assert!((0..n).filter(|&i| i != 257).all(|i| lengths[i] == 2), "the others were stepped");

        let error = envs.step(Actions::Discrete(&vec![0; n])).unwrap_err();
        assert_eq!(error, EnvError::NeedsReset { env: 257 });
        let mut mask = vec![false; n];
        mask[257] = true;
        envs.reset_where(&mask).unwrap();
        let batch = step(&mut envs, &vec![0; n]);
        assert_eq!((batch.episode_lengths[257], batch.episode_lengths[0]), (1, 3));
    }
    let mut envs = counters(1);
    let error = envs.step(Actions::Discrete(&[4])).unwrap_err();
    assert_eq!(error.to_string(), "environment 0, seeded with 0, failed after 1 steps: its reward is NaN");
}

#[test]
fn a_saved_state_of_other_environments_is_refused() {
    let two = counters(2).save().unwrap();
    let mut three = counters(3);
    let error = three.load(&two).unwrap_err();
    assert!(error.to_string().contains("it does not fit 3 environments"), "{error}");
    let json = serde_json::to_string(&two).unwrap();
    let other = serde_json::from_str(&json.replace("Counter", "Other")).unwrap();
    let error = counters(2).load(&other).unwrap_err();
    assert!(error.to_string().contains("it is that of `Other`, not of `Counter`"), "{error}");
}

/// Fails in a reset whose random stream is that of seed 7 (with a panic) or 8 (by observing infinity).
#[derive(Default, Clone)]
struct Moody;

impl Env for Moody {
    type Action = u32;
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec { id: "Moody".into(), ..Counter::default().spec() }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        let mood = rng.next_u64();
        assert!(mood != EnvRng::new(7).next_u64(), "not in the mood");
        observation[0] = if mood == EnvRng::new(8).next_u64() { f32::INFINITY } else { 0.0 };
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, _observation: &mut [f32]) -> Step {
        Step { reward: 0.0, terminated: action == 1, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

#[test]
fn an_environment_that_fails_in_its_reset_is_named_and_the_others_continue() {
    let mut envs = VecEnv::<Moody>::new(4).unwrap();
    let panic = Fault::Panic { message: "not in the mood".into() };
    assert_eq!(envs.reset(5).unwrap_err(), EnvError::Failed { env: 2, seed: 7, steps: 0, fault: panic.clone() });
    let error = envs.step(Actions::Discrete(&[0; 4])).unwrap_err();
    assert_eq!(error, EnvError::NeedsReset { env: 2 });
    let infinite = Fault::Observation { index: 0, value: f32::INFINITY };
    let error = envs.reset_each(&[1, 8, 2, 3]).unwrap_err();
    assert_eq!(error, EnvError::Failed { env: 1, seed: 8, steps: 0, fault: infinite });
    // Its stream continues, so the next reset succeeds.
    envs.reset_where(&[false, true, false, false]).unwrap();
    assert!(envs.step(Actions::Discrete(&[0; 4])).is_ok());
    assert!(matches!(VecEnv::from_envs(vec![Moody; 9]), Err(EnvError::Failed { env: 7, .. })));
}

#[test]
fn restarting_one_environment_leaves_the_others_unchanged() {
    let mut envs = make("CartPole-v1", 3).unwrap();
    envs.reset(5).unwrap();
    envs.step(Actions::Discrete(&[0, 1, 0])).unwrap();
    let before = envs.batch().clone();
    let batch = envs.restart(1, 77).unwrap().clone();
    let expected = make("CartPole-v1", 1).unwrap().reset(77).unwrap().observations.clone();
    assert_eq!(batch.observations[4..8], expected);
    assert_eq!(
        (&batch.observations[..4], &batch.observations[8..]),
        (&before.observations[..4], &before.observations[8..])
    );
    assert_eq!((batch.episode_lengths[0], batch.episode_lengths[1]), (1, 0));
    // It continues like a fresh environment with that seed.
    let mut fresh = make("CartPole-v1", 1).unwrap();
    fresh.reset(77).unwrap();
    for _ in 0..60 {
        let ours = envs.step(Actions::Discrete(&[1; 3])).unwrap().observations[4..8].to_vec();
        assert_eq!(fresh.step(Actions::Discrete(&[1])).unwrap().observations, ours);
    }
}

#[test]
#[should_panic(expected = "there is no environment 3")]
fn restarting_an_environment_that_does_not_exist_panics() {
    let _ = make("CartPole-v1", 3).unwrap().restart(3, 0);
}

#[test]
fn a_saved_state_includes_the_time_limit() {
    let mut envs = counters(1);
    envs.set_time_limit(Some(2)).unwrap();
    step(&mut envs, &[0]);
    let mut other = counters(1);
    other.load(&envs.save().unwrap()).unwrap();
    assert!(step(&mut other, &[0]).truncated[0]);
}

#[test]
fn the_autoreset_mode_can_change_after_an_episode_has_ended() {
    let ended = |mode| {
        let mut envs = counters(1);
        envs.set_autoreset(mode).unwrap();
        assert!(step(&mut envs, &[1]).terminated[0]);
        envs
    };
    // The environment was reset already.
    for mode in [Autoreset::NextStep, Autoreset::Disabled] {
        let mut envs = ended(Autoreset::SameStep);
        envs.set_autoreset(mode).unwrap();
        let batch = step(&mut envs, &[0]);
        assert_eq!((batch.valid[0], batch.episode_lengths[0]), (true, 1));
    }
    // The environment still needs a reset.
    for (from, to) in [(Autoreset::NextStep, Autoreset::SameStep), (Autoreset::Disabled, Autoreset::NextStep)] {
        let mut envs = ended(from);
        envs.set_autoreset(to).unwrap();
        assert!(!step(&mut envs, &[0]).valid[0]);
        assert_eq!(step(&mut envs, &[0]).episode_lengths, [1]);
    }
    let mut envs = ended(Autoreset::NextStep);
    envs.set_autoreset(Autoreset::Disabled).unwrap();
    assert_eq!(envs.step(Actions::Discrete(&[0])).unwrap_err(), EnvError::NeedsReset { env: 0 });
}

/// Its actions have two components, but its action space has three.
#[derive(Debug, Default)]
struct Misfit;

impl Env for Misfit {
    type Action = [f32; 2];
    type State = ();

    fn spec(&self) -> EnvSpec {
        EnvSpec { id: "Misfit".into(), action_space: Space::symmetric(&[1.0; 3]), ..Counter::default().spec() }
    }

    fn reset(&mut self, _rng: &mut EnvRng, _observation: &mut [f32]) {}

    fn step(&mut self, _action: [f32; 2], _rng: &mut EnvRng, _observation: &mut [f32]) -> Step {
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) {}

    fn set_state(&mut self, (): ()) {}
}

#[test]
fn a_specification_that_contradicts_the_type_or_itself_is_refused() {
    let error = VecEnv::<Misfit>::new(1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the specification of `Misfit` is wrong: its action type does not fit its action space Box[3]"
    );
    let spaces = [
        Space::discrete(0),
        Space::MultiDiscrete { sizes: vec![2, 0] },
        Space::MultiBinary { n: 0 },
        Space::symmetric(&[]),
        Space::symmetric(&[-1.0]),
        Space::symmetric(&[f32::NAN]),
        Space::Box { low: vec![0.0; 2], high: vec![1.0; 3], shape: vec![2] },
        Space::Box { low: vec![0.0; 6], high: vec![1.0; 6], shape: vec![2, 2] },
    ];
    for space in spaces {
        let spec = EnvSpec { action_space: space, ..Counter::default().spec() };
        assert!(matches!(spec.check(), Err(EnvError::Spec { .. })), "{spec:?}");
    }
}

#[test]
fn errors_of_blocks_name_environments_by_their_index_in_the_whole_batch() {
    let space = Space::discrete(5).to_string();
    let mut envs = counters(4);
    envs.reset(0).unwrap();
    let mut blocks = envs.blocks(2).unwrap();
    let error = blocks[1].step(Actions::Discrete(&[0, 9])).unwrap_err();
    assert_eq!(error, EnvError::InvalidAction { env: 3, index: 0, value: 9.0, space });
}
