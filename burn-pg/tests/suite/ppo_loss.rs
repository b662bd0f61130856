//! PPO's losses, metrics and the gradient of every weight, compared with CleanRL's minibatch code.

use std::collections::BTreeMap;

use burn_pg::{
    loss::{
        ContextPart, Entropy, KlEstimator, KlToReference, LossTerm, Objective, PpoClip, Surrogate, Value, ValueClip,
        normalize,
    },
    optim::{clip_global_norm, flatten_gradients},
};
use serde::Deserialize;

use crate::{
    golden::golden,
    network::{Weights, actor_critic},
    precision::{Precision, assert_close, values},
    recorded_minibatch::{Network, RecordedMinibatch, assert_gradients},
    samples::mean,
};

#[derive(Deserialize)]
struct File {
    networks: BTreeMap<String, Network>,
    cases: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    batch: RecordedMinibatch,
    hyper: Hyper,
    expected: Expected,
    float32_grad_max_abs_error: Option<f64>,
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
    approx_kl_k1: Option<f64>,
    approx_kl_k3: Option<f64>,
    ratio: Option<Vec<f64>>,
    global_grad_norm: Option<f64>,
    clip_fraction: Option<f64>,
    new_log_probs: Option<Vec<f64>>,
    new_values: Option<Vec<f64>>,
    grads: Weights,
}

#[test]
fn losses_metrics_and_the_gradient_of_every_weight_match_cleanrl() {
    let file: File = golden("loss/ppo.json");
    let of_continuous_actions = |network: &Network| network.weights.contains_key("actor_logstd");
    assert!(file.networks.values().any(of_continuous_actions) && !file.networks.values().all(of_continuous_actions));
    for (name, network) in file.networks {
        let weights = network.weights;
        // Other cases have inputs that are not finite; we refuse those before the loss, see `bad_numbers`.
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
    let mut context = batch.context(&policy, precision);
    if hyper.norm_adv {
        let advantages = normalize(context.advantages());
        context = context.with_tensor(ContextPart::Advantages, advantages);
    }
    if let Some(log_probs) = &expected.new_log_probs {
        assert_close(&values(context.log_probs()), log_probs, tolerance, &what("log-probabilities"));
    }
    if let Some(new_values) = &expected.new_values {
        assert_close(&values(context.values()), new_values, tolerance, &what("values"));
    }

    let clip_range = hyper.clip_coef;
    let clip = if hyper.clip_vloss { ValueClip::Pessimistic { range: clip_range.into() } } else { ValueClip::Off };
    let output = Objective::new()
        .with(1.0, PpoClip::new(clip_range))
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

    let gradients = assert_gradients(&policy, &output.loss, &expected.grads, tolerance, &what(""));
    if let Some(expected) = expected.global_grad_norm {
        let (_, norm) = clip_global_norm(flatten_gradients(&policy, &gradients), 0.5);
        assert_close(&values(norm), &[expected], tolerance, &what("gradient norm"));
    }

    // The surrogate of one sample with an advantage of 1 is minus the ratio.
    if let Some(expected) = &expected.ratio {
        let ratios: Vec<f64> = (0..)
            .take(expected.len())
            .map(|sample| {
                let ones = batch.context(&policy, precision).advantages().ones_like();
                let context = batch.context(&policy, precision).with_tensor(ContextPart::Advantages, ones);
                let context = context.of_rows(Some(precision.indices(&[sample])));
                -values(Surrogate.compute(&context).loss)[0]
            })
            .collect();
        assert_close(&ratios, expected, tolerance, &what("ratio"));
    }
    // They measure the KL divergence from the policy that acted, we from a reference.
    if let Some(expected) = expected.approx_kl_k1 {
        let old_log_probs = context.old_log_probs();
        let k1 = KlToReference { estimator: KlEstimator::K1 };
        let output = k1.compute(&context.with_tensor(ContextPart::ReferenceLogProbs, old_log_probs));
        assert_close(&[-mean(output.loss)], &[expected], tolerance, &what("k1"));
    }
}
