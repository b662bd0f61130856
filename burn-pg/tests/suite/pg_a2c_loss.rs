//! The losses of vanilla policy gradient and of advantage actor-critic with the gradient of every weight, compared with
//! Spinning Up and Stable-Baselines3.

use std::collections::BTreeMap;

use burn_pg::{
    advantage::explained_variance,
    loss::{Entropy, LossContext, Objective, PolicyGradient, PpoClip, Value},
    policy::ActorCritic,
};
use serde::Deserialize;

use crate::{
    golden::{Number, golden},
    network::{Weights, actor_critic},
    precision::{Precision, assert_close, values},
    recorded_minibatch::{Network, RecordedMinibatch, assert_gradients},
};

#[derive(Deserialize)]
struct File {
    networks: BTreeMap<String, Network>,
    cases: Vec<serde_json::Value>,
    explained_variance: Vec<ExplainedVariance>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    batch: RecordedMinibatch,
    #[serde(flatten)]
    kind: Kind,
}

#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Kind {
    #[serde(rename = "vpg")]
    VanillaPolicyGradient { expected: VanillaLosses },
    #[serde(rename = "a2c")]
    Policy { hyper: ActorCriticHyper, expected: ActorCriticLosses },
    #[serde(rename = "ppo_policy_only")]
    PpoPolicyOnly { hyper: PpoHyper, expected: PpoLosses },
}

#[derive(Deserialize)]
struct VanillaLosses {
    policy_loss: f64,
    value_loss: f64,
    approx_kl_k1: f64,
    entropy: f64,
    policy_grads: Weights,
    value_grads: Weights,
}

#[derive(Deserialize)]
struct ActorCriticHyper {
    vf_coef: f64,
    ent_coef: f64,
    value_loss_has_half: bool,
}

#[derive(Deserialize)]
struct ActorCriticLosses {
    loss: f64,
    policy_loss: f64,
    value_loss: f64,
    entropy: f64,
    grads: Weights,
}

#[derive(Deserialize)]
struct PpoHyper {
    clip_coef: f64,
}

#[derive(Deserialize)]
struct PpoLosses {
    policy_loss: f64,
    approx_kl_k1: f64,
    clip_fraction: f64,
    grads: Weights,
}

#[derive(Deserialize)]
struct ExplainedVariance {
    y_true: Vec<f64>,
    y_pred: Vec<f64>,
    expected: ExpectedVariance,
}

#[derive(Deserialize)]
struct ExpectedVariance {
    explained_variance: Number,
}

#[test]
fn losses_and_the_gradient_of_every_weight_match_spinning_up_and_stable_baselines3() {
    let file: File = golden("loss/pg_a2c.json");
    let of_continuous_actions = |network: &Network| network.weights.contains_key("actor_logstd");
    assert!(file.networks.values().any(of_continuous_actions) && !file.networks.values().all(of_continuous_actions));
    for (name, network) in file.networks {
        let weights = network.weights;
        let cases = file.cases.iter().filter(|case| case["network"] == name);
        let cases: Vec<Case> = cases.map(|case| serde_json::from_value(case.clone()).unwrap()).collect();
        let kinds: [fn(&Kind) -> bool; 4] = [
            |kind| matches!(kind, Kind::VanillaPolicyGradient { .. }),
            |kind| matches!(kind, Kind::Policy { hyper, .. } if hyper.value_loss_has_half),
            |kind| matches!(kind, Kind::Policy { hyper, .. } if !hyper.value_loss_has_half),
            |kind| matches!(kind, Kind::PpoPolicyOnly { .. }),
        ];
        assert!(kinds.iter().all(|is| cases.iter().any(|case| is(&case.kind))), "{name}: a kind of case is missing");
        for precision in Precision::all() {
            for case in &cases {
                Check { case, weights: &weights, precision: &precision }.all();
            }
        }
    }
}

struct Check<'a> {
    case: &'a Case,
    weights: &'a Weights,
    precision: &'a Precision,
}

