//! A minibatch that is cut into micro-batches trains as if it were whole.

use burn_pg::{
    loss::normalize,
    optim::{OptimiserState, OptimiserStateError, flatten_parameters},
    source::Batch,
};

use crate::{
    policy_with_learner::PolicyWithLearner,
    precision::{Precision, assert_close, values},
    recorded_update::recorded_update,
};

/// A learner that has moved away from the policy of the batch, so that some ratios are clipped and others are not.
fn moved(recording: &str, precision: &Precision) -> (PolicyWithLearner, Batch) {
    let case = recorded_update(recording);
    let iteration = &case.iterations[0];
    let batch = iteration.batch(precision);
    let mut learner = case.hyper.learner(&iteration.weights_before, precision);
    for _ in 0..3 {
        let _ = learner.step(batch.clone(), 0.02);
    }
    (learner, batch)
}

fn rounding(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-12 } else { 1e-6 }
}

#[test]
fn micro_batches_add_up_to_the_minibatch() {
    for recording in ["discrete_small", "discrete_vclip_annealed"] {
        for precision in Precision::on_cpus() {
            let (mut learner, batch) = moved(recording, &precision);
            assert!(learner.normalize_advantages, "the test covers a statistic of the whole minibatch");
            let (gradient, metrics) = learner.by_autodiff(batch.clone());
            let gradient = values(gradient);
            assert!(gradient.iter().any(|element| element.abs() > 1e-2));
            // One sample less than the whole leaves one sample for the last part.
            for size in [1, 3, 31, batch.len() - 1, batch.len(), batch.len() + 1] {
                let what = format!("{recording} {precision:?} {size} of {}", batch.len());
                learner.micro_batch_size = Some(size);
                let (ours, our_metrics) = learner.by_autodiff(batch.clone());
                assert_close(&values(ours), &gradient, rounding(&precision), &what);
                assert_eq!(our_metrics.len(), metrics.len(), "{what}");
                for ((our_name, ours), (name, whole)) in our_metrics.into_iter().zip(&metrics) {
                    assert_eq!(our_name, *name, "{what}");
                    let whole = values(whole.clone());
                    assert!(*name != "clip_fraction" || (0.01..0.99).contains(&whole[0]), "{what}: {whole:?}");
                    assert_close(&values(ours), &whole, rounding(&precision), &format!("{what} {name}"));
                }
            }
        }
    }
}

#[test]
fn a_step_on_micro_batches_equals_one_on_the_minibatch() {
    for precision in Precision::on_cpus() {
        let step = |micro_batch_size: Option<usize>| {
            let (mut learner, batch) = moved("discrete_small", &precision);
            learner.micro_batch_size = micro_batch_size;
            learner.step(batch, 1e-3).into_iter().map(|(name, value)| (name, values(value)[0])).unzip()
        };
        let (names, whole): (Vec<_>, Vec<f64>) = step(None);
        assert_eq!(names.last(), Some(&"grad_norm"));
        let (same_names, parts): (Vec<_>, Vec<f64>) = step(Some(3));
        assert_eq!(same_names, names);
        assert_close(&parts, &whole, rounding(&precision), &format!("{precision:?} {names:?}"));
    }
}

#[test]
fn micro_batches_count_by_their_number_of_samples() {
    for precision in Precision::on_cpus() {
        let (mut learner, mut batch) = moved("discrete_small", &precision);
        let (whole, _) = learner.by_autodiff(batch.clone());
        batch.advantages = batch.advantages.map(normalize);
        learner.normalize_advantages = false;
        let samples: Vec<u32> = (0..).take(batch.len()).collect();
        let (one, others) = samples.split_at(1);
        let (some, rest) = others.split_at(others.len() / 4);
        let mut sum = vec![0.0; whole.dims()[0]];
        for part in [some, one, rest] {
            let share = part.len() as f64 / samples.len() as f64;
            let gradient = values(learner.gradient(batch.select(part)).0);
            sum.iter_mut().zip(gradient).for_each(|(sum, gradient)| *sum += share * gradient);
        }
        assert_close(&sum, &values(whole), rounding(&precision), &format!("{precision:?}"));
    }
}

#[test]
fn the_state_of_an_optimiser_of_other_networks_is_refused() {
    let precision = &Precision::all()[0];
    let (learner, _) = moved("discrete_small", precision);
    let three = precision.vector(&[1.0, 2.0, 3.0]).inner();
    let state = OptimiserState::new(1, [("first_moment", Some(&three)), ("second_moment", Some(&three))]);
    let [parameters] = flatten_parameters(&learner.policy).dims();
    let error = state.check_length(parameters).unwrap_err();
    assert!(matches!(error, OptimiserStateError::Length { length: 3, .. }), "{error}");
    assert_eq!(learner.optimiser.state().steps, 3, "as it was");
}
