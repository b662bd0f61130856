//! Whole updates compared with CleanRL's, from the rollout to the weights: advantages, every loss and norm, the weights and
//! Adam's moments, over two consecutive iterations.

use std::collections::BTreeMap;

use burn_pg::{
    advantage::{AdvantageEstimator, Gae, explained_variance},
    optim::OptimiserState,
    source::Batch,
};

use crate::{
    golden::Array,
    network::{Weights, flat, recorded},
    policy_with_learner::PolicyWithLearner,
    precision::{Precision, assert_close, assert_relative, values},
    recorded_update::{Hyper, Iteration, Moments, recorded_update},
    trajectory::rounded,
};

#[test]
fn whole_updates_match_cleanrl() {
    for name in [
        "discrete_small",
        "discrete_grad_clip_active",
        "discrete_vclip_annealed",
        "cleanrl_agent_64",
        "continuous_small",
        "continuous_2d_no_norm",
        "discrete_target_kl_stop",
    ] {
        let case = recorded_update(name);
        // A software driver of a GPU takes long for whole updates, whose losses and optimisers are tested on it elsewhere.
        let on_gpus = ["discrete_small", "continuous_small"].contains(&name);
        for precision in if on_gpus { Precision::all() } else { Precision::on_cpus() } {
            // The state after an iteration is the one before the next.
            let mut learner = case.hyper.learner(&case.iterations[0].weights_before, &precision);
            for (i, iteration) in case.iterations.iter().enumerate() {
                let what = format!("{name} iteration {i} {:?} {:?}", precision.backend, precision.dtype);
                check(&case.hyper, iteration, &mut learner, &precision, &what);
            }
        }
    }
}

fn check(hyper: &Hyper, iteration: &Iteration, learner: &mut PolicyWithLearner, precision: &Precision, what: &str) {
    let expected = &iteration.expected;
    check_weights(learner, &iteration.weights_before, precision, &format!("{what} before"));
    if let Some(before) = &iteration.adam_before {
        check_moments(learner, before, precision, &format!("{what} before"));
    }

    let gae = Gae { gamma: hyper.gamma, lambda: hyper.gae_lambda };
    // CleanRL's rollouts are recorded in double precision, and ours are in single precision.
    let (targets, batch) = if precision.is_double() {
        let targets = iteration.trajectory().estimate(&gae);
        let batch = iteration.batch_with(&targets, precision);
        (targets, batch)
    } else {
        let mut rollout = iteration.rollout();
        let targets = gae.estimate(&rollout.trajectory());
        rollout.set_targets(&targets);
        (targets, Batch::upload(&mut rollout, &precision.device))
    };
    let tolerance = tolerance(precision);
    assert_close(&targets.advantages, &expected.advantages.concat(), tolerance, &format!("{what} advantages"));
    assert_close(&targets.returns, &expected.returns.concat(), tolerance, &format!("{what} returns"));
    // This function takes single precision, whatever the networks use.
    let explained = explained_variance(&rounded(&iteration.rollout.values), &targets.returns);
    assert_close(&[explained.unwrap()], &[expected.explained_variance], 5e-6, &format!("{what} explained variance"));

    let (mut epochs, mut minibatches) = (0, 0);
    while epochs < hyper.update_epochs {
        let permutation = iteration.permutations.get(epochs);
        let shuffled = batch.select(permutation.unwrap_or_else(|| panic!("{what}: CleanRL stopped before")));
        let mut last_kl = 0.0;
        for minibatch in shuffled.minibatches(batch.len() / hyper.num_minibatches) {
            let metrics: BTreeMap<_, _> =
                learner.step(minibatch, hyper.lr).into_iter().map(|(name, value)| (name, values(value)[0])).collect();
            let names = ["loss", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm"];
            let mut theirs = expected.losses_loss_pg_v_entropy_kl[minibatches].to_vec();
            theirs.push(expected.clip_fractions[minibatches]);
            theirs.push(expected.grad_norms_before_clip[minibatches]);
            let ours = names.map(|name| metrics[name]);
            assert_close(&ours, &theirs, tolerance, &format!("{what} minibatch {minibatches} {names:?}"));
            last_kl = metrics["approx_kl"];
            minibatches += 1;
        }
        epochs += 1;
        // CleanRL and we stop if the last minibatch of a pass exceeds the target.
        if hyper.target_kl.is_some_and(|target| last_kl > target) {
            break;
        }
    }
    assert_eq!(epochs, expected.epochs_run, "{what}");
    assert_eq!(minibatches, expected.grad_norms_before_clip.len(), "{what}");

    check_weights(learner, &expected.weights_after, precision, &format!("{what} after"));
    if let Some(after) = &expected.adam_after {
        check_moments(learner, after, precision, &format!("{what} after"));
    }
}

fn check_weights(learner: &PolicyWithLearner, expected: &Weights, precision: &Precision, what: &str) {
    for (name, weights) in recorded(&learner.policy, None) {
        let theirs = expected[&name].transposed().flat();
        assert_close(&weights, &theirs, tolerance(precision), &format!("{what} {name}"));
    }
}

fn check_moments(learner: &PolicyWithLearner, expected: &BTreeMap<String, Moments>, precision: &Precision, what: &str) {
    let flat = |moment: fn(&Moments) -> &Array| {
        let arrays = expected.iter().map(|(name, moments)| (name.clone(), moment(moments).clone())).collect();
        flat(&learner.policy, &arrays)
    };
    let OptimiserState { steps, tensors } = learner.optimiser.state();
    assert_eq!(steps, expected.values().next().unwrap().step, "{what}");
    // Second moments are far below 1, so the bound is relative.
    let check = |name: &str, theirs: Vec<f64>, tolerance: f64| {
        assert_relative(&values(tensors[name].clone()), &theirs, tolerance, &format!("{what} {name}"));
    };
    check("first_moment", flat(|moments| &moments.exp_avg), tolerance(precision));
    // Those of biases are squares of small differences of sums with another order of summation: the largest difference seen
    // in single precision was 1.3e-5 of the largest value.
    let tolerance = tolerance(precision) * if precision.is_double() { 1.0 } else { 4.0 };
    check("second_moment", flat(|moments| &moments.exp_avg_sq), tolerance);
}

fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-10 } else { 5e-6 }
}
