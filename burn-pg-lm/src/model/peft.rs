//! The names and layouts of adapters in PEFT's files.

use std::path::Path;

use burn_pg::storage::{
    Tensors,
    tensors::{from_bytes, into_module, metadata, of_module, to_bytes},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    LoadError, Lora, NamesError, Target, Transformer, fingerprint,
    names::{LLAMA, transposed},
};
use crate::files;

/// The file with the sizes of adapters.
const CONFIG: &str = "adapter_config.json";
/// The file with their weights.
const ADAPTERS: &str = "adapter_model.safetensors";

/// The key of the fingerprint of the base among the metadata of the weights. PEFT does not read it.
const BASE_KEY: &str = "base_sha256";
/// What the names of all weights begin with.
const BASE: &str = "base_model.model.model.layers.";
/// The two matrices, and ours.
const MATRICES: [(&str, &str); 2] = [(".lora_A.weight", ".adapter.a"), (".lora_B.weight", ".adapter.b")];

/// Returns the adapters of a Llama under our names, from those of a file of PEFT (`adapter_model.safetensors`).
///
/// # Errors
/// [`NamesError`]. Whether the tensors fit a model is not checked here.
pub fn adapters_from_peft(tensors: &Tensors) -> Result<Tensors, NamesError> {
    let ours = tensors.iter().map(|(name, data)| {
        let ours = ours(name).ok_or_else(|| NamesError::Unknown(name.clone()))?;
        Ok((ours, transposed(name, data)?))
    });
    ours.collect()
}

/// Returns the adapters of a Llama under the names and in the layouts of PEFT.
///
/// # Errors
/// [`NamesError::Unknown`] for a tensor that is not a part of an adapter of Llama: PEFT has one adapter for queries, keys and values
/// of GPT-2 together.
pub fn adapters_to_peft(tensors: &Tensors) -> Result<Tensors, NamesError> {
    let theirs = tensors.iter().map(|(name, data)| {
        let theirs = theirs(name).ok_or_else(|| NamesError::Unknown(name.clone()))?;
        Ok((theirs, transposed(name, data)?))
    });
    theirs.collect()
}

fn ours(name: &str) -> Option<String> {
    let (theirs, matrix) = MATRICES.iter().find(|(theirs, _)| name.ends_with(theirs))?;
    let (block, map) = name.strip_prefix(BASE)?.strip_suffix(theirs)?.split_once('.')?;
    let (_, map) = LLAMA.iter().find(|(theirs, _)| *theirs == map)?;
    Some(format!("blocks.{block}.{map}{matrix}"))
}

fn theirs(name: &str) -> Option<String> {
    let (matrix, ours) = MATRICES.iter().find(|(_, ours)| name.ends_with(ours))?;
    let (block, map) = name.strip_prefix("blocks.")?.strip_suffix(ours)?.split_once('.')?;
    let (map, _) = LLAMA.iter().find(|(_, ours)| *ours == map)?;
    Some(format!("{BASE}{block}.{map}{matrix}"))
}

/// The maps of a block of Llama at Hugging Face.
fn their_name(target: Target) -> &'static str {
    let ours = match target {
        Target::Query => "attention.query",
        Target::Key => "attention.key",
        Target::Value => "attention.value",
        Target::Output => "attention.output",
        Target::Gate => "mlp.gate",
        Target::Up => "mlp.up",
        Target::Down => "mlp.down",
    };
    let (theirs, _) = LLAMA.iter().find(|(_, name)| *name == ours).expect("every map has a name");
    theirs.rsplit('.').next().expect("a name has a last part")
}

/// Other keys of such a file, which say nothing about how trained adapters are applied.
const HARMLESS: [&str; 16] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_dropout",
    "megatron_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "task_type",
];

