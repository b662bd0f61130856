//! What every registered environment must hold to.

use burn_pg_envs::{Actions, EnvRng, Space, VectorEnv, make, specs};

/// Random actions for a batch, kept in the form of its space.
enum Drawn {
    Discrete(Vec<u32>),
    Continuous(Vec<f32>),
}

impl Drawn {
    #[allow(clippy::cast_possible_truncation)]
    fn new(space: &Space, envs: usize, rng: &mut EnvRng) -> Self {
        match space {
            Space::Discrete { n, .. } => Self::Discrete((0..envs).map(|_| rng.below(*n)).collect()),
            Space::Box { low, high, .. } => {
                let draw = |(low, high): (&f32, &f32)| rng.uniform(f64::from(*low), f64::from(*high)) as f32;
                Self::Continuous(low.iter().zip(high).cycle().take(low.len() * envs).map(draw).collect())
            }
            other => panic!("no registered environment has {other}"),
        }
    }

    fn actions(&self) -> Actions<'_> {
        match self {
            Self::Discrete(actions) => Actions::Discrete(actions),
            Self::Continuous(actions) => Actions::Continuous(actions),
        }
    }
}

/// Runs `check` after each of `steps` random steps.
fn play(envs: &mut dyn VectorEnv, steps: usize, rng: &mut EnvRng, mut check: impl FnMut(&dyn VectorEnv)) {
    let space = envs.spec().action_space.clone();
    for _ in 0..steps {
        let drawn = Drawn::new(&space, envs.num_envs(), rng);
        envs.step(drawn.actions()).unwrap();
        check(envs);
    }
}

#[test]
fn observations_lie_in_their_space_and_episodes_end_in_time() {
    for spec in specs() {
        let Space::Box { low, high, .. } = &spec.observation_space else { panic!("{}", spec.id) };
        let limit = spec.max_episode_steps.unwrap();
        let mut envs = make(&spec.id, 5).unwrap();
        envs.reset(3);
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
        envs.reset(seed);
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
        envs.reset(8);
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
        let first = one.reset(4).observations.clone();
        assert_eq!(many.reset(4).observations[..first.len()], first, "{}", spec.id);
    }
}
