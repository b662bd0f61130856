//! Whole updates of language models, compared with those of TRL: losses, gradients of all weights, and the weights after a step.

use burn_pg::{
    advantage::GrpoScale,
    burn::tensor::{DType, Tensor},
    loss::{Averaging, ContextPart, CorrectedKl, KlEstimator, KlToReference, Objective, PpoClip},
    optim::{AdamWSpec, OptimiserSpec, flatten_parameters, replace_parameters},
    source::Samples,
    storage::tensors::of_module,
    update::Learner,
};
use burn_pg_lm::{
    Texts,
    learning::{Columns, Credit, Sample, TextBatch, TextPolicy},
    model::to_hugging_face,
};
use serde_json::Value;

use crate::{
    helpers::{assert_close, devices, golden, lists, numbers, tensors, types},
    models::{gpt2, transformer, values},
};

/// A recorded batch.
struct Recorded<'a> {
    case: &'a Value,
    lengths: Vec<usize>,
}

impl<'a> Recorded<'a> {
    fn new(case: &'a Value) -> Self {
        let lengths = lists(&case["completions"]).iter().map(Vec::len).collect();
        Self { case, lengths }
    }

    /// Returns the recorded numbers of tokens, without what stands behind the end of a completion.
    fn tokens(&self, of: &Value) -> Vec<f64> {
        let rows = of.as_array().unwrap().iter().zip(&self.lengths);
        rows.flat_map(|(row, &length)| numbers(row).0.into_iter().take(length)).collect()
    }

    fn rewards(&self) -> Vec<f64> {
        numbers(&self.case["rewards"]).0
    }

    fn group_size(&self) -> usize {
        usize::try_from(self.case["group_size"].as_u64().unwrap()).unwrap()
    }

    /// Returns the batch with these advantages of its completions.
    fn batch(&self, advantages: &[f64], averaging: Averaging, sample: Sample) -> TextBatch {
        let (prompts, completions) = (lists(&self.case["prompts"]), lists(&self.case["completions"]));
        let texts: Texts = prompts.into_iter().zip(completions).map(|pair| [pair.0, pair.1].concat()).collect();
        let mut columns = Columns::default();
        columns.set(ContextPart::OldLogProbs, narrow(&self.tokens(&self.case["old_token_logp"])));
        columns.set(ContextPart::ReferenceLogProbs, narrow(&self.tokens(&self.case["ref_token_logp"])));
        let of_tokens = advantages.iter().zip(&self.lengths);
        let of_tokens: Vec<f64> =
            of_tokens.flat_map(|(&advantage, &length)| std::iter::repeat_n(advantage, length)).collect();
        columns.set(ContextPart::Advantages, narrow(&of_tokens));
        TextBatch { texts, lengths: self.lengths.clone(), columns, averaging, sample, ..TextBatch::default() }
    }
}

#[allow(clippy::cast_possible_truncation)] // columns are in single precision
fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&number| number as f32).collect()
}

/// Compares the loss, the gradients, and, if they are recorded, the weights after a step of AdamW.
fn check(
    data: &Value,
    objective: &dyn Fn() -> Objective,
    batch: &TextBatch,
    expected: &Value,
    micro: usize,
    what: &str,
) {
    let shape = gpt2(&data["config"]);
    for (backend, device) in devices() {
        for &dtype in types(backend) {
            let what = format!("{what}, {backend} {dtype:?}");
            // Columns are in single precision, which moves losses and gradients by some 1e-8.
            let bound = if dtype == DType::F64 { 1e-7 } else { 1e-5 };
            let policy = || {
                let model = transformer(&shape, tensors(&data["weights"], dtype), &device.clone().autodiff(), dtype);
                TextPolicy::new(model)
            };
            let optimiser = OptimiserSpec::AdamW(AdamWSpec { weight_decay: 0.0, ..AdamWSpec::default() });
            let mut learner = Learner::new(objective(), optimiser.build());
            learner.micro_batch_size = (micro > 1).then(|| Samples::<TextPolicy>::num_rows(batch).div_ceil(micro));
            learner.max_grad_norm = 1.0;
            let model = policy();
            let (gradient, metrics) = learner.gradient(&model, batch.clone());
            let loss = metrics.iter().find(|(name, _)| *name == "loss").unwrap();
            assert_close(&values(loss.1.clone()), &[expected["loss"].as_f64().unwrap()], bound, &what);
            if let Some(gradients) = expected.get("grads") {
                compare(&model, gradient.clone(), gradients, bound, &what);
            }
            if let Some(norm) = expected.get("grad_norm") {
                let found = values(gradient.square().sum().sqrt());
                assert_close(&found, &[norm.as_f64().unwrap()], bound, &what);
            }
            if let Some(after) = expected.get("weights_after") {
                let (stepped, _) = learner.step(&model, batch.clone(), 1e-3);
                // Where a gradient is almost 0, the first step of Adam depends on its last digits.
                let bound = if dtype == DType::F64 { 1e-6 } else { 1e-3 };
                compare(&model, flatten_parameters(&stepped), after, bound, &what);
            }
        }
    }
}

