//! Models in Hugging Face's folders.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Device};
use burn_pg::storage::{
    Tensors,
    tensors::{TensorsError, from_bytes, into_module, of_module, to_bytes},
};
use serde::Deserialize;

use super::{NamesError, Shape, Transformer, from_hugging_face, to_hugging_face};
use crate::{
    ChatTemplate, ModelConfig, Tokenizer,
    config::ConfigError,
    files::{self, FileError},
    template::TemplateError,
    tokenizer::TokenizerError,
};

/// The file with the weights of a model.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// The file that says which weights are in which file, if there are several.
const INDEX: &str = "model.safetensors.index.json";
/// The file with the weights in a format that can run code when it is read.
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// A model with its tokenizer.
#[derive(Debug)]
pub struct LanguageModel {
    /// The configuration.
    pub config: ModelConfig,
    /// The weights.
    pub transformer: Transformer,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// How conversations are written, if the model has a template.
    pub template: Option<ChatTemplate>,
}

/// Why a model is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The configuration is not supported.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The tokenizer is not supported.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template has a mistake.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// There are no weights.
    #[error("{} has no `{WEIGHTS}` and no `{INDEX}`{}", .folder.display(), if *.pickled {
        "; its weights are in a pickled file, which can run code when it is read: convert them to safetensors"
    } else {
        ""
    })]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// True if there are weights in a pickled file.
        pickled: bool,
    },
    /// A file is not in the `safetensors` format.
    #[error("{}: {error}", .path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: TensorsError,
    },
    /// The index names a file outside the folder.
    #[error("`{INDEX}` names the file `{0}`, which is not in the folder")]
    Outside(String),
    /// The files have other weights than the index says.
    #[error("the files of the weights do not fit `{INDEX}`: missing [{}], unexpected [{}]", .missing.join(", "), .unexpected.join(", "))]
    Shards {
        /// Weights that the index has and the files lack.
        missing: Vec<String>,
        /// Weights that are in a file without being in the index there.
        unexpected: Vec<String>,
    },
    /// The weights are those of another family of models.
    #[error(transparent)]
    Names(#[from] NamesError),
    /// The weights do not fit the configuration, are not finite, or the device failed.
    #[error("the weights do not fit `config.json`: {0}")]
    Fit(TensorsError),
    /// The folder has no reward model.
    #[error("{} has no `score.weight`: it is not a reward model", .0.display())]
    NoScore(PathBuf),
    /// The head of a reward model does not give one score.
    #[error("`score.weight` has shape {found:?}; expected [1, {width}]: a single score")]
    Score {
        /// Its shape.
        found: Vec<usize>,
        /// Width of hidden states.
        width: usize,
    },
    /// Adapters are of a kind that is not supported.
    #[error("{}: {reason}", .path.display())]
    Adapters {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The tokenizer has tokens that the model does not know.
    #[error("the tokenizer has {tokenizer} tokens, but the model knows {model}")]
    Vocabulary {
        /// Number of tokens of the tokenizer.
        tokenizer: usize,
        /// Number of tokens of the model.
        model: usize,
    },
}

impl LanguageModel {
    /// Loads a model from a folder of Hugging Face, with its weights in single precision on `device`.
    ///
    /// # Errors
    /// Any [`LoadError`].
    pub fn load(folder: &Path, device: &Device) -> Result<Self, LoadError> {
        let config = ModelConfig::load(folder)?;
        let tokenizer = Tokenizer::load(folder)?;
        check_vocabulary(&tokenizer, &config)?;
        let template = ChatTemplate::load(folder)?;
        let shape = Shape::from(&config);
        let weights = from_hugging_face(read_weights(folder)?, &shape)?.into_iter();
        let weights = weights.map(|(name, data)| (name, data.convert_dtype(DType::F32))).collect();
        let empty = Transformer::zeros(&shape, device);
        let needed = of_module(&empty).map_err(LoadError::Fit)?;
        let transformer = into_module(empty, weights, &needed).map_err(LoadError::Fit)?;
        Ok(Self { config, transformer, tokenizer, template })
    }

    /// Saves the model into a folder, which must exist, as `transformers` reads it. The weights are in single precision. Adapters are added to
    /// them.
    ///
    /// # Errors
    /// [`LoadError::Fit`] if the device fails; [`LoadError::File`], [`LoadError::Config`] or [`LoadError::Tokenizer`] if a file
    /// cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), LoadError> {
        let whole = self.transformer.clone().merged().with_frozen(false);
        let tensors = of_module(&whole).map_err(LoadError::Fit)?;
        let theirs = to_hugging_face(tensors, self.transformer.shape());
        // `transformers` needs to know that the layout is that of PyTorch.
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        let bytes = to_bytes(&theirs, Some(metadata)).map_err(LoadError::Fit)?;
        files::write(&folder.join(WEIGHTS), &bytes)?;
        self.config.save(folder)?;
        self.tokenizer.save(folder)?;
        Ok(())
    }
}

/// Refuses a tokenizer that has tokens which the model does not know.
pub(crate) fn check_vocabulary(tokenizer: &Tokenizer, config: &ModelConfig) -> Result<(), LoadError> {
    let (tokenizer, model) = (tokenizer.vocab_size(), config.vocab_size());
    if tokenizer > model { Err(LoadError::Vocabulary { tokenizer, model }) } else { Ok(()) }
}

/// Which weights are in which file.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// Reads the weights of a folder, from one file or from shards.
pub(crate) fn read_weights(folder: &Path) -> Result<Tensors, LoadError> {
    let whole = folder.join(WEIGHTS);
    if fs::symlink_metadata(&whole).is_ok() {
        return read_file(&whole);
    }
    let index = folder.join(INDEX);
    if fs::symlink_metadata(&index).is_err() {
        let pickled = PICKLED.iter().any(|name| folder.join(name).exists());
        return Err(LoadError::NoWeights { folder: folder.into(), pickled });
    }
    let Index { weight_map } = files::json(&index, &files::read(&index)?)?;
    let mut all = Tensors::new();
    let mut unexpected = Vec::new();
    for name in weight_map.values().collect::<BTreeSet<_>>() {
        if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
            return Err(LoadError::Outside(name.clone()));
        }
        for (weight, data) in read_file(&folder.join(name))? {
            match weight_map.get(&weight) {
                Some(file) if file == name => drop(all.insert(weight, data)),
                _ => unexpected.push(format!("{weight} in {name}")),
            }
        }
    }
    let missing: Vec<String> = weight_map.into_keys().filter(|weight| !all.contains_key(weight)).collect();
    match missing.is_empty() && unexpected.is_empty() {
        true => Ok(all),
        false => Err(LoadError::Shards { missing, unexpected }),
    }
}

fn read_file(path: &Path) -> Result<Tensors, LoadError> {
    from_bytes(&files::read(path)?).map_err(|error| LoadError::Weights { path: path.into(), error })
}
