//! Weights of samples: in losses, in metrics and in normalised advantages.

use burn_pg::{
    distribution::ActionTensor,
    envs::{EnvRng, EnvSpec, Space},
    loss::{Averaging, ContextPart, LossTerm, Metric, Objective, PpoClip, Value},
    optim::OptimiserSpec,
    policy::{ActorCritic, NetworkSpec, Observation},
    source::{self, Batch},
    update::Learner,
};

use crate::{
    precision::{Precision, assert_close, values},
    samples::Samples,
};

/// An objective of two terms, one of which has metrics.
fn objective() -> Objective {
    Objective::new().with(1.0, PpoClip::new(0.2)).with(0.5, Value::default())
}

fn named(metrics: &[Metric], name: &str) -> f64 {
    let (_, value) = metrics.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}"));
    values(value.clone())[0]
}

#[test]
fn metrics_are_weighted_means_for_any_sum_of_weights() {
    let samples = Samples::random(6, &mut EnvRng::new(3));
    let weights = [0.5, 2.0, 0.0, 1.0, 0.25, 3.0];
    for precision in &Precision::all() {
        let context = || samples.context(precision).with_tensor(ContextPart::Weights, precision.vector(&weights));
        let kl: Vec<f64> = values(PpoClip::new(0.2).compute(&context()).metrics[0].1.clone());
        let weighted: f64 = kl.iter().zip(weights).map(|(kl, weight)| kl * weight).sum();
        let expected = weighted / weights.iter().sum::<f64>();
        for mass in [6.0, 1.0, 1000.0] {
            let output = objective().compute(&context().with_mass(mass));
            assert_close(&[named(&output.metrics, "approx_kl")], &[expected], 1e-5, "approx_kl");
            // The losses add up to the loss.
            let [policy, value, loss] = ["policy_loss", "value_loss", "loss"].map(|name| named(&output.metrics, name));
            assert_close(&[policy + 0.5 * value], &[loss], 1e-5, "sum of losses");
            assert_close(&[values(output.loss)[0]], &[loss], 1e-6, "loss");
        }
    }
}

fn batch(advantages: &[f64], weights: Option<&[f64]>, valid: Option<Vec<bool>>, precision: &Precision) -> Batch {
    let rows = advantages.len();
    let observations = Observation::from(precision.tensor(vec![0.25; 2 * rows], [rows, 2]));
    let actions = ActionTensor::Discrete(precision.indices(&vec![1; rows]));
    Batch {
        advantages: Some(precision.vector(advantages)),
        weights: weights.map(|weights| precision.vector(weights)),
        valid,
        ..Batch::new(observations, actions, precision.vector(&vec![-0.7; rows]))
    }
}

fn normalised(batch: Batch) -> Vec<f64> {
    values(source::Samples::<ActorCritic>::with_normalized_advantages(batch).advantages.unwrap())
}

#[test]
fn advantages_of_masked_samples_do_not_count_in_the_normalisation() {
    for precision in &Precision::all() {
        let all = [1.0, -2.0, 100.0, 0.5, 3.0];
        let expected = normalised(batch(&[1.0, -2.0, 0.5, 3.0], None, None, precision));
        let masked = [1.0, 1.0, 0.0, 1.0, 1.0];
        let valid = masked.map(|weight| weight > 0.0).to_vec();
        for (weights, valid) in
            [(Some(&masked[..]), None), (None, Some(valid.clone())), (Some(&[1.0; 5][..]), Some(valid))]
        {
            let mut found = normalised(batch(&all, weights, valid, precision));
            found.remove(2);
            assert_close(&found, &expected, 1e-5, "advantages");
        }
        // A single advantage is not normalised.
        let single = normalised(batch(&[7.0, 2.0], Some(&[0.0, 0.3]), None, precision));
        assert_close(&single[1..], &[2.0], 1e-6, "single advantage");
    }
}

