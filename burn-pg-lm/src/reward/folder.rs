//! Reward models in Hugging Face's folders.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_pg::storage::tensors::{TensorsError, into_module, of_module, to_bytes};

use super::Scorer;
use crate::{
    ChatTemplate, ModelConfig, Tokenizer, files,
    model::{
        LanguageModel, LoadError, Lora, Shape, Transformer, WEIGHTS, check_vocabulary, from_hugging_face,
        load_adapters, peft, read_weights, to_hugging_face,
    },
};

/// The name of the head.
const SCORE: &str = "score.weight";

/// A reward model with its tokenizer.
#[derive(Debug)]
pub struct RewardModel {
    /// The configuration of its body.
    pub config: ModelConfig,
    /// The weights.
    pub scorer: Scorer,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// How conversations are written, if the model has a template.
    pub template: Option<ChatTemplate>,
}

impl RewardModel {
    /// Loads a reward model from a folder of Hugging Face (`LlamaForSequenceClassification` or `GPT2ForSequenceClassification` with a
    /// single label), with its weights in single precision on `device`.
    ///
    /// # Errors
    /// Any [`LoadError`].
    pub fn load(folder: &Path, device: &Device) -> Result<Self, LoadError> {
        if peft::has_adapters_alone(folder) {
            let reason = "there are adapters without the model that they belong to; `burn-pg lm import MODEL OUT --adapters` adds them to its \
                          weights";
            return Err(LoadError::Adapters { path: folder.into(), reason: reason.into() });
        }
        let config = ModelConfig::load(folder)?;
        let (tokenizer, template) = (Tokenizer::load(folder)?, ChatTemplate::load(folder)?);
        check_vocabulary(&tokenizer, &config)?;
        let mut tensors = read_weights(folder)?;
        let score = tensors.remove(SCORE).ok_or_else(|| LoadError::NoScore(folder.into()))?;
        // There is no head for tokens.
        let shape = Shape { tied: true, ..Shape::from(&config) };
        let weights = from_hugging_face(tensors, &shape)?.into_iter();
        let weights = weights.map(|(name, data)| (name, data.convert_dtype(DType::F32))).collect();
        let empty = Transformer::zeros(&shape, device);
        let needed = of_module(&empty).map_err(LoadError::Fit)?;
        let body = into_module(empty, weights, &needed).map_err(LoadError::Fit)?;
        let score = head(score, shape.width, device)?;
        let pad = config.pad();
        Ok(Self { config, scorer: Scorer::new(body).with_score(score).with_pad(pad), tokenizer, template })
    }

    /// Saves the model into a folder, which must exist, as `transformers` reads it. The weights are in single precision.
    ///
    /// # Errors
    /// As [`LanguageModel::save`](crate::model::LanguageModel::save).
    pub fn save(&self, folder: &Path) -> Result<(), LoadError> {
        let body = self.scorer.body.clone().merged().with_frozen(false);
        let mut theirs = to_hugging_face(of_module(&body).map_err(LoadError::Fit)?, body.shape());
        theirs.insert(SCORE.into(), self.scorer.head()?);
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        let bytes = to_bytes(&theirs, Some(metadata)).map_err(LoadError::Fit)?;
        files::write(&folder.join(WEIGHTS), &bytes)?;
        self.config.save_for_scores(folder)?;
        self.tokenizer.save(folder)?;
        Ok(())
    }
}

/// Returns the token that reward models skip at the end of a text. As in TRL, it is the padding token of the configuration, or that of the
/// tokenizer, or else the end token.
pub(crate) fn pad_of(config: &ModelConfig, tokenizer: &Tokenizer) -> Option<u32> {
    config.pad().or(tokenizer.pad()).or(tokenizer.end())
}

/// A model with adapters of PEFT.
#[derive(Debug)]
pub enum Adapted {
    /// A language model.
    Policy(LanguageModel),
    /// A reward model: the adapters are those of a sequence classifier.
    Reward(RewardModel),
}

impl Adapted {
    /// Loads adapters of a model. Its own weights are frozen.
    ///
    /// # Errors
    /// Any [`LoadError`], as from [`load_adapters`] and [`Scorer::load_adapters`].
    pub fn load(model: LanguageModel, folder: &Path) -> Result<Self, LoadError> {
        let LanguageModel { config, transformer, tokenizer, template } = model;
        if !peft::is_of_reward_model(folder)? {
            let transformer = load_adapters(transformer, folder)?;
            return Ok(Self::Policy(LanguageModel { config, transformer, tokenizer, template }));
        }
        let pad = pad_of(&config, &tokenizer);
        let scorer = Scorer::load_adapters(transformer.without_head(), pad, folder)?;
        Ok(Self::Reward(RewardModel { config: config.with_pad(pad), scorer, tokenizer, template }))
    }
}

impl Scorer {
    /// Loads a reward model that is adapters of `base`, from a folder of PEFT. Its body shares the weights of `base`, which has no head for
    /// tokens and is frozen. Scores are read at the last token that is not `pad`.
    ///
    /// # Errors
    /// Any [`LoadError`]; [`LoadError::Adapters`] if they were trained on another base.
    pub fn load_adapters(base: Transformer, pad: Option<u32>, folder: &Path) -> Result<Self, LoadError> {
        let (width, device) = (base.shape().width, base.device());
        let (body, score) = peft::load(base, folder, true)?;
        let score = score.ok_or_else(|| LoadError::NoScore(folder.into()))?;
        Ok(Self::new(body).with_score(head(score, width, &device)?).with_pad(pad))
    }

    /// Saves the adapters and the head into a folder, which must exist, as PEFT reads them. `base` is the folder of the model that they belong to.
    ///
    /// # Errors
    /// As [`save_adapters`](crate::model::save_adapters).
    pub fn save_adapters(&self, lora: &Lora, base: &Path, folder: &Path) -> Result<(), LoadError> {
        peft::save(&self.body, lora, base, Some(self.head()?), folder)
    }

    /// Returns the head as files have it. Shape `[1, C]`.
    fn head(&self) -> Result<TensorData, LoadError> {
        let data = self.score.val().transpose().try_into_data();
        data.map_err(|error| LoadError::Fit(TensorsError::Device { reason: error.to_string() }))
    }
}

/// Returns the head of a reward model of this width. Shape `[C, 1]`.
fn head(score: TensorData, width: usize, device: &Device) -> Result<Tensor<2>, LoadError> {
    if score.shape().to_vec() != [1, width] {
        return Err(LoadError::Score { found: score.shape().to_vec(), width });
    }
    if let Some(value) = score.iter::<f64>().find(|value| !value.is_finite()) {
        return Err(LoadError::Fit(TensorsError::NonFinite { name: SCORE.into(), value }));
    }
    Ok(Tensor::<2>::from_data(score.convert_dtype(DType::F32), device).transpose())
}
