//! Learning rates that are adapted to the KL divergence.

use std::ops::ControlFlow;

use burn_pg::{
    Config, Trainer, UpdateStats,
    config::ConfigError,
    optim::{KlAdaptiveRate, LearningRate},
};

use crate::{
    precision::open_devices,
    settings::{settings, valid},
};

const RATE: KlAdaptiveRate = KlAdaptiveRate { start: 1e-3, desired_kl: 0.01, min: 1e-5, max: 1e-2 };

/// By hand: rsl_rl's rule, `lr / 1.5` above twice the target and `lr * 1.5` below half of it, within bounds.
#[test]
fn the_rate_changes_by_a_half_outside_twice_and_half_the_target() {
    for (kl, expected) in [
        (0.0, 1.5e-3),
        (0.004_99, 1.5e-3),
        (0.005, 1e-3),
        (0.02, 1e-3),
        (0.020_01, 1e-3 / 1.5),
        (f64::INFINITY, 1e-3 / 1.5),
        (f64::NAN, 1e-3),
    ] {
        assert_eq!(RATE.after(1e-3, kl), expected, "{kl}");
    }
    assert_eq!([RATE.after(9e-3, 0.0), RATE.after(1e-2, 0.0)], [1e-2; 2]);
    assert_eq!([RATE.after(1.2e-5, 1.0), RATE.after(1e-5, 1.0)], [1e-5; 2]);
}

/// Returns the statistics of a short run, with one pass over each rollout unless `settings` say otherwise.
fn history(settings: &str, device: &burn_pg::burn::tensor::Device) -> Vec<UpdateStats> {
    let of_run = "total_steps = 4096\nnum_envs = 4\nnum_steps = 32\nhidden_sizes = [8]\nnum_minibatches = 4";
    let rate = "learning_rate.kind = 'kl'\nlearning_rate.start = 1e-3";
    let mut history = Vec::new();
    let mut trainer = Trainer::of(&valid(&format!("{of_run}\n{rate}\n{settings}")), device).unwrap();
    trainer
        .run(&mut |stats: &UpdateStats| {
            history.push(stats.clone());
            ControlFlow::Continue(())
        })
        .unwrap();
    history
}

#[test]
fn the_rate_of_an_update_follows_from_the_kl_divergence_of_the_update_before() {
    let rule = KlAdaptiveRate { desired_kl: 2e-5, max: 0.1, ..RATE };
    for open in open_devices() {
        // Fused minibatches, and those through tensors.
        for network in ["", "recurrence = { cell = 'gru', size = 4, sequence_steps = 8 }"] {
            let settings =
                &format!("num_epochs = 1\nlearning_rate.desired_kl = 2e-5\nlearning_rate.max = 0.1\n{network}");
            let history = history(settings, &open.device);
            let mut rates = vec![rule.start];
            for stats in &history {
                let rate = *rates.last().unwrap();
                assert_eq!(stats.learning_rate, rate, "{settings}, update {}", stats.update);
                rates.push(rule.after(rate, stats.losses["approx_kl"]));
            }
            let [rose, fell] =
                [0.0, f64::INFINITY].map(|kl| rates.windows(2).any(|pair| pair[1] == rule.after(pair[0], kl)));
            assert!(rose && fell, "{settings}: {rates:?}");
        }
    }
}

#[test]
fn the_rate_is_adapted_after_each_pass() {
    // The KL divergence is far below the target, so the rate rises until it reaches its bound.
    for open in open_devices() {
        let history = history("num_epochs = 3\nlearning_rate.desired_kl = 1e9\nlearning_rate.max = 1.0", &open.device);
        let expected: Vec<f64> = (1..=3).map(|update| 1e-3 * 1.5_f64.powi(3 * update - 1)).collect();
        for (stats, expected) in history.iter().zip(expected) {
            assert!((stats.learning_rate / expected - 1.0).abs() < 1e-12, "{} {expected}", stats.learning_rate);
        }
    }
}

#[test]
fn a_rate_of_the_kl_divergence_is_read_and_written_and_refused_by_name() {
    let with = |rate: &str| settings(&format!("learning_rate = {{ kind = 'kl', {rate} }}")).and_then(Config::validate);
    let config = with("start = 1e-3, desired_kl = 0.01").unwrap();
    assert_eq!(config.optimiser.learning_rate, LearningRate::Kl(RATE));
    assert_eq!(*valid(&config.to_toml()), *config);
    for (rate, message) in [
        ("start = 1e-3, desired_kl = 0", "`optimiser.learning_rate.desired_kl` is 0; it must be more than 0"),
        ("start = 1e-3, desired_kl = 1, min = 0", "`optimiser.learning_rate.min` is 0; it must be more than 0"),
        ("start = 1e-3, desired_kl = 1, max = inf", "`optimiser.learning_rate.max` is inf; it must be at least `min`"),
        ("start = 1, desired_kl = 1", "`optimiser.learning_rate.start` is 1; it must be between `min` and `max`"),
        ("start = 1e-3", "`optimiser.learning_rate.desired_kl` is missing; it must be a number"),
        ("start = 1e-3, desired_kl = 1, target = 2", "there is no setting `optimiser.learning_rate.target`"),
    ] {
        let error = with(rate).unwrap_err().to_string();
        assert!(error.starts_with(message), "{error}");
    }
}

#[test]
fn only_ppo_with_several_steps_and_a_measured_kl_divergence_adapts_its_rate() {
    let rate = "learning_rate = { kind = 'kl', start = 1e-3, desired_kl = 0.01 }";
    let terms =
        "[[loss]]\nweight = 1\nterm = { kind = 'value' }\n[[loss]]\nweight = 1\nterm = { kind = 'policy_gradient' }";
    for (other, reason) in [
        ("algorithm.kind = 'a2c'", "only `ppo` adapts it to the KL divergence"),
        ("algorithm.kind = 'trpo'", "only `ppo` adapts it to the KL divergence"),
        ("algorithm.kind = 'reinforce'", "only `ppo` adapts it to the KL divergence"),
        ("num_epochs = 1\nnum_minibatches = 1", "with a single step per rollout"),
        (terms, "`algorithm.loss` has no term that reports `approx_kl`"),
    ] {
        let error: ConfigError = settings(&format!("{rate}\n{other}")).unwrap().validate().unwrap_err();
        let error = error.to_string();
        let start =
            "`optimiser.learning_rate` is adapted to a KL divergence of 0.01; it must be a number or a schedule: ";
        assert!(error.starts_with(start) && error.contains(reason), "{error}");
    }
}
