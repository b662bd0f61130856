//! The file with the sizes of adapters.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{LoadError, Lora, Target},
    names::their_name,
};
use crate::files;

/// The file with the sizes of adapters.
pub(super) const CONFIG: &str = "adapter_config.json";
/// PEFT's names for the head of a reward model. A model has one of them.
const HEADS: [&str; 2] = ["classifier", "score"];

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
    /// Returns what is set to a value that is not supported, if something is. (Some ways to initialise adapters change the base too.) Only a
    /// reward model has a head.
    fn unsupported(&self, has_head: bool) -> Option<&str> {
        let is_other = |module: &String| !has_head || !HEADS.contains(&module.as_str());
        let changes_base = self.init_lora_weights.as_str().is_some_and(|kind| kind != "gaussian");
        let others = [
            ("use_rslora", self.use_rslora),
            ("use_dora", self.use_dora),
            ("modules_to_save", self.modules_to_save.as_ref().is_some_and(|modules| modules.iter().any(is_other))),
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

/// Returns what such a file says of adapters of the model in the folder `base`; of those of a reward model if `has_head`.
pub(super) fn config_of(lora: &Lora, base: &Path, has_head: bool) -> Value {
    let targets: Vec<&str> = lora.targets.iter().copied().map(their_name).collect();
    let (task, heads) = if has_head { ("SEQ_CLS", json!(HEADS)) } else { ("CAUSAL_LM", Value::Null) };
    json!({
        "peft_type": "LORA",
        "task_type": task,
        "base_model_name_or_path": base,
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": targets,
        "modules_to_save": heads,
    })
}

/// True if the adapters in a folder of PEFT say that they are those of a reward model.
///
/// # Errors
/// [`LoadError::File`] if their file cannot be read.
pub(crate) fn is_of_reward_model(folder: &Path) -> Result<bool, LoadError> {
    let path = folder.join(CONFIG);
    let config: Value = files::json(&path, &files::read(&path)?)?;
    Ok(config["task_type"] == "SEQ_CLS")
}

/// Reads the sizes of the adapters in a folder of PEFT; those of a reward model if `has_head`.
///
/// # Errors
/// [`LoadError`] if they are of another kind, or cannot be read.
pub(crate) fn lora_in(folder: &Path, has_head: bool) -> Result<Lora, LoadError> {
    let path = folder.join(CONFIG);
    let config: Config = files::json(&path, &files::read(&path)?)?;
    let unsupported =
        |what: &str| LoadError::Adapters { path: path.clone(), reason: format!("{what} is not supported") };
    if config.peft_type != "LORA" {
        return Err(unsupported(&format!("`peft_type` {:?}", config.peft_type)));
    }
    if let Some(key) = config.unsupported(has_head) {
        return Err(unsupported(&format!("what `{key}` is set to")));
    }
    let Config { r, lora_alpha, target_modules, .. } = config;
    let target = |name: &String| {
        let known = Target::ALL.into_iter().find(|&target| their_name(target) == name);
        known.ok_or_else(|| unsupported(&format!("an adapter of `{name}`")))
    };
    let targets = target_modules.iter().map(target).collect::<Result<_, _>>()?;
    let lora = Lora { rank: r, alpha: lora_alpha, targets };
    match lora.mistake() {
        Some(reason) => Err(LoadError::Adapters { path, reason }),
        None => Ok(lora),
    }
}
