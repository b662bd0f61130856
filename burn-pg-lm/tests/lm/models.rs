//! Forward passes and gradients of GPT-2 and Llama, compared with those of `transformers`.

use burn_pg::{
    burn::{
        module::{Module, ModuleMapper, ModuleVisitor, Param},
        tensor::{DType, Device, Tensor, TensorData},
    },
    device::Backend,
    storage::{
        Tensors,
        tensors::{into_module, of_module},
    },
};
use burn_pg_lm::{
    Texts,
    model::{Family, Shape, Transformer, from_hugging_face, to_hugging_face},
};
use serde_json::Value;

use crate::helpers::{assert_close, devices, golden, lists, numbers, tensors, types};

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

/// Converts all weights to a float type.
pub struct As(pub DType);

impl ModuleMapper for As {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|tensor| tensor.cast(self.0).detach().require_grad())
    }
}

/// Returns a transformer with these weights, on a device with autodiff.
pub fn transformer(shape: &Shape, weights: Tensors, device: &Device, dtype: DType) -> Transformer {
    let empty = Transformer::zeros(shape, device).map(&mut As(dtype));
    let needed = of_module(&empty).unwrap();
    into_module(empty, from_hugging_face(weights, shape).unwrap(), &needed).unwrap()
}

/// Returns the gradients of all weights of a module by their names.
pub fn gradients(module: &impl Module, loss: &Tensor<1>) -> Tensors {
    let of_loss = loss.backward();
    let mut gradients = Gradients { of_loss: &of_loss, path: Vec::new(), found: Tensors::new() };
    module.visit(&mut gradients);
    gradients.found
}

pub fn llama(config: &Value, tied: bool) -> Shape {
    let number = |key: &str| usize::try_from(config[key].as_u64().unwrap()).unwrap();
    Shape {
        family: Family::Llama { rope_theta: config["rope_theta"].as_f64().unwrap() },
        vocabulary: number("vocab_size"),
        context: number("max_position_embeddings"),
        width: number("hidden_size"),
        hidden: number("intermediate_size"),
        blocks: number("num_hidden_layers"),
        heads: number("num_attention_heads"),
        groups: number("num_key_value_heads"),
        head: number("head_dim"),
        epsilon: config["rms_norm_eps"].as_f64().unwrap(),
        tied,
    }
}

pub fn gpt2(config: &Value) -> Shape {
    let number = |key: &str| usize::try_from(config[key].as_u64().unwrap()).unwrap();
    Shape {
        family: Family::Gpt2,
        vocabulary: number("vocab_size"),
        context: number("n_positions"),
        width: number("n_embd"),
        hidden: 4 * number("n_embd"),
        blocks: number("n_layer"),
        heads: number("n_head"),
        groups: number("n_head"),
        head: number("n_embd") / number("n_head"),
        epsilon: config["layer_norm_epsilon"].as_f64().unwrap(),
        tied: true,
    }
}

/// Returns the log-probabilities of all tokens of texts but the first ones, from the hidden states that they need.
fn token_log_probs_at(model: &Transformer, texts: &Texts) -> Tensor<1> {
    let positions: Vec<_> = texts.ranges().map(|range| 0..range.len().saturating_sub(1)).collect();
    let targets: Vec<u32> = texts.iter().flat_map(|text| &text[1.min(text.len())..]).copied().collect();
    model.log_probs(model.hidden_at(texts, &positions), &targets)
}

/// Returns the log-probabilities of all tokens of texts but the first ones.
fn token_log_probs(model: &Transformer, texts: &Texts) -> Tensor<1> {
    let rows: Vec<usize> = texts.ranges().flat_map(|range| range.start..range.end.saturating_sub(1)).collect();
    let targets: Vec<u32> = rows.iter().map(|&row| texts.tokens()[row + 1]).collect();
    let indices: Vec<i64> = rows.iter().map(|&row| i64::try_from(row).unwrap()).collect();
    let chosen = model.hidden(texts).select(0, Tensor::from_data(TensorData::from(&indices[..]), &model.device()));
    model.log_probs(chosen, &targets)
}

/// Returns the recorded loss: minus the sum of the log-probabilities, each times a factor.
pub fn token_loss(model: &Transformer, texts: &Texts, factors: &[f64]) -> Tensor<1> {
    weighted(token_log_probs(model, texts), factors)
}