/// What is read of a file with the sizes of adapters.
#[derive(Deserialize)]
struct Config {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    target_modules: Vec<String>,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    #[serde(default)]
    rank_pattern: Map<String, Value>,
    #[serde(default)]
    init_lora_weights: Value,
    #[serde(default)]
    lora_bias: bool,
    #[serde(default)]
    bias: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Config {
    /// Returns what is set to a value that is not supported, if something is. (Some ways to initialise adapters change the base too.)
    fn unsupported(&self) -> Option<&str> {
        let changes_base = self.init_lora_weights.as_str().is_some_and(|kind| kind != "gaussian");
        let others = [
            ("use_rslora", self.use_rslora),
            ("use_dora", self.use_dora),
            ("modules_to_save", self.modules_to_save.as_ref().is_some_and(|modules| !modules.is_empty())),
            ("alpha_pattern", !self.alpha_pattern.is_empty()),
            ("rank_pattern", !self.rank_pattern.is_empty()),
            ("init_lora_weights", changes_base),
            ("lora_bias", self.lora_bias),
            ("bias", self.bias.as_ref().is_some_and(|bias| bias != "none")),
        ];
        let known = others.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key);
        let is_set = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Array(values) => !values.is_empty(),
            Value::Object(values) => !values.is_empty(),
            Value::Number(_) | Value::String(_) => true,
        };
        let mut unknown = self.others.iter().filter(|(key, value)| !HARMLESS.contains(&key.as_str()) && is_set(value));
        known.or_else(|| unknown.next().map(|(key, _)| key.as_str()))
    }
}

/// Saves the adapters of a Llama into a folder, which must exist, as PEFT reads them.
///
/// # Errors
/// [`LoadError::Names`] if the model is not a Llama; [`LoadError::File`] if a file cannot be written; [`LoadError::Fit`] if the device
/// fails.
pub fn save_adapters(model: &Transformer, lora: &Lora, folder: &Path) -> Result<(), LoadError> {
    let theirs = adapters_to_peft(&of_module(model).map_err(LoadError::Fit)?)?;
    let targets: Vec<&str> = lora.targets.iter().copied().map(their_name).collect();
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": targets,
    });
    files::write(&folder.join(CONFIG), format!("{config:#}\n").as_bytes())?;
    let base = fingerprint(&model.clone().without_adapters()).map_err(LoadError::Fit)?;
    let metadata = [("format".to_owned(), "pt".to_owned()), (BASE_KEY.to_owned(), base)].into();
    files::write(&folder.join(ADAPTERS), &to_bytes(&theirs, Some(metadata)).map_err(LoadError::Fit)?)?;
    Ok(())
}

/// Loads adapters of PEFT into a Llama. Its own weights are frozen. Adapters that this crate saved name the weights that they were trained on; of
/// others, this is not known.
///
/// # Errors
/// [`LoadError`] if the adapters are of another kind or another base, do not fit the model, or cannot be read.
pub fn load_adapters(model: Transformer, folder: &Path) -> Result<Transformer, LoadError> {
    let path = folder.join(CONFIG);
    let config: Config = files::json(&path, &files::read(&path)?)?;
    let unsupported =
        |what: &str| LoadError::Adapters { path: path.clone(), reason: format!("{what} is not supported") };
    if config.peft_type != "LORA" {
        return Err(unsupported(&format!("`peft_type` {:?}", config.peft_type)));
    }
    if let Some(key) = config.unsupported() {
        return Err(unsupported(&format!("what `{key}` is set to")));
    }
    let Config { r, lora_alpha, target_modules, .. } = config;
    let target = |name: &String| {
        let known = Target::ALL.into_iter().find(|&target| their_name(target) == name);
        known.ok_or_else(|| unsupported(&format!("an adapter of `{name}`")))
    };
    let targets = target_modules.iter().map(target).collect::<Result<_, _>>()?;
    let lora = Lora { rank: r, alpha: lora_alpha, targets };
    if let Some(reason) = lora.mistake() {
        return Err(LoadError::Adapters { path, reason });
    }
    let weights = folder.join(ADAPTERS);
    let bytes = files::read(&weights)?;
    let damaged = |error| LoadError::Weights { path: weights.clone(), error };
    let (theirs, base) = (from_bytes(&bytes).map_err(damaged)?, metadata(&bytes, BASE_KEY).map_err(damaged)?);
    if let Some(base) = base
        && fingerprint(&model).map_err(LoadError::Fit)? != base
    {
        let reason = "the adapters were trained on another model, and fit only its weights".into();
        return Err(LoadError::Adapters { path: weights, reason });
    }
    let ours = adapters_from_peft(&theirs)?;
    let dtype = model.dtype();
    let ours = ours.into_iter().map(|(name, data)| (name, data.convert_dtype(dtype))).collect();
    let adapted = model.with_adapters(&lora, 0);
    let expected = of_module(&adapted).map_err(LoadError::Fit)?;
    into_module(adapted, ours, &expected).map_err(LoadError::Fit)
}
