//! Whole updates against CleanRL's: advantages, every loss and norm, the weights and Adam's moments after each of two
//! consecutive iterations.

use std::collections::BTreeMap;

use burn_pg::{
    Learner,
    advantage::{AdvantageEstimator, Gae, Trajectory},
    distribution::ActionTensor,
    explained_variance,
    loss::{Entropy, Objective, PpoClip, Value},
    optim::Adam,
    rollout::Batch,
};
use serde::Deserialize;

use crate::{
    golden::{Array, golden},
    network::{Weights, actor_critic, recorded},
    precision::{Precision, assert_close, values},
};

#[derive(Deserialize)]
struct File {
    case: Case,
}

#[derive(Deserialize)]
struct Case {
    hyper: Hyper,
    iterations: Vec<Iteration>,
}

#[derive(Deserialize)]
struct Hyper {
    lr: f64,
    adam_eps: f64,
    gamma: f64,
    gae_lambda: f64,
    num_minibatches: usize,
    clip_coef: f64,
    norm_adv: bool,
    clip_vloss: bool,
    ent_coef: f64,
    vf_coef: f64,
    max_grad_norm: f64,
}

#[derive(Deserialize)]
struct Iteration {
    weights_before: Weights,
    adam_before: Option<BTreeMap<String, Moments>>,
    rollout: Rollout,
    permutations: Vec<Vec<u32>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Moments {
    step: u32,
    exp_avg: Array,
    exp_avg_sq: Array,
}

#[derive(Deserialize)]
struct Rollout {
    obs: Vec<Vec<Vec<f64>>>,
    actions: Vec<Vec<i64>>,
    log_probs: Vec<Vec<f64>>,
    values: Vec<Vec<f64>>,
    next_value: Vec<f64>,
    rewards: Vec<Vec<f64>>,
    dones_before_step: Vec<Vec<f64>>,
    next_done: Vec<f64>,
}

#[derive(Deserialize)]
struct Expected {
    advantages: Vec<Vec<f64>>,
    returns: Vec<Vec<f64>>,
    grad_norms_before_clip: Vec<f64>,
    losses_loss_pg_v_entropy_kl: Vec<[f64; 5]>,
    clip_fractions: Vec<f64>,
    explained_variance: f64,
    weights_after: Weights,
    adam_after: Option<BTreeMap<String, Moments>>,
}

#[test]
fn whole_updates_are_cleanrls() {
    for name in ["discrete_small", "discrete_grad_clip_active", "discrete_vclip_annealed", "cleanrl_agent_64"] {
        let File { case } = golden(&format!("update/ppo_cleanrl_{name}.json"));
        assert!(!case.iterations.is_empty());
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
    let explained = explained_variance(&single(&rollout.values), &expected.returns.concat());
    assert_close(&[explained.unwrap()], &[expected.explained_variance], 5e-6, &format!("{what} explained variance"));

    let batch = Batch {
        observations: precision.matrix(&rollout.obs.concat()),
        actions: ActionTensor::Discrete(precision.indices(&rollout.actions.concat())),
        log_probs: precision.vector(&rollout.log_probs.concat()),
        values: precision.vector(&rollout.values.concat()),
        advantages: precision.vector(&expected.advantages.concat()),
        returns: precision.vector(&expected.returns.concat()),
    };
    let mut learner = learner(hyper, iteration, precision);
    // Adam's moments of the second iteration are the recorded ones of the first: flat, in the order of a visit.
    let order: Vec<String> = recorded(&learner.policy, None).into_iter().map(|(name, _)| name).collect();
    if let Some(before) = &iteration.adam_before {
        let flat = |moment: fn(&Moments) -> &Array| {
            let numbers: Vec<f64> = order.iter().flat_map(|name| moment(&before[name]).transposed().flat()).collect();
            precision.vector(&numbers).inner()
        };
        learner.optimiser.steps = before[&order[0]].step;
        learner.optimiser.moments = Some((flat(|m| &m.exp_avg), flat(|m| &m.exp_avg_sq)));
    }
    assert_eq!(iteration.adam_before.is_some(), i > 0, "{what}");

    let mut minibatches = 0;
    for permutation in &iteration.permutations {
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
            minibatches += 1;
        }
    }
    assert_eq!(minibatches, expected.grad_norms_before_clip.len(), "{what}");

    for (name, weights) in recorded(&learner.policy, None) {
        let theirs = expected.weights_after[&name].transposed().flat();
        assert_close(&weights, &theirs, tolerance(precision), &format!("{what} {name}"));
    }
    if let Some(after) = &expected.adam_after {
        let (first, second) = learner.optimiser.moments.clone().unwrap();
        let flat = |moment: fn(&Moments) -> &Array| -> Vec<f64> {
            order.iter().flat_map(|name| moment(&after[name]).transposed().flat()).collect()
        };
        assert_eq!(learner.optimiser.steps, after[&order[0]].step, "{what}");
        assert_close(&values(first), &flat(|m| &m.exp_avg), tolerance(precision), &format!("{what} first moment"));
        assert_close(&values(second), &flat(|m| &m.exp_avg_sq), tolerance(precision), &format!("{what} second moment"));
    }
}

fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-10 } else { 5e-6 }
}

fn learner(hyper: &Hyper, iteration: &Iteration, precision: &Precision) -> Learner<burn_pg::policy::MlpActorCritic> {
    let clip_range = hyper.clip_coef;
    Learner {
        policy: actor_critic(&iteration.weights_before, precision),
        objective: Objective::new()
            .with(1.0, PpoClip { clip_range })
            .with(hyper.vf_coef, Value { clip_range: hyper.clip_vloss.then_some(clip_range) })
            .with(hyper.ent_coef, Entropy),
        optimiser: Adam::new(hyper.adam_eps),
        max_grad_norm: hyper.max_grad_norm,
        normalize_advantages: hyper.norm_adv,
    }
}

/// CleanRL keeps one flag, from before each step, and does not tell truncations apart; here they are terminations.
fn estimate(hyper: &Hyper, rollout: &Rollout) -> burn_pg::advantage::Targets {
    let ended: Vec<bool> =
        rollout.dones_before_step[1..].concat().iter().chain(&rollout.next_done).map(|&done| done > 0.5).collect();
    let mut next_values = rollout.values[1..].to_vec();
    next_values.push(rollout.next_value.clone());
    let trajectory = Trajectory {
        num_envs: rollout.next_value.len(),
        rewards: &single(&rollout.rewards),
        values: &single(&rollout.values),
        next_values: &single(&next_values),
        terminated: &ended,
        truncated: &vec![false; ended.len()],
        log_ratios: &[],
    };
    Gae { gamma: hyper.gamma, lambda: hyper.gae_lambda }.estimate(&trajectory)
}

#[allow(clippy::cast_possible_truncation)] // rollouts are kept in single precision
fn single(rows: &[Vec<f64>]) -> Vec<f32> {
    rows.iter().flatten().map(|&number| number as f32).collect()
}
