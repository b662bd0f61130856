//! RLOO and GRPO, compared with TRL and verl, and on episodes of environments.

use burn_pg::advantage::{
    AdvantageEstimator, GroupSize, GroupSizeError, Grpo, GrpoScale, Rloo, grpo, rloo, rloo_normalized,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    precision::{assert_relative, assert_trained_on},
    trajectory::Owned,
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    prompts: usize,
    group_size: usize,
    rewards: Vec<Number>,
    expected: Expected,
    #[serde(rename = "verl_eps_1e-6")]
    verl: Option<Verl>,
}

#[derive(Deserialize)]
struct Expected {
    rloo: Vec<f64>,
    rloo_normalized: Option<Vec<f64>>,
    grpo_std_group: Vec<f64>,
    grpo_std_batch: Option<Vec<f64>>,
    grpo_no_std_dr: Option<Vec<f64>>,
}

#[derive(Deserialize)]
struct Verl {
    grpo_std_group: Vec<f64>,
    rloo: Vec<f64>,
}

impl Case {
    fn scores(&self) -> Vec<f64> {
        self.rewards.iter().map(|number| number.0).collect()
    }

    /// In one case all values are about 1e-6.
    fn check(&self, what: &str, ours: &[f64], expected: &[f64]) {
        assert_relative(ours, expected, 1e-9, &format!("{} {what}", self.name));
        assert_trained_on(ours, expected, &format!("{} {what}", self.name));
    }
}

fn cases() -> Vec<Case> {
    let file: File = golden("adv/group_baselines.json");
    assert!(!file.cases.is_empty());
    file.cases
}

#[test]
fn advantages_match_trl_and_verl() {
    for case in cases() {
        let (scores, size, expected) = (case.scores(), case.group_size, &case.expected);
        assert_eq!(scores.len(), case.prompts * size, "{}", case.name);
        case.check("rloo", &rloo(&scores, size), &expected.rloo);
        case.check("group", &grpo(&scores, size, GrpoScale::Group), &expected.grpo_std_group);
        // Groups of one are recorded separately. Every advantage is 0, and we refuse this size (see below).
        let zeros = vec![0.0; scores.len()];
        let or_zeros = |recorded: &Option<Vec<f64>>| {
            assert!(recorded.is_some() || size == 1, "{}", case.name);
            recorded.clone().unwrap_or_else(|| zeros.clone())
        };
        case.check("normalized", &rloo_normalized(&scores, size), &or_zeros(&expected.rloo_normalized));
        case.check("batch", &grpo(&scores, size, GrpoScale::Batch), &or_zeros(&expected.grpo_std_batch));
        case.check("unscaled", &grpo(&scores, size, GrpoScale::Unscaled), &or_zeros(&expected.grpo_no_std_dr));
    }
}

#[test]
fn verl_differs_in_its_epsilon_only() {
    let mut compared = 0;
    for case in cases() {
        let (scores, size) = (case.scores(), case.group_size);
        let Some(verl) = &case.verl else { continue };
        case.check("verl rloo", &rloo(&scores, size), &verl.rloo);
        // verl adds 1e-6 to the standard deviation and we add 1e-4; it follows from our two scales.
        let scaled = grpo(&scores, size, GrpoScale::Group);
        let unscaled = grpo(&scores, size, GrpoScale::Unscaled);
        let with_verls = |(scaled, distance): (&f64, &f64)| match distance {
            0.0 => 0.0,
            _ => distance / (distance / scaled - 1e-4 + 1e-6),
        };
        let ours: Vec<f64> = scaled.iter().zip(&unscaled).map(with_verls).collect();
        case.check("verl grpo", &ours, &verl.grpo_std_group);
        compared += 1;
    }
    assert!(compared > 0);
}

