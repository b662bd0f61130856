//! Transformed actions, time limits of single environments, and episode statistics.

use burn_pg_envs::{
    Actions, EnvError, Space, VecEnv, VectorEnv,
    classic::{CartPole, Pendulum},
    make,
    wrapper::{ActionTransform, EpisodeStats, RecordEpisodes, TimeLimit, TransformActions},
};

fn reloaded<V: VectorEnv>(from: &impl VectorEnv, mut into: V) -> V {
    let json = serde_json::to_string(&from.save().unwrap()).unwrap();
    into.load(&serde_json::from_str(&json).unwrap()).unwrap();
    into
}

#[test]
fn actions_are_rescaled_to_the_bounds_of_the_environment() {
    let mut bare = make("Pendulum-v1", 3).unwrap();
    let transform = ActionTransform::rescale(&bare.spec().action_space).unwrap();
    let mut envs = TransformActions::new(make("Pendulum-v1", 3).unwrap(), transform).unwrap();
    assert_eq!(envs.spec().action_space, Space::symmetric(&[1.0]));
    for _ in 0..3 {
        bare.step(Actions::Continuous(&[-2.0, 0.5, 2.0])).unwrap();
        envs.step(Actions::Continuous(&[-1.0, 0.25, 1.0])).unwrap();
    }
    assert_eq!(envs.batch(), bare.batch());

    let other = ActionTransform::Rescale { low: vec![-9.0], high: vec![9.0] };
    let mut other = reloaded(&envs, TransformActions::new(make("Pendulum-v1", 3).unwrap(), other).unwrap());
    assert_eq!(other.transform(), envs.transform());
    let actions = Actions::Continuous(&[0.1, 0.2, 0.3]);
    assert_eq!(other.step(actions).unwrap(), envs.step(actions).unwrap());
}

#[test]
fn a_range_is_mapped_end_to_end() {
    let space = Space::Box { low: vec![0.0, -3.0], high: vec![10.0, -1.0], shape: vec![2] };
    let mut actions = [-1.0, -1.0, 0.0, 0.5, 1.0, 1.0];
    ActionTransform::rescale(&space).unwrap().apply(&mut actions);
    assert_eq!(actions, [0.0, -3.0, 5.0, -1.5, 10.0, -1.0]);
    let mut actions = [-1.0, -1.0, 0.5, 0.5, 11.0, -9.0];
    ActionTransform::clip(&space).unwrap().apply(&mut actions);
    assert_eq!(actions, [0.0, -1.0, 0.5, -1.0, 10.0, -3.0]);
}

#[test]
fn actions_are_clipped_before_their_cost_is_computed() {
    let make = || make("MountainCarContinuous-v0", 2).unwrap();
    let transform = ActionTransform::clip(&make().spec().action_space).unwrap();
    let mut envs = TransformActions::new(make(), transform).unwrap();
    let Space::Box { high, .. } = &envs.spec().action_space else { panic!() };
    assert_eq!(high, &[f32::INFINITY]);
    let rewards = &envs.step(Actions::Continuous(&[3.0, -0.5])).unwrap().rewards;
    assert_eq!(rewards, &[-0.1, -0.025]);
    let error = envs.step(Actions::Continuous(&[0.0, f32::NAN])).unwrap_err();
    assert!(matches!(error, EnvError::InvalidAction { env: 1, .. }), "{error}");
}

#[test]
fn a_transform_that_does_not_fit_the_actions_is_refused() {
    let unbounded = Space::symmetric(&[f32::INFINITY]);
    let error = ActionTransform::rescale(&unbounded).unwrap_err();
    assert_eq!(error.to_string(), "rescaled actions need a box with finite bounds, but the action space is Box[1]");
    assert!(matches!(ActionTransform::clip(&Space::discrete(2)), Err(EnvError::Unsuited { .. })));
    for transform in [
        ActionTransform::Clip { low: vec![-1.0; 2], high: vec![1.0; 2] },
        ActionTransform::Clip { low: vec![1.0], high: vec![-1.0] },
        ActionTransform::Clip { low: vec![f32::NAN], high: vec![1.0] },
    ] {
        let refused = TransformActions::new(make("Pendulum-v1", 1).unwrap(), transform);
        assert!(matches!(refused, Err(EnvError::Unsuited { .. })));
    }
}

#[test]
fn each_environment_has_its_own_time_limit() {
    let limited =
        || VecEnv::from_envs(vec![TimeLimit::new(Pendulum::default(), 2), TimeLimit::new(Pendulum::default(), 3)]);
    let actions = Actions::Continuous(&[0.0; 2]);
    let mut envs = limited().unwrap();
    assert_eq!(envs.step(actions).unwrap().truncated, [false, false]);
    let mut other = reloaded(&envs, limited().unwrap());
    for truncated in [[true, false], [false, true], [true, false]] {
        assert_eq!(envs.step(actions).unwrap().truncated, truncated);
        assert_eq!(other.step(actions).unwrap(), envs.batch());
    }
    assert!(envs.batch().terminated.iter().all(|&terminated| !terminated));
}

#[test]
fn episodes_are_counted_over_resets_and_reloads() {
    let recorded = || RecordEpisodes::new(VecEnv::<CartPole>::new(2).unwrap());
    let mut envs = recorded();
    envs.set_time_limit(Some(5)).unwrap();
    for _ in 0..12 {
        envs.step(Actions::Discrete(&[0, 1])).unwrap();
    }
    assert_eq!((envs.episodes().count(), envs.episodes().return_mean()), (4, Some(5.0)));
    envs.reset(1).unwrap();
    assert_eq!(envs.episodes().count(), 4);
    let mut other = reloaded(&envs, recorded());
    assert_eq!(other.episodes(), envs.episodes());
    for _ in 0..5 {
        other.step(Actions::Discrete(&[0, 1])).unwrap();
    }
    assert_eq!(other.episodes().count(), 6);
    assert_ne!(other.episodes(), &EpisodeStats::default());
}

#[test]
fn nested_wrappers_are_saved_together() {
    let nested = || {
        let inner = RecordEpisodes::new(make("Pendulum-v1", 2).unwrap());
        let transform = ActionTransform::rescale(&inner.spec().action_space).unwrap();
        TransformActions::new(inner, transform).unwrap()
    };
    let mut envs = nested();
    envs.set_time_limit(Some(2)).unwrap();
    let actions = Actions::Continuous(&[0.3, -0.3]);
    envs.step(actions).unwrap();
    let mut other = reloaded(&envs, nested());
    assert_eq!(other.spec(), envs.spec());
    assert_eq!(other.step(actions).unwrap(), envs.step(actions).unwrap());
    // The state of other wrappers is refused and changes nothing.
    let mut bare = RecordEpisodes::new(make("Pendulum-v1", 2).unwrap());
    let before = bare.save().unwrap();
    assert!(matches!(bare.load(&envs.save().unwrap()), Err(EnvError::State { .. })));
    assert_eq!(bare.save().unwrap(), before);
}
