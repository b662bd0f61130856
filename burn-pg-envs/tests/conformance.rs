//! What every registered environment must hold to.

use burn_pg_envs::{ActionBuffer, Actions, Autoreset, EnvError, EnvRng, Space, VectorEnv, make, specs};

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
    for spec in specs() {
        let Space::Box { low, high, .. } = &spec.observation_space else { panic!("{}", spec.id) };
        let limit = spec.max_episode_steps.unwrap();
        let mut envs = make(&spec.id, 5).unwrap();
        envs.reset(3).unwrap();
        let mut ended = 0;
        play(&mut *envs, limit as usize + 10, &mut EnvRng::new(0), |envs| {
            let batch = envs.batch();
            let inside = |row: &[f32]| row.iter().zip(low).zip(high).all(|((o, low), high)| (low..=high).contains(&o));
            assert!(batch.observations.chunks_exact(low.len()).all(inside), "{}", spec.id);
            for env in batch.ended() {
                assert!(batch.episode_lengths[env] <= limit, "{}", spec.id);
                ended += 1;
            }
        });
        assert!(ended >= 5, "{}: each episode has ended at least once", spec.id);
    }
}

/// The whole history of a batch of `num_envs`, with `threads` threads.
fn history(id: &str, num_envs: usize, seed: u64, threads: usize) -> String {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut envs = make(id, num_envs).unwrap();
        envs.reset(seed).unwrap();
        let mut history = String::new();
        play(&mut *envs, 30, &mut EnvRng::new(1), |envs| history += &serde_json::to_string(envs.batch()).unwrap());
        history
    })
}

#[test]
fn a_seed_repeats_a_history_whatever_the_number_of_threads() {
    for spec in specs() {
        let once = history(&spec.id, 300, 5, 1);
        assert_eq!(once, history(&spec.id, 300, 5, 1), "{}", spec.id);
        assert_eq!(once, history(&spec.id, 300, 5, 4), "{}", spec.id);
        assert_ne!(once, history(&spec.id, 300, 6, 1), "{}", spec.id);
    }
}

#[test]
fn a_saved_state_goes_on_where_it_was_mid_episode() {
    for spec in specs() {
        let mut envs = make(&spec.id, 3).unwrap();
        envs.reset(8).unwrap();
        let mut rng = EnvRng::new(2);
        play(&mut *envs, 17, &mut rng, |_| {});
        let saved = serde_json::to_string(&envs.save().unwrap()).unwrap();

        let mut other = make(&spec.id, 3).unwrap();
        other.load(&serde_json::from_str(&saved).unwrap()).unwrap();
        assert_eq!(other.batch(), envs.batch(), "{}", spec.id);
        // Long enough for episodes to end, and streams to be drawn from.
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
fn the_first_environment_of_a_batch_does_not_know_how_many_there_are() {
    for spec in specs() {
        let mut one = make(&spec.id, 1).unwrap();
        let mut many = make(&spec.id, 200).unwrap();
        let first = one.reset(4).unwrap().observations.clone();
        assert_eq!(many.reset(4).unwrap().observations[..first.len()], first, "{}", spec.id);
    }
}

#[test]
fn an_ended_episode_is_followed_as_the_mode_says() {
    for spec in specs() {
        let limit = 7;
        for mode in [Autoreset::SameStep, Autoreset::NextStep, Autoreset::Disabled] {
            let mut envs = make(&spec.id, 2).unwrap();
            envs.set_autoreset(mode);
            envs.set_time_limit(Some(limit));
            // No task is solved by chance, or lost, within so few steps.
            play(&mut *envs, limit as usize, &mut EnvRng::new(3), |_| {});
            let batch = envs.batch();
            let ends_on_it = batch.observations == batch.final_observations;
            assert_eq!((batch.truncated[0], batch.terminated[0], batch.episode_lengths[0]), (true, false, limit));
            assert_eq!(ends_on_it, mode != Autoreset::SameStep, "{}", spec.id);
            let again = ActionBuffer::random(&spec.action_space, 2, &mut EnvRng::new(4));
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
    for spec in specs() {
        let mut envs = make(&spec.id, 2).unwrap();
        let before = envs.save().unwrap();
        let width = spec.action_space.flat_len();
        let (invalid, wrong_kind) = match spec.action_space {
            Space::Discrete { n, .. } => (ActionBuffer::Discrete(vec![0, n]), Actions::Continuous(&[0.0; 2])),
            Space::Box { .. } => {
                let mut numbers = vec![0.0; 2 * width];
                numbers[2 * width - 1] = f32::NAN;
                (ActionBuffer::Continuous(numbers), Actions::Discrete(&[0; 2]))
            }
            other => panic!("no registered environment has {other}"),
        };
        let error = envs.step(invalid.as_actions()).unwrap_err();
        assert!(matches!(error, EnvError::InvalidAction { env: 1, .. }), "{error}");
        let error = envs.step(invalid.last(width)).unwrap_err();
        assert!(matches!(error, EnvError::BatchSize { envs: 2, .. }), "{error}");
        let error = envs.step(wrong_kind).unwrap_err();
        assert!(matches!(error, EnvError::ActionKind { .. }), "{error}");
        assert_eq!(envs.save().unwrap(), before, "{}", spec.id);
    }
}
