//! Losses of the tokens of texts, as verl and TRL compute them: clipping above and below, and how tokens are averaged.

use std::collections::BTreeMap;

use burn_pg::loss::{
    Averaging, ContextPart, KlEstimator, KlToReference, LossContext, Objective, PpoClip, Value, ValueClip,
};
use serde::Deserialize;

use crate::{
    golden::golden,
    precision::{Precision, assert_close, values},
};

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

type Matrix = Vec<Vec<f64>>;

#[derive(Deserialize)]
struct Case {
    name: String,
    old_logp: Matrix,
    new_logp: Matrix,
    ref_logp: Matrix,
    mask: Matrix,
    advantages_per_token: Matrix,
    advantages_per_sequence: Vec<f64>,
    new_values: Matrix,
    returns: Matrix,
    old_values: Matrix,
    max_completion_length: f64,
    expected: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    loss: f64,
    grad_new_logp: Option<Matrix>,
    grad_new_values: Option<Matrix>,
    clip_fraction: Option<f64>,
}

impl Case {
    /// Returns the elements that are not masked, one text after the other.
    fn tokens(&self, of: &[Vec<f64>]) -> Vec<f64> {
        let tokens = of.iter().flatten().zip(self.mask.iter().flatten());
        tokens.filter(|(_, mask)| **mask > 0.0).map(|(value, _)| *value).collect()
    }

    /// The number of tokens of each text that has some.
    fn lengths(&self) -> Vec<usize> {
        let lengths = self.mask.iter().map(|row| row.iter().filter(|mask| **mask > 0.0).count());
        lengths.filter(|length| *length > 0).collect()
    }

    fn has_empty_text(&self) -> bool {
        self.lengths().len() < self.mask.len()
    }

    fn check(&self, name: &str, expected: &Expected, precision: &Precision) {
        let [library, kind, how] = parts(name);
        let clip = PpoClip::new(0.2);
        let clip = match kind {
            "dual_clip_3" => PpoClip { dual: Some(3.0), ..clip },
            "clip_higher_0.2_0.28" => PpoClip { upper: Some(0.28.into()), ..clip },
            _ => clip,
        };
        let averaging = match (kind, how) {
            (_, "token-mean") | ("bnpo", _) => Averaging::Token,
            (_, "seq-mean-token-sum") => Averaging::Constant(1.0),
            (_, "seq-mean-token-mean") | ("grpo", _) => Averaging::Sequence,
            ("dr_grpo", _) => Averaging::Constant(self.max_completion_length),
            _ => panic!("{name}"),
        };
        // Of a text without tokens, programs differ in whether it counts as a text.
        if self.has_empty_text() && !matches!(averaging, Averaging::Token) {
            return;
        }
        let objective = match kind {
            "value_clip_0.2" => {
                Objective::new().with(1.0, Value { clip: ValueClip::Pessimistic { range: 0.2.into() } })
            }
            _ => Objective::new().with(1.0, clip),
        };
        let objective = match how {
            "beta0.04" => objective.with(0.04, KlToReference { estimator: KlEstimator::K3 }),
            _ => objective,
        };
        let advantages = match library {
            "verl" => self.advantages_per_token.clone(),
            _ => self.advantages_per_sequence.iter().map(|advantage| vec![*advantage; self.mask[0].len()]).collect(),
        };
        let column = |of: &[Vec<f64>]| precision.vector(&self.tokens(of));
        let [log_probs, of_values] = [&self.new_logp, &self.new_values].map(|of| column(of).require_grad());
        let (weights, mass) = averaging.weigh(&self.lengths());
        let context = LossContext::new(mass, 0.0)
            .with_tensor(ContextPart::LogProbs, log_probs.clone())
            .with_tensor(ContextPart::Values, of_values.clone())
            .with_tensor(ContextPart::OldLogProbs, column(&self.old_logp))
            .with_tensor(ContextPart::ReferenceLogProbs, column(&self.ref_logp))
            .with_tensor(ContextPart::OldValues, column(&self.old_values))
            .with_tensor(ContextPart::Returns, column(&self.returns))
            .with_tensor(ContextPart::Advantages, column(&advantages));
        let context = match weights {
            Some(weights) => {
                let weights: Vec<f64> = weights.into_iter().map(f64::from).collect();
                context.with_tensor(ContextPart::Weights, precision.vector(&weights))
            }
            None => context,
        };
        let output = objective.compute(&context);
        // Weights are in single precision.
        let single = matches!(averaging, Averaging::Sequence) || !precision.is_double();
        let tolerance = if single { 1e-5 } else { 1e-9 };
        let what = format!("{} {name} {precision:?}", self.name);
        assert_close(&values(output.loss.clone()), &[expected.loss], tolerance, &what);
        let gradients = output.loss.backward();
        for (leaf, gradient) in [(log_probs, &expected.grad_new_logp), (of_values, &expected.grad_new_values)] {
            if let Some(gradient) = gradient {
                let ours = values(leaf.grad(&gradients).unwrap());
                assert_close(&ours, &self.tokens(gradient), tolerance, &what);
            }
        }
        if let (Some(share), "ppo", Averaging::Token) = (expected.clip_fraction, kind, averaging) {
            let clipped = output.metrics.iter().find(|(name, _)| *name == "clip_fraction").unwrap();
            // verl counts samples that the surrogate clips; ours are outside the interval, whatever the advantage.
            assert!(values(clipped.1.clone())[0] >= share - 1e-5, "{what}");
        }
    }
}

/// Splits `verl/ppo/token-mean`.
fn parts(name: &str) -> [&str; 3] {
    let mut parts = name.split('/');
    [(); 3].map(|()| parts.next().unwrap())
}

#[test]
fn losses_of_tokens_are_those_of_verl_and_trl() {
    let file: File = golden("rlhf/token_losses.json");
    let mut checked = 0;
    for precision in Precision::all() {
        for case in &file.cases {
            // The ratio of a whole text: tested with language models.
            for (name, expected) in case.expected.iter().filter(|(name, _)| !name.contains("sequence_level")) {
                case.check(name, expected, &precision);
                checked += 1;
            }
        }
    }
    assert!(checked >= 6 * 16);
}