#[test]
fn invalid_group_sizes_are_refused() {
    assert_eq!(GroupSize::new(4, 8).unwrap().get(), 4);
    for group_size in [0, 1] {
        assert_eq!(GroupSize::new(group_size, 8), Err(GroupSizeError::TooSmall { group_size }));
    }
    let error = GroupSize::new(3, 8).unwrap_err();
    assert_eq!(error, GroupSizeError::Indivisible { group_size: 3, num_envs: 8 });
    assert_eq!(error.to_string(), "8 environments do not fall into groups of 3");
}

#[test]
#[should_panic(expected = "5 scores do not fall into groups of 2")]
fn scores_that_do_not_divide_into_groups_panic() {
    let _ = rloo(&[0.0; 5], 2);
}

#[test]
fn every_step_of_the_first_episode_has_the_advantage_of_its_score() {
    // Two groups of two environments, one column each. The first episode terminates after two steps; the second is truncated
    // after one, and its next value must not matter; the third and fourth continue after the trajectory.
    let (yes, no) = (true, false);
    #[rustfmt::skip]
    let trajectory = Owned {
        terminated: vec![no, no, no, no,  yes, no, no, no,  no, no, no, no],
        truncated: vec![no, yes, no, no,  no, no, no, no,  no, no, no, no],
        next_values: vec![f32::NAN; 12],
        values: vec![f32::NAN; 12],
        ..Owned::new(4, &[1.0, 5.0, 2.0, 0.0,  2.0, 9.0, 2.0, 1.0,  9.0, 9.0, 2.0, 2.0])
    };
    // The scores are 3 and 5, 6 and 3.
    let group_size = GroupSize::new(2, 4).unwrap();
    let targets = Rloo { group_size, normalize: false }.estimate(&trajectory.view());
    #[rustfmt::skip]
    assert_eq!(targets.advantages, [-2.0, 2.0, 3.0, -3.0,  -2.0, 0.0, 3.0, -3.0,  0.0, 0.0, 3.0, -3.0]);
    #[rustfmt::skip]
    assert_eq!(targets.returns, [3.0, 5.0, 6.0, 3.0,  2.0, 18.0, 4.0, 3.0,  9.0, 9.0, 2.0, 2.0]);

    let scores = [3.0, 5.0, 6.0, 3.0];
    let targets = Rloo { group_size, normalize: true }.estimate(&trajectory.view());
    assert_eq!(targets.advantages[..4], rloo_normalized(&scores, 2));
    for scale in [GrpoScale::Group, GrpoScale::Batch, GrpoScale::Unscaled] {
        let targets = Grpo { group_size, scale }.estimate(&trajectory.view());
        assert_eq!(targets.advantages[..4], grpo(&scores, 2, scale));
    }
}

proptest! {
    #[test]
    fn advantages_of_a_group_add_up_to_zero(scores in proptest::collection::vec(-100.0..100.0_f64, 12)) {
        let advantages = [
            rloo(&scores, 4),
            grpo(&scores, 4, GrpoScale::Group),
            grpo(&scores, 4, GrpoScale::Batch),
            grpo(&scores, 4, GrpoScale::Unscaled),
        ];
        for group in advantages.iter().flat_map(|advantages| advantages.chunks_exact(4)) {
            prop_assert!(group.iter().sum::<f64>().abs() < 1e-9);
        }
    }

    #[test]
    fn a_nan_score_is_left_out_of_its_group(
        scores in proptest::collection::vec(-100.0..100.0_f64, 3),
        place in 0..=3_usize,
    ) {
        let mut with_gap = scores.clone();
        with_gap.insert(place, f64::NAN);
        let pairs = [
            (rloo(&with_gap, 4), rloo(&scores, 3)),
            (rloo_normalized(&with_gap, 4), rloo_normalized(&scores, 3)),
            (grpo(&with_gap, 4, GrpoScale::Group), grpo(&scores, 3, GrpoScale::Group)),
            (grpo(&with_gap, 4, GrpoScale::Batch), grpo(&scores, 3, GrpoScale::Batch)),
        ];
        for (mut with_gap, without) in pairs {
            prop_assert_eq!(with_gap.remove(place), 0.0);
            prop_assert_eq!(with_gap, without);
        }
    }
}