fn weighted(log_probs: Tensor<1>, factors: &[f64]) -> Tensor<1> {
    let factors = TensorData::new(factors.to_vec(), log_probs.dims()).convert_dtype(log_probs.dtype());
    let factors = Tensor::<1>::from_data(factors, (&log_probs.device(), log_probs.dtype()));
    -(log_probs * factors).sum()
}

/// Compares logits, log-probabilities, and the gradients of all weights.
fn check(shape: &Shape, weights: &Value, data: &Value, expected: &Value) {
    let texts: Texts = lists(&data["sequences"]).into_iter().collect();
    for (backend, device) in devices() {
        for &dtype in types(backend) {
            let what = format!("{:?}, {backend}, {dtype:?}", shape.family);
            let bound = |key: &str, double: f64| match dtype {
                DType::F64 => double,
                _ => (10.0 * expected[key].as_f64().unwrap()).max(1e-5),
            };
            let model = transformer(shape, tensors(weights, dtype), &device.clone().autodiff(), dtype);
            let logits = values(model.logits(model.hidden(&texts)));
            assert_close(&logits, &numbers(&expected["logits"]).0, bound("float32_logits_max_abs_error", 1e-10), &what);

            let found = values(token_log_probs(&model, &texts));
            assert_close(
                &found,
                &numbers(&expected["token_logp"]).0,
                bound("float32_logits_max_abs_error", 1e-10),
                &what,
            );

            let at = token_log_probs_at(&model, &texts);
            if backend == Backend::Flex {
                assert_eq!(values(at.clone()), found, "the same bits");
            }
            for log_probs in [token_log_probs(&model, &texts), at] {
                let loss = weighted(log_probs, &numbers(&data["coef"]).0);
                let found = to_hugging_face(gradients(&model, &loss), shape);
                let names: Vec<&String> = expected["grads"].as_object().unwrap().keys().collect();
                assert_eq!(found.len(), names.len(), "{what}");
                for name in names {
                    let gradient: Vec<f64> = found[name].iter::<f64>().collect();
                    // On ndarray, Burn computes some derivatives in single precision: gradients of Llama are off by some 1e-8.
                    let double = if backend == Backend::NdArray { 1e-7 } else { 1e-10 };
                    let bound = bound("float32_grad_max_abs_error", double);
                    assert_close(&gradient, &numbers(&expected["grads"][name]).0, bound, &format!("{what}, {name}"));
                }
            }
        }
    }
}

/// Collects the gradients of all weights by their names.
struct Gradients<'a> {
    of_loss: &'a burn_pg::burn::tensor::Gradients,
    path: Vec<String>,
    found: Tensors,
}

impl ModuleVisitor for Gradients<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let gradient = parameter.val().grad(self.of_loss).expect("every weight has a gradient");
        self.found.insert(self.path.join("."), gradient.into_data());
    }
}

#[test]
fn llama_computes_what_transformers_computes() {
    let data = golden("tiny_llama");
    for case in data["cases"].as_array().unwrap() {
        let tied = case["tie_word_embeddings"].as_bool().unwrap();
        let mut weights = data["weights"].clone();
        if tied {
            weights.as_object_mut().unwrap().remove("lm_head.weight");
        }
        check(&llama(&data["config"], tied), &weights, &data, &case["expected"]);
    }
}

#[test]
fn gpt2_computes_what_transformers_computes() {
    let data = golden("gpt2_generation");
    check(&gpt2(&data["config"]), &data["weights"], &data, &data["expected"]);
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() {
    let (_, device) = devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap();
    let device = device.autodiff();
    let [of_llama, of_gpt2] = ["tiny_llama", "gpt2_generation"].map(golden);
    for (shape, data) in [(llama(&of_llama["config"], false), of_llama), (gpt2(&of_gpt2["config"]), of_gpt2)] {
        let model = transformer(&shape, tensors(&data["weights"], DType::F32), &device, DType::F32);
        // Enough rows that every kernel cuts them.
        let texts: Texts = (0..24_u32).map(|i| (0..9).map(|j| (7 * i + 3 * j) % 13).collect::<Vec<_>>()).collect();
        let factors: Vec<f64> = (0..24 * 8).map(|i| f64::from(i % 7) - 3.0).collect();
        let on = |threads: usize| {
            burn_pg::kernel::with_threads(threads, || gradients(&model, &token_loss(&model, &texts, &factors)))
        };
        let (one, two) = (on(1), on(2));
        for (name, gradient) in &one {
            assert!(gradient == &two[name], "{:?}: {name}", shape.family);
        }
    }
}