impl Check<'_> {
    fn all(&self) {
        match &self.case.kind {
            Kind::VanillaPolicyGradient { expected } => {
                let policy = Objective::new().with(1.0, PolicyGradient).with(0.0, Entropy);
                let metrics = [("policy_loss", expected.policy_loss), ("entropy", expected.entropy)];
                self.objective(&policy, &metrics, &expected.policy_grads);
                // Spinning Up has no factor of 1/2 and a separate optimiser.
                let value = Objective::new().with(2.0, Value::default());
                self.objective(&value, &[("loss", expected.value_loss)], &expected.value_grads);
                self.mean_log_ratio(expected.approx_kl_k1);
            }
            Kind::Policy { hyper, expected } => {
                let factor = if hyper.value_loss_has_half { 1.0 } else { 2.0 };
                let objective = Objective::new()
                    .with(1.0, PolicyGradient)
                    .with(factor * hyper.vf_coef, Value::default())
                    .with(hyper.ent_coef, Entropy);
                let metrics = [
                    ("loss", expected.loss),
                    ("policy_loss", expected.policy_loss),
                    ("value_loss", expected.value_loss / factor),
                    ("entropy", expected.entropy),
                    ("entropy_loss", -expected.entropy),
                ];
                self.objective(&objective, &metrics, &expected.grads);
            }
            Kind::PpoPolicyOnly { hyper, expected } => {
                let objective = Objective::new().with(1.0, PpoClip::new(hyper.clip_coef));
                // Spinning Up computes this metric in single precision.
                let clip_fraction = nearest_single(expected.clip_fraction);
                let metrics = [("policy_loss", expected.policy_loss), ("clip_fraction", clip_fraction)];
                self.objective(&objective, &metrics, &expected.grads);
                self.mean_log_ratio(expected.approx_kl_k1);
            }
        }
    }

    fn objective(&self, objective: &Objective, metrics: &[(&str, f64)], gradients: &Weights) {
        let (policy, context) = self.context();
        let output = objective.compute(&context);
        let ours: BTreeMap<_, _> = output.metrics.into_iter().map(|(name, tensor)| (name, values(tensor)[0])).collect();
        for &(name, expected) in metrics {
            let ours = if name == "clip_fraction" { nearest_single(ours[name]) } else { ours[name] };
            assert_close(&[ours], &[expected], self.tolerance(), &self.what(name));
        }
        assert_gradients(&policy, &output.loss, gradients, self.tolerance(), &self.what(""));
    }

    /// Spinning Up's `approx_kl`. We do not report it; it shows that the log-probabilities are the same.
    fn mean_log_ratio(&self, expected: f64) {
        let (_, context) = self.context();
        let ours = values((context.old_log_probs() - context.log_probs()).mean());
        assert_close(&ours, &[expected], self.tolerance(), &self.what("mean log-ratio"));
    }

    fn context(&self) -> (ActorCritic, LossContext<'static>) {
        let policy = actor_critic(self.weights, self.precision);
        let context = self.case.batch.context(&policy, self.precision);
        (policy, context)
    }

    fn tolerance(&self) -> f64 {
        if self.precision.is_double() { 1e-9 } else { 1e-5 }
    }

    fn what(&self, part: &str) -> String {
        format!("{:?} {:?} {} {part}", self.precision.backend, self.precision.dtype, self.case.name)
    }
}

#[test]
fn explained_variance_matches_stable_baselines3() {
    let file: File = golden("loss/pg_a2c.json");
    assert!(!file.explained_variance.is_empty());
    for case in file.explained_variance {
        #[allow(clippy::cast_possible_truncation)] // the recorded inputs are in single precision
        let values: Vec<f32> = case.y_pred.iter().map(|&value| value as f32).collect();
        let ours = explained_variance(&values, &case.y_true);
        let Number(expected) = case.expected.explained_variance;
        assert_eq!(ours.is_none(), expected.is_nan());
        if let Some(ours) = ours {
            assert_close(&[ours], &[expected], 1e-9, "explained variance");
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // rounding is the purpose
fn nearest_single(number: f64) -> f64 {
    f64::from(number as f32)
}
