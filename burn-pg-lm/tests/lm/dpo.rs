//! Direct preference optimisation, compared with TRL's.

use burn_pg::{
    burn::tensor::{DType, Tensor, TensorData},
    loss::{ContextPart, LossContext, Objective},
    source::Samples,
};
use burn_pg_lm::{
    Texts,
    learning::{PairBatch, Preference, PreferenceLoss, TextPolicy, TokenPair},
    model::Shape,
};
use serde_json::Value;

use crate::{
    helpers::{assert_close, devices, golden, numbers, tensors, types},
    models::{llama, transformer, values},
};

#[test]
fn losses_and_gradients_are_those_of_trl() {
    let data = golden("dpo");
    let losses = [
        ("sigmoid", PreferenceLoss::Sigmoid, false),
        ("hinge", PreferenceLoss::Hinge, false),
        ("ipo_sum", PreferenceLoss::Squared, false),
        ("ipo", PreferenceLoss::Squared, true),
    ];
    for case in data["cases"].as_array().unwrap() {
        for (name, loss, per_token) in losses {
            let Some(expected) = case["expected"].get(name) else { continue };
            for (backend, device) in devices() {
                for &dtype in types(backend) {
                    check(
                        case,
                        expected,
                        Preference { loss, beta: case["beta"].as_f64().unwrap(), of_scores: false },
                        per_token,
                        &device,
                        dtype,
                    );
                }
            }
        }
    }
}

fn check(
    case: &Value,
    expected: &Value,
    term: Preference,
    per_token: bool,
    device: &burn_pg::burn::tensor::Device,
    dtype: DType,
) {
    let what = format!("{} {:?} {device:?} {dtype:?}", case["name"], term.loss);
    let device = device.clone().autodiff();
    let vector = |values: &[f64]| {
        let data = TensorData::new(values.to_vec(), [values.len()]).convert_dtype(dtype);
        Tensor::<1>::from_data(data, (&device, dtype))
    };
    let of = |key: &str| numbers(&case[key]).0;
    let [chosen, rejected] = ["chosen_logp", "rejected_logp"].map(|key| vector(&of(key)).require_grad());
    let scaled = |sums: Tensor<1>, lengths: &str| if per_token { sums / vector(&of(lengths)) } else { sums };
    let difference = |chosen: Tensor<1>, rejected: Tensor<1>| {
        scaled(chosen, "chosen_lengths") - scaled(rejected, "rejected_lengths")
    };
    let reference = difference(vector(&of("ref_chosen_logp")), vector(&of("ref_rejected_logp")));
    let context = LossContext::new(chosen.dims()[0] as f64, 0.0)
        .with_tensor(ContextPart::LogProbs, difference(chosen.clone(), rejected.clone()))
        .with_tensor(ContextPart::ReferenceLogProbs, reference)
        .with_tensor(ContextPart::Returns, chosen.ones_like().detach());
    let output = Objective::new().with(1.0, term).compute(&context);
    let bound = if dtype == DType::F64 { 1e-9 } else { 1e-5 };
    assert_close(&values(output.loss.clone()), &[expected["loss"].as_f64().unwrap()], bound, &what);
    let gradients = output.loss.backward();
    for (leaf, key) in [(chosen, "grad_chosen_logp"), (rejected, "grad_rejected_logp")] {
        assert_close(&values(leaf.grad(&gradients).unwrap()), &numbers(&expected[key]).0, bound, &what);
    }
    if term.loss == PreferenceLoss::Sigmoid {
        let metric = |name: &str| {
            let (_, metric) = output.metrics.iter().find(|(known, _)| *known == name).unwrap();
            values(metric.clone())
        };
        assert_close(&metric("accuracy"), &[case["expected"]["accuracy"].as_f64().unwrap()], 1e-6, &what);
        assert_close(&metric("margin"), &[case["expected"]["margin"].as_f64().unwrap()], bound, &what);
    }
}

#[test]
fn the_log_odds_of_pairs_are_those_of_their_completions() {
    let data = golden("tiny_llama");
    let shape: Shape = llama(&data["config"], false);
    for (_, device) in devices() {
        let device = device.autodiff();
        let model = transformer(&shape, tensors(&data["weights"], DType::F32), &device, DType::F32);
        let pair = |prompt: &[u32], chosen: &[u32], rejected: &[u32]| TokenPair {
            prompt: prompt.to_vec(),
            chosen: chosen.to_vec(),
            rejected: rejected.to_vec(),
            margin: 0.0,
            is_tie: false,
        };
        let pairs = vec![pair(&[1, 2], &[3, 4, 5], &[6]), pair(&[7], &[8], &[9, 10])];
        let log_prob = |prompt: &[u32], completion: &[u32]| -> f64 {
            let text: Texts = [[prompt, completion].concat()].into_iter().collect();
            let hidden = model.hidden(&text).narrow(0, prompt.len() - 1, completion.len());
            values(model.log_probs(hidden, completion)).into_iter().sum()
        };
        for per_token in [false, true] {
            let batch = PairBatch { pairs: pairs.clone(), per_token, ..PairBatch::default() };
            let policy = TextPolicy::new(model.clone());
            let found = values(batch.context(&policy).log_probs());
            let expected: Vec<f64> = pairs
                .iter()
                .map(|pair| {
                    let side = |completion: &[u32]| {
                        let sum = log_prob(&pair.prompt, completion);
                        if per_token { sum / completion.len() as f64 } else { sum }
                    };
                    side(&pair.chosen) - side(&pair.rejected)
                })
                .collect();
            assert_close(&found, &expected, 1e-5, "log-odds");
        }
    }
}
