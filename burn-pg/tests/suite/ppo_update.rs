//! Whole updates against CleanRL's: advantages, every loss and norm, the weights and Adam's moments after each of two
//! consecutive iterations.

use std::collections::BTreeMap;

use burn_pg::{
    advantage::{AdvantageEstimator, Gae, Targets},
    explained_variance,
    optim::OptimiserState,
};

use crate::{
    golden::Array,
    network::{flat, recorded},
    precision::{Precision, assert_close, values},
    recorded_update::{Hyper, Iteration, Moments, Rollout, recorded_update},
    trajectory::{Owned, rounded},
};

#[test]
fn whole_updates_are_cleanrls() {
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
        for precision in Precision::all() {
            for (i, iteration) in case.iterations.iter().enumerate() {
                let what = format!("{name} iteration {i} {:?} {:?}", precision.backend, precision.dtype);
                check(&case.hyper, iteration, i, &precision, &what);
            }
        }
    }
}

fn check(hyper: &Hyper, iteration: &Iteration, i: usize, precision: &Precision, what: &str) {
    let Iteration { rollout, expected, .. } = iteration;
    // Advantages are computed from a rollout in single precision, whatever the networks use.
    let targets = estimate(hyper, rollout);
    assert_close(&targets.advantages, &expected.advantages.concat(), 5e-6, &format!("{what} advantages"));
    assert_close(&targets.returns, &expected.returns.concat(), 5e-6, &format!("{what} returns"));
    let explained = explained_variance(&rounded(&rollout.values), &expected.returns.concat());
    assert_close(&[explained.unwrap()], &[expected.explained_variance], 5e-6, &format!("{what} explained variance"));

    let batch = iteration.batch(precision);
    let mut learner = hyper.learner(&iteration.weights_before, precision);
    // Adam's moments of the second iteration are the recorded ones of the first.
    let policy = learner.policy.clone();
    let flat = |moments: &BTreeMap<String, Moments>, moment: fn(&Moments) -> &Array| {
        let arrays = moments.iter().map(|(name, moments)| (name.clone(), moment(moments).clone())).collect();
        flat(&policy, &arrays)
    };
    let steps = |moments: &BTreeMap<String, Moments>| moments.values().next().unwrap().step;
    if let Some(before) = &iteration.adam_before {
        let first = precision.vector(&flat(before, |m| &m.exp_avg)).inner();
        let second = precision.vector(&flat(before, |m| &m.exp_avg_sq)).inner();
        let tensors = [("first_moment", Some(&first)), ("second_moment", Some(&second))];
        learner.set_optimiser_state(OptimiserState::new(steps(before), tensors)).unwrap();
    }
    assert_eq!(iteration.adam_before.is_some(), i > 0, "{what}");

    let mut minibatches = 0;
    for (epoch, permutation) in iteration.permutations.iter().enumerate() {
        let mut last_kl = 0.0;
        let shuffled = batch.select(permutation);
        for minibatch in shuffled.minibatches(batch.len() / hyper.num_minibatches) {
            let metrics: BTreeMap<_, _> =
                learner.step(minibatch, hyper.lr).into_iter().map(|(name, value)| (name, values(value)[0])).collect();
            let names = ["loss", "policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm"];
            let mut theirs = expected.losses_loss_pg_v_entropy_kl[minibatches].to_vec();
            theirs.push(expected.clip_fractions[minibatches]);
            theirs.push(expected.grad_norms_before_clip[minibatches]);
            let ours = names.map(|name| metrics[name]);
            assert_close(&ours, &theirs, tolerance(precision), &format!("{what} minibatch {minibatches} {names:?}"));
            last_kl = metrics["approx_kl"];
            minibatches += 1;
        }
        // CleanRL goes on until the last minibatch of a pass is beyond the target; so do we.
        if let Some(target) = hyper.target_kl {
            assert_eq!(last_kl > target, epoch + 1 == iteration.permutations.len(), "{what} epoch {epoch}");
        }
    }
    assert_eq!(minibatches, expected.grad_norms_before_clip.len(), "{what}");

    for (name, weights) in recorded(&learner.policy, None) {
        let theirs = expected.weights_after[&name].transposed().flat();
        assert_close(&weights, &theirs, tolerance(precision), &format!("{what} {name}"));
    }
    if let Some(after) = &expected.adam_after {
        let OptimiserState { steps: taken, tensors } = learner.optimiser.state();
        assert_eq!(taken, steps(after), "{what}");
        let check = |name: &str, theirs: Vec<f64>| {
            assert_close(&values(tensors[name].clone()), &theirs, tolerance(precision), &format!("{what} {name}"));
        };
        check("first_moment", flat(after, |m| &m.exp_avg));
        check("second_moment", flat(after, |m| &m.exp_avg_sq));
    }
}

fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-10 } else { 5e-6 }
}

fn estimate(hyper: &Hyper, rollout: &Rollout) -> Targets {
    let Rollout { rewards, values, next_value, dones_before_step, next_done, .. } = rollout;
    let trajectory = Owned::of_one_flag((rewards, values), next_value, dones_before_step, next_done);
    Gae { gamma: hyper.gamma, lambda: hyper.gae_lambda }.estimate(&trajectory.view())
}
