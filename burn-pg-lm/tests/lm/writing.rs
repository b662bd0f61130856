//! What models write: compared with `transformers`, and with what training sees.

use burn_pg::{
    burn::{
        module::Module,
        tensor::{DType, Tensor, TensorData},
    },
    device::Backend,
    envs::EnvRng,
    kernel::with_threads,
};
use burn_pg_lm::{
    Texts,
    generate::{Choice, Completion, Continuation, Limit, Writer, complete},
    learning::TextPolicy,
    model::{LanguageModel, Shape, Transformer},
};
use serde_json::Value;

use crate::{
    folder::Random,
    helpers::{assert_close, devices, golden, lists, numbers, tensors},
    models::{gpt2, llama, transformer},
};

fn model(shape: &Shape, weights: &Value) -> Transformer {
    let (_, device) = devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap();
    transformer(shape, tensors(weights, DType::F32), &device.autodiff(), DType::F32).valid()
}

fn models() -> Vec<(Shape, Value)> {
    let [of_llama, of_gpt2] = ["tiny_llama", "gpt2_generation"].map(golden);
    let shapes = [llama(&of_llama["config"], false), gpt2(&of_gpt2["config"])];
    shapes.into_iter().zip([of_llama, of_gpt2]).collect()
}

#[test]
fn models_write_what_transformers_write_with_the_same_random_numbers() {
    let mut texts = 0;
    for (shape, data) in models() {
        let model = model(&shape, &data["weights"]);
        let writer = Writer::<f64>::new(&model).unwrap();
        let generation = match data.get("generation") {
            Some(generation) => generation,
            None => &data["cases"][0]["generation"],
        };
        let prompts: Texts = lists(&generation["prompts"]).into_iter().collect();
        for case in generation["cases"].as_array().unwrap() {
            let temperature = case["temperature"].as_f64().unwrap_or(0.0);
            let end = case["eos_token_id"].as_u64().map(|end| u32::try_from(end).unwrap());
            let tokens = usize::try_from(case["max_new_tokens"].as_u64().unwrap()).unwrap();
            let rows = case["rows"].as_array().unwrap();
            let uniforms: Vec<Vec<f64>> =
                rows.iter().map(|row| row.get("uniforms").map_or(Vec::new(), |u| numbers(u).0)).collect();
            let mut streams: Vec<_> = uniforms
                .into_iter()
                .map(|uniforms| {
                    let mut uniforms = uniforms.into_iter();
                    move || uniforms.next().unwrap()
                })
                .collect();
            let choice = Choice { temperature, ..Choice::default() };
            let written =
                complete(&writer, &prompts, &choice, &Limit { tokens, ends: end.into_iter().collect() }, &mut streams);
            for (written, row) in written.iter().zip(rows) {
                assert_eq!(
                    written.tokens,
                    serde_json::from_value::<Vec<u32>>(row["tokens"].clone()).unwrap(),
                    "{}",
                    case["name"]
                );
                assert_eq!(written.ended, row["stopped"].as_bool().unwrap());
                for ((token, log_prob), logits) in written
                    .tokens
                    .iter()
                    .zip(&written.log_probs)
                    .zip(row.get("logits").and_then(Value::as_array).into_iter().flatten())
                {
                    let logits = numbers(logits).0;
                    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
                    assert_close(&[*log_prob], &[logits[*token as usize] - sum.ln()], 1e-10, "log-probability");
                }
                texts += 1;
            }
        }
    }
    assert!(texts >= 12);
}

/// Returns the log-probabilities and the values of completions as training computes them, as bits.
fn trained(policy: &TextPolicy, prompts: &Texts, completions: &[Vec<u32>]) -> Vec<Vec<[u32; 2]>> {
    let texts: Texts =
        prompts.iter().zip(completions).map(|(prompt, completion)| [prompt, completion].concat()).collect();
    let rows =
        texts.ranges().zip(completions).flat_map(|(range, completion)| range.end - completion.len() - 1..range.end - 1);
    let rows: Vec<i64> = rows.map(|row| i64::try_from(row).unwrap()).collect();
    let hidden = policy.model().hidden(&texts);
    let device = hidden.device();
    let hidden = hidden.select(0, Tensor::from_data(TensorData::from(&rows[..]), &device));
    let numbers = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
    let log_probs = numbers(policy.model().log_probs(hidden.clone(), &completions.concat()));
    let values = numbers(policy.values(hidden).unwrap());
    let mut bits = log_probs.iter().zip(&values).map(|(log_prob, value)| [log_prob, value].map(|x| x.to_bits()));
    completions.iter().map(|completion| bits.by_ref().take(completion.len()).collect()).collect()
}

