//! Reward models, compared with those of TRL.

use burn_pg::{
    burn::tensor::{DType, Tensor, TensorData},
    loss::{ContextPart, LossContext, LossTerm, Objective},
    source::Samples,
    storage::tensors::{from_bytes, to_bytes},
};
use burn_pg_lm::{
    ModelConfig, Texts,
    learning::{Centring, PairBatch, Preference, PreferenceLoss, TokenPair},
    model::{LoadError, Shape, Transformer, to_hugging_face},
    reward::{RewardModel, Scorer, accuracy},
};
use serde_json::Value;

use crate::{
    fixture::{self, Copy},
    helpers::{assert_close, devices, golden, lists, numbers, tensors, types},
    models::{gpt2, gradients, transformer, values},
};

/// The objective of a reward model.
fn objective(centring: f64) -> Objective {
    let preference = Preference { loss: PreferenceLoss::Sigmoid, beta: 1.0, of_scores: true };
    Objective::new().with(1.0, preference).with(centring, Centring)
}

fn optional(value: &Value) -> Option<Vec<f64>> {
    (!value.is_null()).then(|| numbers(value).0)
}

#[test]
fn scores_losses_and_gradients_are_those_of_trl() {
    let data = golden("reward_model");
    let shape = Shape { tied: true, ..gpt2(&data["config"]) };
    let [chosen, rejected] = ["chosen", "rejected"].map(|key| lists(&data[key]).into_iter().collect::<Texts>());
    for case in data["cases"].as_array().unwrap() {
        let expected = &case["expected"];
        for (backend, device) in devices() {
            for &dtype in types(backend) {
                let what = format!("{}, {backend}, {dtype:?}", case["name"]);
                let device = device.clone().autodiff();
                let mut weights = tensors(&data["weights"], dtype);
                let score = weights.remove("score.weight").unwrap();
                let score = Tensor::<2>::from_data(score, (&device, dtype)).transpose();
                let model = Scorer::new(transformer(&shape, weights, &device, dtype)).with_score(score);
                let (of_chosen, of_rejected) = (model.scores(&chosen), model.scores(&rejected));
                let bound = match dtype {
                    DType::F64 => 1e-10,
                    _ => (10.0 * expected["float32_grad_max_abs_error"].as_f64().unwrap()).max(1e-5),
                };
                let scores = [values(of_chosen), values(of_rejected)];
                for (scores, key) in scores.iter().zip(["chosen_scores", "rejected_scores"]) {
                    assert_close(scores, &numbers(&expected[key]).0, bound, &what);
                }
                let right = accuracy(&scores[0], &scores[1]).unwrap();
                assert_eq!(Some(right.share), expected["accuracy_strictly_greater"].as_f64(), "no scores are equal");
                let margins = optional(&case["margin"]).unwrap_or(vec![0.0; chosen.len()]);
                let pairs = chosen.iter().zip(rejected.iter()).zip(margins);
                #[allow(clippy::cast_possible_truncation)] // the recorded margins are in single precision
                let pairs = pairs.map(|((chosen, rejected), margin)| TokenPair {
                    prompt: Vec::new(),
                    chosen: chosen.to_vec(),
                    rejected: rejected.to_vec(),
                    margin: margin as f32,
                    is_tie: false,
                });
                let batch = PairBatch { pairs: pairs.collect(), ..PairBatch::default() };
                let centring = case["center_rewards_coefficient"].as_f64().unwrap_or(0.0);
                let loss = objective(centring).compute(&batch.context(&model)).loss;
                assert_close(&values(loss.clone()), &[expected["loss"].as_f64().unwrap()], bound, &what);
                let mut found = gradients(&model, &loss);
                let of_score: Vec<f64> = found.remove("score").unwrap().iter::<f64>().collect();
                assert_close(&of_score, &numbers(&expected["grads"]["score.weight"]).0, bound, &what);
                let body = found.into_iter().map(|(name, data)| (name.trim_start_matches("body.").to_owned(), data));
                for (name, gradient) in to_hugging_face(body.collect(), &shape) {
                    let gradient: Vec<f64> = gradient.iter::<f64>().collect();
                    assert_close(&gradient, &numbers(&expected["grads"][&name]).0, bound, &format!("{what}, {name}"));
                }
            }
        }
    }
}

