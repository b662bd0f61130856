//! Reward models in Hugging Face's folders.

use std::path::Path;

use burn::tensor::{DType, Device, Tensor};
use burn_pg::storage::tensors::{TensorsError, into_module, of_module, to_bytes};

use super::Scorer;
use crate::{
    ChatTemplate, ModelConfig, Tokenizer, files,
    model::{
        LoadError, Shape, Transformer, WEIGHTS, check_vocabulary, from_hugging_face, read_weights, to_hugging_face,
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
        if score.shape().to_vec() != [1, shape.width] {
            return Err(LoadError::Score { found: score.shape().to_vec(), width: shape.width });
        }
        if let Some(value) = score.iter::<f64>().find(|value| !value.is_finite()) {
            return Err(LoadError::Fit(TensorsError::NonFinite { name: SCORE.into(), value }));
        }
        let pad = config.pad();
        let score = Tensor::<2>::from_data(score.convert_dtype(DType::F32), device).transpose();
        Ok(Self { config, scorer: Scorer::new(body).with_score(score).with_pad(pad), tokenizer, template })
    }

    /// Saves the model into a folder, which must exist, as `transformers` reads it. The weights are in single precision.
    ///
    /// # Errors
    /// As [`LanguageModel::save`](crate::model::LanguageModel::save).
    pub fn save(&self, folder: &Path) -> Result<(), LoadError> {
        let body = self.scorer.body.clone().merged().with_frozen(false);
        let mut theirs = to_hugging_face(of_module(&body).map_err(LoadError::Fit)?, body.shape());
        let head = of_module(&self.scorer).map_err(LoadError::Fit)?.remove("score").expect("a scorer has a head");
        let width = head.num_elements();
        theirs.insert(
            SCORE.into(),
            burn::tensor::TensorData::from_bytes_vec(head.as_bytes().to_vec(), vec![1, width], head.dtype()),
        );
        let metadata = [("format".to_owned(), "pt".to_owned())].into();
        let bytes = to_bytes(&theirs, Some(metadata)).map_err(LoadError::Fit)?;
        files::write(&folder.join(WEIGHTS), &bytes)?;
        self.config.save_for_scores(folder)?;
        self.tokenizer.save(folder)?;
        Ok(())
    }
}