#[test]
fn a_token_has_the_same_bits_when_it_is_sampled_and_when_it_is_trained() {
    for (shape, data) in models() {
        let model = model(&shape, &data["weights"]).with_frozen(true);
        // Only the value head is random.
        let policy = TextPolicy::new(model).with_value_head().map(&mut Random(EnvRng::new(5)));
        let writer = policy.writer().unwrap();
        let prompts: Texts = [&[3, 1, 4][..], &[1], &[3, 1, 4], &[5, 9, 2, 6, 5], &[3, 1, 4]].into_iter().collect();
        let written = |threads: usize| {
            with_threads(threads, || {
                let mut streams: Vec<_> = (0..5).map(EnvRng::new).map(|mut rng| move || rng.next_f64()).collect();
                let limit = Limit { tokens: 15, ends: vec![7] };
                complete(&writer, &prompts, &Choice::default(), &limit, &mut streams)
            })
        };
        let completions = written(1);
        assert_eq!(completions, written(2));
        let tokens: Vec<Vec<u32>> = completions.iter().map(|completion| completion.tokens.clone()).collect();
        let bits = |completion: &Completion<f32>| {
            let numbers = completion.log_probs.iter().zip(&completion.values);
            numbers.map(|(log_prob, value)| [log_prob, value].map(|x| x.to_bits())).collect()
        };
        let sampled: Vec<Vec<[u32; 2]>> = completions.iter().map(bits).collect();
        assert!(sampled.iter().zip(&tokens).all(|(sampled, tokens)| sampled.len() == tokens.len()));
        assert_eq!(trained(&policy, &prompts, &tokens), sampled, "{:?}", shape.family);
        // Beside other texts, and alone.
        for (i, prompt) in prompts.iter().enumerate() {
            let alone: Texts = [prompt].into_iter().collect();
            assert_eq!(trained(&policy, &alone, &tokens[i..=i]), sampled[i..=i]);
        }
    }
}

#[test]
fn a_text_that_is_read_in_pieces_is_read_as_one() {
    for (shape, data) in models() {
        let writer = Writer::<f32>::new(&model(&shape, &data["weights"])).unwrap();
        let text: Vec<u32> = (0..12).map(|i| i * 5 % 13).collect();
        let read = |pieces: &[usize]| {
            let (mut caches, mut start, mut hidden) = (vec![writer.cache()], 0, Vec::new());
            for &piece in pieces {
                let texts: Texts = [&text[start..start + piece]].into_iter().collect();
                hidden = writer.read(&mut caches, &texts);
                start += piece;
            }
            assert_eq!((caches[0].len(), caches[0].is_empty()), (12, false));
            writer.logits(&hidden)
        };
        let whole = read(&[12]);
        assert_eq!(read(&[1; 12]), whole);
        assert_eq!(read(&[5, 1, 6]), whole);
    }
}

/// `BURN_PG_SMOLLM2` names the folder of SmolLM2-135M-Instruct, which is not part of this repository; without it, the test says so.
#[test]
fn smollm2_writes_what_transformers_write() {
    let Some(folder) = std::env::var_os("BURN_PG_SMOLLM2").map(std::path::PathBuf::from) else {
        eprintln!("skipped: BURN_PG_SMOLLM2 is not set");
        return;
    };
    let (_, device) = devices().remove(0);
    let model = LanguageModel::load(&folder, &device).unwrap();
    let writer = Writer::<f32>::new(&model.transformer).unwrap();
    let data = golden("smollm2_greedy");
    for row in data["rows"].as_array().unwrap() {
        let prompt = model.tokenizer.encode(row["prompt"].as_str().unwrap());
        assert_eq!(serde_json::to_value(&prompt).unwrap(), row["prompt_ids"]);
        let mut text = Continuation::new(&writer, &prompt);
        let expected: Vec<u32> = serde_json::from_value(row["greedy_ids"].clone()).unwrap();
        let log_probs = numbers(&row["token_logp"]).0;
        for (token, log_prob) in expected.into_iter().zip(log_probs) {
            let (found, of_found) = text.next(&Choice::greedy(), || 0.0).unwrap();
            assert_eq!(found, token, "{}", row["prompt"]);
            assert_close(&[f64::from(of_found)], &[log_prob], 2e-3, "log-probability");
        }
    }
}
