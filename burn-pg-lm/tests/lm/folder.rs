//! Models in folders: saved and loaded, and refused.

use std::{collections::BTreeMap, fs, path::Path};

use burn_pg::{
    burn::{
        module::{Module, ModuleMapper, Param},
        tensor::{DType, Tensor, TensorData},
    },
    envs::EnvRng,
    storage::{
        Tensors,
        tensors::{from_bytes, to_bytes},
    },
};
use burn_pg_lm::{
    ModelConfig, Texts, Tokenizer,
    model::{LanguageModel, LoadError, Shape, Transformer},
};

use crate::{helpers::devices, models::values};

/// Sets all weights to random numbers.
pub struct Random(pub EnvRng);

impl ModuleMapper for Random {
    #[allow(clippy::cast_possible_truncation)] // to single precision
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| {
            let numbers: Vec<f32> = (0..old.shape().num_elements()).map(|_| self.0.normal() as f32 * 0.3).collect();
            let new = Tensor::from_data(TensorData::new(numbers, old.shape()), &old.device());
            if old.is_require_grad() { new.require_grad() } else { new }
        })
    }
}

/// Saves a small model with the tokenizer of the fixture.
fn saved(folder: &Path, config: &str) -> LanguageModel {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny");
    let (tokenizer, config) = (Tokenizer::load(&fixture).unwrap(), ModelConfig::parse(config).unwrap());
    let (_, device) = devices().remove(0);
    let transformer = Transformer::zeros(&Shape::from(&config), &device).map(&mut Random(EnvRng::new(3)));
    let model = LanguageModel { config, transformer, tokenizer, template: None };
    model.save(folder).unwrap();
    model
}

const GPT2: &str = r#"{"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 401, "n_positions": 32,
    "n_embd": 8, "n_layer": 2, "n_head": 2, "activation_function": "gelu_new"}"#;
const LLAMA: &str = r#"{"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 400, "hidden_size": 8,
    "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 4,
    "max_position_embeddings": 32, "hidden_act": "silu", "tie_word_embeddings": false}"#;

fn loaded(folder: &Path) -> Result<LanguageModel, LoadError> {
    LanguageModel::load(folder, &devices().remove(0).1)
}

fn weights(folder: &Path) -> Tensors {
    from_bytes(&fs::read(folder.join("model.safetensors")).unwrap()).unwrap()
}

fn write(folder: &Path, name: &str, tensors: &Tensors) {
    fs::write(folder.join(name), to_bytes(tensors, None).unwrap()).unwrap();
}