#[test]
fn weighted_advantages_have_a_weighted_mean_of_0_and_a_variance_of_1() {
    let (advantages, weights) = ([1.0, -2.0, 4.0, 0.5], [0.5, 2.0, 1.5, 0.25]);
    for precision in &Precision::all() {
        let found = normalised(batch(&advantages, Some(&weights), None, precision));
        let sum = |of: &dyn Fn(usize) -> f64| (0..4).map(of).sum::<f64>();
        let (total, squares) = (sum(&|i| weights[i]), sum(&|i| weights[i] * weights[i]));
        assert_close(&[sum(&|i| weights[i] * found[i])], &[0.0], 1e-5, "mean");
        let variance = sum(&|i| weights[i] * found[i] * found[i]) / (total - squares / total);
        assert_close(&[variance], &[1.0], 1e-5, "variance");
    }
}

#[test]
fn losses_are_averaged_over_rows_sequences_or_by_a_constant_in_minibatches_too() {
    let spec = EnvSpec::new("Weights-v0", Space::symmetric(&[1.0, 1.0]), Space::discrete(3));
    let (advantages, lengths, before) = ([1.0, -1.0, 2.0, 0.5, 3.0, -2.0], [1, 3, 2], [1.0, 0.5, 2.0, 1.0, 0.0, 1.0]);
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(1), &precision.device).unwrap();
        let loss = |batch: &Batch| {
            let context = source::Samples::<ActorCritic>::context(batch, &policy);
            values(Objective::new().with(1.0, PpoClip::new(0.2)).compute(&context).loss)[0]
        };
        // The loss of each row alone.
        let rows: Vec<f64> = advantages.iter().map(|&one| loss(&batch(&[one], None, None, precision))).collect();
        let third = 1.0 / 3.0;
        for (averaging, weights, mass) in [
            (Averaging::Token, [1.0; 6], 6.0),
            (Averaging::Sequence, [1.0, third, third, third, 0.5, 0.5], 3.0),
            (Averaging::Constant(4.0), [1.0; 6], 12.0),
        ] {
            for weighted in [None, Some(&before[..])] {
                let batch = batch(&advantages, weighted, None, precision).averaged(averaging, &lengths);
                let of = |row: usize| rows[row] * weights[row] * weighted.map_or(1.0, |before| before[row]);
                let expected = (0..6).map(of).sum::<f64>() / mass;
                assert_close(&[loss(&batch)], &[expected], 1e-5, "loss");
                assert_close(&[source::Samples::<ActorCritic>::mass(&batch)], &[mass], 1e-12, "mass");
                // The mean over minibatches of equal size.
                let parts: Vec<f64> =
                    source::Samples::<ActorCritic>::minibatches(&batch, 2).map(|part| loss(&part)).collect();
                assert_close(&[parts.iter().sum::<f64>() / 3.0], &[expected], 1e-5, "minibatches");
            }
        }
    }
}

#[test]
fn parts_of_a_minibatch_add_up_to_its_gradient_and_its_metrics() {
    let spec = EnvSpec::new("Weights-v0", Space::symmetric(&[1.0, 1.0]), Space::discrete(3));
    let weights = [1.0, 0.5, 0.0, 2.0, 1.0, 0.0, 0.25];
    let advantages = [1.0, -1.0, 2.0, 0.5, 0.0, -3.0, 1.5];
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(1), &precision.device).unwrap();
        for weights in [None, Some(&weights[..])] {
            let of = |micro_batch_size| {
                let objective = Objective::new().with(1.0, PpoClip::new(0.2));
                let learner = Learner { micro_batch_size, ..Learner::new(objective, OptimiserSpec::default().build()) };
                let batch = batch(&advantages, weights, None, precision);
                assert_eq!(source::Samples::<ActorCritic>::num_rows(&batch), 7);
                let (gradient, metrics) = learner.gradient(&policy, batch);
                (values(gradient), metrics)
            };
            let (whole, metrics) = of(None);
            for size in [1, 3, 5] {
                let (parts, of_parts) = of(Some(size));
                assert_close(&parts, &whole, 1e-5, "gradient");
                for (name, value) in &metrics {
                    assert_close(&[named(&of_parts, name)], &values(value.clone()), 1e-5, name);
                }
            }
        }
    }
}
