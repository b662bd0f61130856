//! PPO's losses, metrics and the gradient of every weight, against CleanRL's own minibatch block.

use std::collections::BTreeMap;

use burn_pg::{
    distribution::Distribution,
    loss::{Entropy, LossContext, Objective, PpoClip, Value, ValueClip, normalize},
    policy::ActorCritic,
};
use serde::Deserialize;

use crate::{
    golden::golden,
    network::{RecordedActions, Weights, actor_critic, recorded},
    precision::{Precision, assert_close, values},
};

#[derive(Deserialize)]
struct File {
    networks: BTreeMap<String, Network>,
    cases: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Network {
    weights: serde_json::Value,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    batch: Samples,
    hyper: Hyper,
    expected: Expected,
    float32_grad_max_abs_error: Option<f64>,
}

#[derive(Deserialize)]
struct Samples {
    obs: Vec<Vec<f64>>,
    actions: RecordedActions,
    old_log_probs: Vec<f64>,
    advantages: Vec<f64>,
    returns: Vec<f64>,
    old_values: Vec<f64>,
}

#[derive(Deserialize)]
struct Hyper {
    clip_coef: f64,
    norm_adv: bool,
    clip_vloss: bool,
    ent_coef: f64,
    vf_coef: f64,
}

#[derive(Deserialize)]
struct Expected {
    loss: f64,
    policy_loss: f64,
    value_loss: f64,
    entropy: f64,
    approx_kl_k3: Option<f64>,
    clip_fraction: Option<f64>,
    new_log_probs: Option<Vec<f64>>,
    new_values: Option<Vec<f64>>,
    grads: Weights,
}

#[test]
fn losses_metrics_and_the_gradient_of_every_weight_are_cleanrls() {
    let file: File = golden("loss/ppo.json");
    assert!(file.networks.len() > 1, "discrete and continuous");
    for (name, network) in file.networks {
        let weights: Weights = serde_json::from_value(network.weights).unwrap();
        // Two more cases record what a peer makes of inputs that are not numbers; ours never get as far as a loss.
        let sound = file.cases.iter().filter(|case| case["network"] == name && case["expected"]["grads"].is_object());
        let cases: Vec<Case> = sound.map(|case| serde_json::from_value(case.clone()).unwrap()).collect();
        assert!(!cases.is_empty(), "{name}");
        for precision in Precision::all() {
            for case in &cases {
                check(case, &weights, &precision);
            }
        }
    }
}

fn check(case: &Case, weights: &Weights, precision: &Precision) {
    let Case { batch, hyper, expected, .. } = case;
    let what = |part: &str| format!("{:?} {:?} {} {part}", precision.backend, precision.dtype, case.name);
    let tolerance = match precision.is_double() {
        true => 1e-9,
        false => (10.0 * case.float32_grad_max_abs_error.unwrap_or(0.0)).max(1e-5),
    };

    let policy = actor_critic(weights, precision);
    let (distribution, new_values) = policy.forward(precision.matrix(&batch.obs).into());
    let advantages = precision.vector(&batch.advantages);
    let context = LossContext {
        log_probs: distribution.log_prob(&batch.actions.tensor(precision)),
        entropies: distribution.entropy(),
        values: new_values,
        old_log_probs: precision.vector(&batch.old_log_probs),
        old_values: precision.vector(&batch.old_values),
        advantages: if hyper.norm_adv { normalize(advantages) } else { advantages },
        returns: precision.vector(&batch.returns),
        reference_log_probs: None,
    };
    if let Some(log_probs) = &expected.new_log_probs {
        assert_close(&values(context.log_probs.clone()), log_probs, tolerance, &what("log-probabilities"));
    }
    if let Some(new_values) = &expected.new_values {
        assert_close(&values(context.values.clone()), new_values, tolerance, &what("values"));
    }

    let clip_range = hyper.clip_coef;
    let clip = if hyper.clip_vloss { ValueClip::Pessimistic { range: clip_range } } else { ValueClip::Off };
    let output = Objective::new()
        .with(1.0, PpoClip { clip_range })
        .with(hyper.vf_coef, Value { clip })
        .with(hyper.ent_coef, Entropy)
        .compute(&context);
    let metrics: BTreeMap<_, _> = output.metrics.into_iter().map(|(name, tensor)| (name, values(tensor)[0])).collect();
    for (name, expected) in [
        ("loss", Some(expected.loss)),
        ("policy_loss", Some(expected.policy_loss)),
        ("value_loss", Some(expected.value_loss)),
        ("entropy", Some(expected.entropy)),
        ("approx_kl", expected.approx_kl_k3),
        ("clip_fraction", expected.clip_fraction),
    ] {
        if let Some(expected) = expected {
            assert_close(&[metrics[name]], &[expected], tolerance, &what(name));
        }
    }

    let gradients = recorded(&policy, Some(&output.loss.backward()));
    assert_eq!(gradients.len(), expected.grads.len());
    for (name, gradient) in gradients {
        let expected = expected.grads[&name].transposed().flat();
        assert_close(&gradient, &expected, tolerance, &what(&format!("gradient of {name}")));
    }
}