#[test]
fn a_model_is_saved_and_loaded_in_one_file_or_several_and_in_half_precision() {
    for config in [GPT2, LLAMA] {
        let folder = tempfile::tempdir().unwrap();
        let model = saved(folder.path(), config);
        let texts: Texts = [model.tokenizer.encode("Now the poor old fox"), vec![5, 6]].into_iter().collect();
        let logits = |model: &LanguageModel| values(model.transformer.logits(model.transformer.hidden(&texts)));
        let again = loaded(folder.path()).unwrap();
        assert_eq!((logits(&again), &again.config), (logits(&model), &model.config));

        let whole = weights(folder.path());
        let half: Tensors =
            whole.iter().map(|(name, data)| (name.clone(), data.clone().convert_dtype(DType::BF16))).collect();
        write(folder.path(), "model.safetensors", &half);
        let rounded = logits(&loaded(folder.path()).unwrap());
        let differences = rounded.iter().zip(logits(&model)).map(|(rounded, exact)| (rounded - exact).abs());
        let largest = differences.fold(0.0, f64::max);
        assert!(largest > 0.0 && largest < 0.1, "{largest}");

        fs::remove_file(folder.path().join("model.safetensors")).unwrap();
        let (first, second): (Tensors, Tensors) = whole.into_iter().partition(|(name, _)| name.len() % 2 == 0);
        let shards = [("model-1.safetensors", first), ("model-2.safetensors", second)];
        let mut map = BTreeMap::new();
        for (file, tensors) in &shards {
            write(folder.path(), file, tensors);
            map.extend(tensors.keys().map(|name| (name.clone(), *file)));
        }
        let index = serde_json::json!({ "metadata": {}, "weight_map": map });
        fs::write(folder.path().join("model.safetensors.index.json"), index.to_string()).unwrap();
        assert_eq!(logits(&loaded(folder.path()).unwrap()), logits(&model));

        // A weight in two files, and a file without its weights.
        let [(_, first), (_, second)] = &shards;
        let mut both = second.clone();
        both.extend(first.clone().into_iter().take(1));
        write(folder.path(), "model-2.safetensors", &both);
        let error = loaded(folder.path()).unwrap_err();
        assert!(
            matches!(&error, LoadError::Shards { missing, unexpected } if missing.is_empty() && unexpected.len() == 1),
            "{error}"
        );
        write(folder.path(), "model-2.safetensors", &Tensors::new());
        let error = loaded(folder.path()).unwrap_err();
        assert!(matches!(&error, LoadError::Shards { missing, .. } if missing.len() == second.len()), "{error}");
        fs::remove_file(folder.path().join("model-2.safetensors")).unwrap();
        assert!(matches!(loaded(folder.path()).unwrap_err(), LoadError::File(_)));
        let outside = index.to_string().replace("model-2", "../model-2");
        fs::write(folder.path().join("model.safetensors.index.json"), outside).unwrap();
        assert!(
            matches!(loaded(folder.path()).unwrap_err(), LoadError::Outside(name) if name == "../model-2.safetensors")
        );
    }
}

#[test]
fn weights_that_do_not_fit_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), LLAMA);
    let whole = weights(folder.path());
    let refused = |change: &dyn Fn(&mut Tensors)| {
        let mut changed = whole.clone();
        change(&mut changed);
        write(folder.path(), "model.safetensors", &changed);
        loaded(folder.path()).unwrap_err().to_string()
    };
    let head = |numbers: Vec<f32>, shape: [usize; 2]| TensorData::new(numbers, shape);
    let error =
        refused(&|weights| drop(weights.insert("model.layers.0.mlp.extra.weight".into(), head(vec![0.0; 4], [2, 2]))));
    assert!(error.contains("`model.layers.0.mlp.extra.weight` is not a part of this family"), "{error}");
    let error = refused(&|weights| drop(weights.remove("model.norm.weight")));
    assert!(error.contains("missing [norm.scale]"), "{error}");
    let error = refused(&|weights| drop(weights.insert("lm_head.weight".into(), head(vec![0.0; 8], [1, 8]))));
    assert!(error.contains("tensor `head` is F32[1, 8], but the network needs F32[400, 8]"), "{error}");
    let mut numbers = vec![0.0_f32; 3200];
    numbers[7] = f32::NAN;
    let error = refused(&|weights| drop(weights.insert("lm_head.weight".into(), head(numbers.clone(), [400, 8]))));
    assert!(error.contains("tensor `head` holds NaN"), "{error}");

    fs::write(folder.path().join("model.safetensors"), b"no tensors").unwrap();
    assert!(matches!(loaded(folder.path()).unwrap_err(), LoadError::Weights { .. }));
    fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let error = loaded(folder.path()).unwrap_err().to_string();
    assert!(error.contains("has no `model.safetensors`") && !error.contains("pickled"), "{error}");
    fs::write(folder.path().join("pytorch_model.bin"), b"").unwrap();
    let error = loaded(folder.path()).unwrap_err().to_string();
    assert!(error.contains("pickled file, which can run code"), "{error}");
}

#[test]
fn a_tokenizer_with_more_tokens_than_the_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    saved(folder.path(), &GPT2.replace("401", "399"));
    let error = loaded(folder.path()).unwrap_err();
    assert!(matches!(error, LoadError::Vocabulary { model: 399, .. }), "{error}");
}
