//! Properties of every advantage estimator.

use std::num::NonZeroUsize;

use burn_pg::advantage::{
    AdvantageEstimator, Bootstrap, Gae, GroupSize, Grpo, GrpoScale, NStep, RewardToGo, Rloo, Targets, VTrace,
};
use proptest::prelude::*;

use crate::{
    precision::assert_close,
    trajectory::{Owned, permuted, trajectories, trajectories_of},
};

/// Estimators that bootstrap from the value of the next observation.
fn bootstrapping() -> Vec<Box<dyn AdvantageEstimator>> {
    let gamma = 0.9;
    vec![
        Box::new(Gae { gamma, lambda: 0.8 }),
        Box::new(RewardToGo { gamma, baseline: true, bootstrap: Bootstrap::NextValues }),
        Box::new(NStep { gamma, n: NonZeroUsize::new(3).unwrap() }),
        Box::new(VTrace { gamma, rho_clip: 2.0, c_clip: 0.9 }),
    ]
}

/// Estimators whose advantages in one environment do not depend on the others.
fn single() -> Vec<Box<dyn AdvantageEstimator>> {
    let mut estimators = bootstrapping();
    estimators.push(Box::new(RewardToGo { gamma: 0.9, baseline: false, bootstrap: Bootstrap::Zero }));
    estimators
}

fn grouped(group_size: GroupSize) -> Vec<Box<dyn AdvantageEstimator>> {
    let mut estimators: Vec<Box<dyn AdvantageEstimator>> = Vec::new();
    for normalize in [false, true] {
        estimators.push(Box::new(Rloo { group_size, normalize }));
    }
    for scale in [GrpoScale::Group, GrpoScale::Batch, GrpoScale::Unscaled] {
        estimators.push(Box::new(Grpo { group_size, scale }));
    }
    estimators
}

/// Asserts that permuted environments give permuted targets, except for rounding: sums over groups are in another order.
#[track_caller]
fn assert_permutes(estimator: &dyn AdvantageEstimator, trajectory: &Owned, order: &[usize]) {
    let Targets { advantages, returns } = estimator.estimate(&trajectory.view());
    let ours = estimator.estimate(&trajectory.permuted(order).view());
    assert_close(&ours.advantages, &permuted(&advantages, order), 1e-12, "advantages");
    assert_close(&ours.returns, &permuted(&returns, order), 1e-12, "returns");
}

fn all() -> Vec<Box<dyn AdvantageEstimator>> {
    single().into_iter().chain(grouped(GroupSize::new(2, 2).unwrap())).collect()
}

proptest! {
    #[test]
    fn values_after_a_terminal_step_are_never_read(trajectory in trajectories(6)) {
        let mut poisoned = trajectory.clone();
        for (next_value, &terminated) in poisoned.next_values.iter_mut().zip(&trajectory.terminated) {
            if terminated {
                *next_value = f32::NAN;
            }
        }
        for estimator in all() {
            let targets = estimator.estimate(&poisoned.view());
            prop_assert!(targets.advantages.iter().chain(&targets.returns).all(|number| number.is_finite()));
            prop_assert_eq!(targets, estimator.estimate(&trajectory.view()));
        }
    }

    #[test]
    fn later_episodes_do_not_change_the_advantages_of_the_first(trajectory in trajectories(6)) {
        let view = trajectory.view();
        let rows: Vec<usize> = view.episode_from(0).chain(view.episode_from(1)).collect();
        let mut other = trajectory.clone();
        for row in (0..trajectory.rewards.len()).filter(|row| !rows.contains(row)) {
            other.rewards[row] += 1.0;
            other.values[row] = f32::NAN;
            other.next_values[row] = f32::NAN;
            other.log_ratios[row] += 1.0;
        }
        for estimator in all() {
            let (before, after) = (estimator.estimate(&trajectory.view()), estimator.estimate(&other.view()));
            for &row in &rows {
                prop_assert_eq!(before.advantages[row], after.advantages[row]);
                prop_assert_eq!(before.returns[row], after.returns[row]);
            }
        }
    }

    #[test]
    fn permuting_environments_permutes_the_result(
        trajectory in trajectories_of(4, 5),
        order in Just([0, 1, 2, 3]).prop_shuffle(),
        [swap_groups, swap_first, swap_last] in any::<[bool; 3]>(),
    ) {
        for estimator in single() {
            assert_permutes(estimator.as_ref(), &trajectory, &order);
        }
        // Groups stay together, but the groups and the members of each change their order.
        let pair = |swap: bool, pair: [usize; 2]| if swap { [pair[1], pair[0]] } else { pair };
        let groups = [pair(swap_first, [0, 1]), pair(swap_last, [2, 3])];
        let order = if swap_groups { [groups[1], groups[0]] } else { groups }.concat();
        for estimator in grouped(GroupSize::new(2, 4).unwrap()) {
            assert_permutes(estimator.as_ref(), &trajectory, &order);
        }
    }
}

#[test]
fn only_terminal_steps_are_not_bootstrapped() {
    // A reward of 1, followed by a value of 10.
    let cases = [
        ((false, false), 10.0), // the trajectory ends
        ((false, true), 10.0),
        ((true, false), 1.0),
        ((true, true), 1.0),
    ];
    for ((terminated, truncated), expected) in cases {
        let trajectory = Owned {
            values: vec![0.5],
            next_values: vec![10.0],
            terminated: vec![terminated],
            truncated: vec![truncated],
            ..Owned::new(1, &[1.0])
        };
        for estimator in bootstrapping() {
            let targets = estimator.estimate(&trajectory.view());
            assert_eq!(targets, Targets { advantages: vec![expected - 0.5], returns: vec![expected] });
        }
    }
}

#[test]
fn a_trajectory_without_steps_has_no_targets() {
    for estimator in all() {
        assert_eq!(estimator.estimate(&Owned::new(2, &[]).view()), Targets::default());
    }
}
