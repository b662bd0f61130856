//! Schedules, estimators and references of a configuration take effect in training.

use std::ops::ControlFlow;

use burn_pg::{
    Trainer, UpdateStats,
    loss::{LossTerm, Objective, PolicyGradient, PpoClip, Value, ValueClip},
    optim::Schedule,
    policy::ActorCritic,
};

use crate::helpers::{flex, ignore, without_time};
use crate::settings::valid;
use crate::{
    precision::{Precision, assert_close, values},
    samples::{Derivatives, Samples, mean},
};

#[test]
fn weights_and_ranges_follow_their_schedules() {
    let linear = |start: f64, end: f64| Schedule::Linear { start, end };
    let mut samples = Samples::with_log_ratios(&[0.3, -0.4, 0.15, -0.05], &[1.0, -2.0, 0.5, 1.5]);
    samples.values = vec![0.0, 1.0, 2.0, 3.0];
    samples.returns = vec![1.0, 2.5, 1.0, 0.0];
    for precision in Precision::all() {
        for (progress, clip_range) in [(0.0, 0.4), (0.25, 0.3125), (1.0, 0.05)] {
            let at = |progress| samples.context(&precision).with_progress(progress);
            let loss = |term: &dyn LossTerm, progress| mean(term.compute(&at(progress)).loss);
            let falling = PpoClip::new(linear(0.4, 0.05));
            assert_eq!(loss(&falling, progress), loss(&PpoClip::new(clip_range), 0.0));
            let falling = Value { clip: ValueClip::Hard { range: linear(0.4, 0.05) } };
            let constant = Value { clip: ValueClip::Hard { range: clip_range.into() } };
            assert_eq!(loss(&falling, progress), loss(&constant, 0.0));

            let objective = |weight: Schedule| Objective::new().with(weight, PolicyGradient);
            let weighed = values(objective(linear(2.0, 1.0)).compute(&at(progress)).loss);
            assert_eq!(weighed, values(objective((2.0 - progress).into()).compute(&at(0.0)).loss));
        }
    }
}

#[test]
fn a_clip_range_of_zero_stops_samples_that_would_move_away_and_gives_no_nan() {
    // Two ratios that the advantage moves away from 1, one that is 1, and one that it moves back.
    let mut samples = Samples::with_log_ratios(&[0.3, -0.4, 0.0, -0.05], &[1.0, -2.0, 0.5, 1.5]);
    // The old values are 0.
    samples.values = vec![-1.0, 1.0, 2.0, 3.0];
    samples.returns = vec![1.0, 2.5, 0.5, 0.0];
    let closing = Schedule::Linear { start: 0.2, end: 0.0 };
    assert_eq!(closing.at(1.0), 0.0);
    for precision in Precision::all() {
        let check = |term: &dyn LossTerm, of: fn(Derivatives) -> Vec<f64>, loss: f64, derivatives: [f64; 4]| {
            let what = format!("{precision:?} {}", term.name());
            assert_close(&[samples.loss(term, &precision)], &[loss / 4.0], 1e-6, &what);
            let derivatives = derivatives.map(|derivative| derivative / 4.0);
            assert_close(&of(samples.derivatives(term, &precision)), &derivatives, 1e-6, &what);
        };
        let back = -1.5 * (-0.05_f64).exp();
        let ppo = PpoClip::new(0.0);
        check(&ppo, |derivatives| derivatives.log_probs, -1.0 + 2.0 - 0.5 + back, [0.0, 0.0, -0.5, back]);
        let hard = Value { clip: ValueClip::Hard { range: 0.0.into() } };
        check(&hard, |derivatives| derivatives.values, 0.5 * (1.0 + 6.25 + 0.25), [0.0; 4]);
        let pessimistic = Value { clip: ValueClip::Pessimistic { range: 0.0.into() } };
        check(&pessimistic, |derivatives| derivatives.values, 0.5 * (4.0 + 6.25 + 2.25 + 9.0), [-2.0, 0.0, 1.5, 3.0]);
    }

    let mut trainer = short_run("learning_rate = 0.01\nclip_range = { kind = 'linear', start = 0.2 }");
    trainer.run(&mut ignore).unwrap();
    // One update after the end, where the clip range is 0: all values must be finite.
    trainer.update().unwrap();
}

fn short_run(text: &str) -> Trainer<ActorCritic> {
    let table = format!("total_steps = 2048\nnum_envs = 4\nnum_steps = 64\nhidden_sizes = [16]\n{text}");
    let config = valid(&table);
    let device = flex();
    Trainer::of(&config, &device).unwrap()
}

/// Returns the statistics of each update of a short run, without times.
fn history(text: &str) -> Vec<UpdateStats> {
    let mut history = Vec::new();
    let mut trainer = short_run(text);
    trainer
        .run(&mut |stats: &UpdateStats| {
            history.push(without_time(stats));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(history.len(), 8);
    history
}

#[test]
fn schedules_advance_with_the_run() {
    let rates = |history: Vec<UpdateStats>| -> Vec<f64> { history.iter().map(|stats| stats.learning_rate).collect() };
    let expected: Vec<f64> = (0..8).map(|update| 0.01 * (1.0 - f64::from(update) / 8.0)).collect();
    assert_eq!(rates(history("learning_rate = { kind = 'linear', start = 0.01 }")), expected);
    assert_eq!(rates(history("learning_rate = 0.01")), [0.01; 8]);

    // A falling clip range equals its start in the first update, and is smaller in the last.
    let constant = history("learning_rate = 0.01\nclip_range = 0.3");
    let falling = history("learning_rate = 0.01\nclip_range = { kind = 'cosine', start = 0.3, end = 0.01 }");
    assert_eq!(constant[0], falling[0]);
    assert!(falling[7].losses["clip_fraction"] > 2.0 * constant[7].losses["clip_fraction"]);
    let constant = history("entropy_weight = 0.1");
    let falling = history("entropy_weight = { kind = 'linear', start = 0.1 }");
    assert_eq!(constant[0], falling[0]);
    assert_ne!(constant[1].losses["loss"], falling[1].losses["loss"]);
}

#[test]
fn a_configured_estimator_replaces_that_of_the_algorithm() {
    let usual = history("gae_lambda = 0.9");
    assert_eq!(history("estimator = { kind = 'gae', lambda = 0.9 }"), usual);
    for other in [
        "estimator = { kind = 'n_step', n = 5 }",
        "estimator = { kind = 'reward_to_go', baseline = true, bootstrap = 'next_values' }",
    ] {
        assert_ne!(history(other)[0].losses["value_loss"], usual[0].losses["value_loss"], "{other}");
    }
}

#[test]
fn kl_to_reference_keeps_the_policy_near_its_start() {
    let distance = |weight: &str| {
        let terms = format!(
            "learning_rate = 0.01\n\
             [[loss]]\nweight = 1\nterm = {{ kind = 'ppo_clip', clip_range = 0.2 }}\n\
             [[loss]]\nweight = 0.5\nterm = {{ kind = 'value' }}\n\
             [[loss]]\nweight = {weight}\nterm = {{ kind = 'kl_to_reference', estimator = 'k2' }}"
        );
        history(&terms).last().unwrap().losses["reference_kl"]
    };
    let (free, held) = (distance("0"), distance("10"));
    assert!(free > 0.01 && held < 0.2 * free, "{held} of {free}");
}
