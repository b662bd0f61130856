//! Adapters in files of PEFT.

mod config;
mod names;

use std::path::Path;

use burn::tensor::TensorData;
use burn_pg::storage::tensors::{from_bytes, into_module, metadata, of_module, to_bytes};

use super::{LoadError, Lora, Transformer, fingerprint};
use crate::{config as model_config, files};
use config::{CONFIG, config_of};

pub(crate) use config::{is_of_reward_model, lora_in};
pub use names::{adapters_from_peft, adapters_to_peft};

/// The file with the weights of adapters.
const ADAPTERS: &str = "adapter_model.safetensors";

/// The key of the fingerprint of the base among the metadata of the weights. PEFT does not read it.
const BASE_KEY: &str = "base_sha256";
/// The name of the head of a reward model.
const SCORE: &str = "base_model.model.score.weight";

/// True if a folder has adapters without the model that they belong to.
pub(crate) fn has_adapters_alone(folder: &Path) -> bool {
    folder.join(CONFIG).is_file() && !folder.join(model_config::FILE).exists()
}

/// Saves the adapters of a Llama into a folder, which must exist, as PEFT reads them. `base` is the folder of the model that they belong to, from which
/// other programs load it.
///
/// # Errors
/// [`LoadError::Names`] if the model is not a Llama; [`LoadError::File`] if a file cannot be written; [`LoadError::Fit`] if the device
/// fails.
pub fn save_adapters(model: &Transformer, lora: &Lora, base: &Path, folder: &Path) -> Result<(), LoadError> {
    save(model, lora, base, None, folder)
}

/// Saves adapters, with the head (shape `[1, C]`) if they are those of a reward model.
pub(crate) fn save(
    model: &Transformer,
    lora: &Lora,
    base: &Path,
    score: Option<TensorData>,
    folder: &Path,
) -> Result<(), LoadError> {
    let mut theirs = adapters_to_peft(&of_module(model).map_err(LoadError::Fit)?)?;
    let config = config_of(lora, base, score.is_some());
    files::write(&folder.join(CONFIG), format!("{config:#}\n").as_bytes())?;
    theirs.extend(score.map(|score| (SCORE.to_owned(), score)));
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
    Ok(load(model, folder, false)?.0)
}

/// Loads adapters, and the head (shape `[1, C]`) if they are those of a reward model.
pub(crate) fn load(
    model: Transformer,
    folder: &Path,
    has_head: bool,
) -> Result<(Transformer, Option<TensorData>), LoadError> {
    let lora = lora_in(folder, has_head)?;
    let weights = folder.join(ADAPTERS);
    let bytes = files::read(&weights)?;
    let damaged = |error| LoadError::Weights { path: weights.clone(), error };
    let (mut theirs, base) = (from_bytes(&bytes).map_err(damaged)?, metadata(&bytes, BASE_KEY).map_err(damaged)?);
    if let Some(base) = base
        && fingerprint(&model).map_err(LoadError::Fit)? != base
    {
        let reason = "the adapters were trained on another model, and fit only its weights".into();
        return Err(LoadError::Adapters { path: weights, reason });
    }
    let score = if has_head { theirs.remove(SCORE) } else { None };
    let ours = adapters_from_peft(&theirs)?;
    let dtype = model.dtype();
    let ours = ours.into_iter().map(|(name, data)| (name, data.convert_dtype(dtype))).collect();
    let adapted = model.with_adapters(&lora, 0);
    let expected = of_module(&adapted).map_err(LoadError::Fit)?;
    Ok((into_module(adapted, ours, &expected).map_err(LoadError::Fit)?, score))
}