#[test]
fn preferences_have_the_loss_and_the_gradient_of_bradley_and_terry() {
    let data = golden("bradley_terry");
    let cases: Vec<&Value> =
        data["cases"].as_array().unwrap().iter().filter(|case| case.get("chosen").is_some()).collect();
    assert!(cases.len() >= 7);
    for case in cases {
        for (backend, device) in devices() {
            for &dtype in types(backend) {
                let (device, what) = (device.clone().autodiff(), format!("{}, {backend}, {dtype:?}", case["name"]));
                let vector = |values: Vec<f64>| {
                    let len = values.len();
                    Tensor::<1>::from_data(TensorData::new(values, [len]).convert_dtype(dtype), (&device, dtype))
                };
                let [chosen, rejected] = ["chosen", "rejected"].map(|key| vector(numbers(&case[key]).0).require_grad());
                let margins = optional(&case["margin"]).map_or_else(|| chosen.zeros_like().detach(), vector);
                let centring = case["center_rewards_coefficient"].as_f64().unwrap_or(0.0);
                let context = LossContext::new(chosen.dims()[0] as f64, 0.0)
                    .with_tensor(ContextPart::LogProbs, chosen.clone() - rejected.clone())
                    .with_tensor(ContextPart::ReferenceLogProbs, margins)
                    .with_tensor(ContextPart::Returns, chosen.ones_like().detach())
                    .with_tensor(ContextPart::Values, chosen.clone() + rejected.clone());
                let loss = objective(centring).compute(&context).loss;
                let bound = if dtype == DType::F64 { 1e-12 } else { 1e-6 };
                let expected = &case["expected"];
                assert_close(&values(loss.clone()), &[expected["loss"].as_f64().unwrap()], bound, &what);
                let of_loss = loss.backward();
                for (of, key) in [(&chosen, "grad_chosen"), (&rejected, "grad_rejected")] {
                    assert_close(&values(of.grad(&of_loss).unwrap()), &numbers(&expected[key]).0, bound, &what);
                }
            }
        }
    }
}

#[test]
fn a_tie_has_the_loss_of_both_preferences() {
    let (_, device) = devices().swap_remove(0);
    let vector = |values: [f32; 2]| Tensor::<1>::from_data(TensorData::from(values), &device);
    let loss = |probability: f32, difference: f32| {
        let context = LossContext::new(2.0, 0.0)
            .with_tensor(ContextPart::LogProbs, vector([difference; 2]))
            .with_tensor(ContextPart::ReferenceLogProbs, vector([0.0; 2]))
            .with_tensor(ContextPart::Returns, vector([probability; 2]));
        values(Preference { loss: PreferenceLoss::Sigmoid, beta: 1.0, of_scores: true }.compute(&context).loss)[0]
    };
    let both = f64::midpoint(loss(1.0, 0.7), loss(1.0, -0.7));
    assert_close(&[loss(0.5, 0.7)], &[both], 1e-6, "a tie");
    assert_close(&[loss(0.5, 0.0)], &[2.0_f64.ln()], 1e-6, "equal scores");
}

#[test]
fn accuracy_is_that_of_scores_without_margins_and_a_tie_counts_half() {
    let (_, device) = devices().swap_remove(0);
    let vector = |values: [f32; 4]| Tensor::<1>::from_data(TensorData::from(values), &device);
    let context = LossContext::new(4.0, 0.0)
        .with_tensor(ContextPart::LogProbs, vector([1.0, -1.0, 1.0, -1.0]))
        .with_tensor(ContextPart::ReferenceLogProbs, vector([3.0, 0.0, 0.0, 0.0]))
        .with_tensor(ContextPart::Returns, vector([1.0, 1.0, 0.5, 0.5]));
    let reported = |of_scores| {
        let term = Preference { loss: PreferenceLoss::Sigmoid, beta: 2.0, of_scores };
        let metrics = term.compute(&context).metrics;
        ["accuracy", "margin"].map(|name| values(metrics.iter().find(|(metric, _)| *metric == name).unwrap().1.clone()))
    };
    assert_eq!(reported(true), [vec![1.0, 0.0, 0.5, 0.5], vec![2.0, -2.0, 2.0, -2.0]]);
    // Of a policy, the reference counts.
    assert_eq!(reported(false), [vec![0.0, 0.0, 0.5, 0.5], vec![-4.0, -2.0, 2.0, -2.0]]);
}

#[test]
fn a_head_that_is_not_finite_or_has_several_scores_is_refused() {
    let copy = Copy::new();
    let tokenizer = fixture::tokenizer();
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 16, "hidden_act": "silu", "tie_word_embeddings": true}}"#,
        tokenizer.vocab_size()
    );
    let config = ModelConfig::parse(&config).unwrap();
    let (_, device) = devices().swap_remove(0);
    let scorer = Scorer::new(Transformer::zeros(&Shape::from(&config), &device));
    RewardModel { config, scorer, tokenizer, template: None }.save(copy.path()).unwrap();
    RewardModel::load(copy.path(), &device).unwrap();
    let path = copy.path().join("model.safetensors");
    let saved = from_bytes(&std::fs::read(&path).unwrap()).unwrap();
    let refused = |score: TensorData| {
        let mut changed = saved.clone();
        changed.insert("score.weight".into(), score);
        std::fs::write(&path, to_bytes(&changed, None).unwrap()).unwrap();
        RewardModel::load(copy.path(), &device).unwrap_err().to_string()
    };
    let nan = TensorData::new(vec![f32::NAN; 8], [1, 8]);
    assert!(refused(nan).ends_with("tensor `score.weight` holds NaN; all elements must be finite"));
    let two = TensorData::new(vec![0.0_f32; 16], [2, 8]);
    assert_eq!(refused(two), "`score.weight` has shape [2, 8]; expected [1, 8]: a single score");
    let mut changed = saved.clone();
    changed.remove("score.weight");
    std::fs::write(&path, to_bytes(&changed, None).unwrap()).unwrap();
    assert!(matches!(RewardModel::load(copy.path(), &device), Err(LoadError::NoScore(_))));
}