/// Compares a vector of one number for each weight with recorded tensors.
#[track_caller]
fn compare(model: &TextPolicy, flat: Tensor<1>, expected: &Value, bound: f64, what: &str) {
    let placed = replace_parameters(model.model().clone(), flat);
    let found = to_hugging_face(of_module(&placed).unwrap(), model.model().shape());
    for (name, expected) in expected.as_object().unwrap() {
        let found: Vec<f64> = found[name].iter::<f64>().collect();
        assert_close(&found, &numbers(expected).0, bound, &format!("{what}, {name}"));
    }
}

#[test]
fn updates_of_groups_are_those_of_trl() {
    let data = golden("grpo_step");
    for case in data["cases"].as_array().unwrap() {
        let recorded = Recorded::new(case);
        for loss in case["losses"].as_array().unwrap() {
            let micro = usize::try_from(loss["micro_batches"].as_u64().unwrap()).unwrap();
            let kind = loss["loss_type"].as_str().unwrap();
            let (averaging, beta) = (averaging(kind, &data), loss["beta"].as_f64().unwrap());
            // Averages of each part of a batch, which then depend on how it is cut.
            if kind == "bnpo" && micro > 1 {
                continue;
            }
            let scale = match loss["advantages"].as_str().unwrap() {
                "group" => GrpoScale::Group,
                "batch" => GrpoScale::Batch,
                _ => GrpoScale::Unscaled,
            };
            let rewards = recorded.rewards();
            let none = vec![0.0; rewards.len()];
            let advantages = Credit::Grpo(scale).of_completions(&rewards, &none, recorded.group_size()).unwrap();
            let batch = recorded.batch(&advantages, averaging, Sample::Token);
            let corrected = loss["use_bias_correction_kl"].as_bool().unwrap();
            let objective = || {
                let clip = Objective::new().with(1.0, PpoClip::new(0.2));
                match (beta > 0.0, corrected) {
                    (false, _) => clip,
                    (true, true) => clip.with(beta, CorrectedKl),
                    (true, false) => clip.with(beta, KlToReference { estimator: KlEstimator::K3 }),
                }
            };
            check(&data, &objective, &batch, &loss["expected"], micro, &format!("{} {kind} {beta}", case["name"]));
        }
    }
}

fn averaging(kind: &str, data: &Value) -> Averaging {
    match kind {
        "grpo" => Averaging::Sequence,
        "bnpo" | "dapo" => Averaging::Token,
        "dr_grpo" => Averaging::Constant(data["max_completion_length"].as_f64().unwrap()),
        other => panic!("{other}"),
    }
}

#[test]
fn updates_of_whole_completions_are_those_of_trl() {
    let data = golden("rloo_step");
    for case in data["cases"].as_array().unwrap() {
        let recorded = Recorded::new(case);
        for loss in case["losses"].as_array().unwrap() {
            let (beta, expected) = (loss["beta"].as_f64().unwrap(), &loss["expected"]);
            let [old, reference] = ["old_token_logp", "ref_token_logp"].map(|key| recorded.tokens(&case[key]));
            let mut differences = old.iter().zip(&reference).map(|(old, reference)| old - reference);
            let divergences: Vec<f64> =
                recorded.lengths.iter().map(|&length| differences.by_ref().take(length).sum()).collect();
            assert_close(&divergences, &numbers(&expected["kl_per_sequence"]).0, 1e-9, "divergences");
            let rewards = recorded.rewards();
            let rewards: Vec<f64> = rewards.iter().zip(&divergences).map(|(reward, kl)| reward - beta * kl).collect();
            let credit = Credit::Rloo { normalize: loss["normalize_advantages"].as_bool().unwrap() };
            let none = vec![0.0; rewards.len()];
            let advantages = credit.of_completions(&rewards, &none, recorded.group_size()).unwrap();
            assert_close(&advantages, &numbers(&expected["advantages"]).0, 1e-9, "advantages");
            let batch = recorded.batch(&advantages, Averaging::Token, Sample::Completion);
            let objective = || Objective::new().with(1.0, PpoClip::new(0.2));
            check(&data, &objective, &batch, expected, 1, &format!("{} beta {beta}", case["name"]));
            check(&data, &objective, &batch, expected, 3, &format!("{} beta {beta}, in parts", case["name"]));
        }
    }
}
