//! The final figures of a run, and its model as a folder.

use std::{collections::HashMap, fs, path::Path, sync::Arc};

use burn::module::Module;
use burn_pg::{Error, source::Samples};
use serde::Serialize;

use super::{Around, Ready, TaskError};
use crate::{
    FileError,
    learning::{PairBatch, StoredPairs, StoredTexts, TextPolicy, TokenPair, scores},
    model::{self, LanguageModel, Lora},
    reward::{Accuracy, RewardModel, Scorer, accuracy_of_related},
};

/// Texts that are read at once.
const ROWS: usize = 16;

/// What examples that were held out say of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum Figures {
    /// How well texts are predicted.
    Texts {
        /// Number of texts.
        texts: usize,
        /// Number of tokens that were predicted.
        tokens: usize,
        /// Mean negative log-likelihood of a token, in nats.
        loss: f64,
        /// `exp(loss)`
        perplexity: f64,
    },
    /// How well preferences are predicted.
    Pairs {
        /// Number of pairs without ties.
        pairs: usize,
        /// Share of the pairs whose preferred text has the higher score.
        accuracy: f64,
        /// The ends of its 95 % interval: by a bootstrap over prompts or texts, if pairs share them.
        interval: [f64; 2],
        /// How often a preference was right, by the probability that the model gave it.
        calibration: Vec<Calibration>,
    },
    /// Nothing was held out.
    Nothing,
}

/// Preferences to which a model gives a probability in a range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Calibration {
    /// The range, from 0.5 on: a model that gives less prefers the other text.
    pub range: [f64; 2],
    /// Number of pairs.
    pub pairs: usize,
    /// Mean of the probabilities.
    pub predicted: f64,
    /// Share of the pairs in which the preferred text is the one that the model prefers.
    pub observed: f64,
}

impl Ready {
    /// Returns the configuration, the tokenizer and the chat template of the model.
    #[must_use]
    pub fn around(&self) -> &Around {
        match self {
            Self::Texts { around, .. }
            | Self::Pairs { around, .. }
            | Self::Reward { around, .. }
            | Self::Rl { around, .. } => around,
        }
    }
}

/// Returns how well a policy predicts texts.
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn of_texts(policy: &TextPolicy, held_out: &StoredTexts) -> Result<Figures, Error> {
    if held_out.lengths.is_empty() {
        return Ok(Figures::Nothing);
    }
    let policy = policy.valid();
    let (mut sum, mut tokens) = (0.0, 0);
    let rows: Vec<usize> = (0..held_out.lengths.len()).collect();
    for part in rows.chunks(ROWS) {
        let batch = held_out.select(part);
        let log_probs = batch.context(&policy).log_probs();
        let data = log_probs.try_into_data().map_err(|error| Error::Execution(error.to_string()))?;
        sum -= data.iter::<f64>().sum::<f64>();
        tokens += data.num_elements();
    }
    let loss = sum / tokens as f64;
    Ok(Figures::Texts { texts: rows.len(), tokens, loss, perplexity: loss.exp() })
}

/// Returns how well a policy predicts preferences, by the rewards that it stands for.
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn of_pairs(policy: &TextPolicy, held_out: &StoredPairs, beta: f64) -> Result<Figures, Error> {
    let policy = policy.valid();
    let mut logits = Vec::new();
    for part in held_out.pairs.chunks(ROWS) {
        let StoredPairs { reference, per_token, .. } = held_out;
        let batch = PairBatch {
            pairs: part.to_vec(),
            reference: reference.as_ref().map(Arc::clone),
            per_token: *per_token,
            progress: 1.0,
        };
        let context = batch.context(&policy);
        let logit = (context.log_probs() - context.reference_log_probs()) * beta;
        let data = logit.try_into_data().map_err(|error| Error::Execution(error.to_string()))?;
        logits.extend(data.iter::<f64>());
    }
    Ok(of_logits(logits, held_out))
}

/// Returns how well a reward model predicts preferences.
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn of_scorer(scorer: &Scorer, held_out: &StoredPairs) -> Result<Figures, Error> {
    let scorer = scorer.valid();
    let [chosen, rejected] = [0, 1].map(|side| {
        let texts = held_out.pairs.iter().map(|pair| {
            let completion = if side == 0 { &pair.chosen } else { &pair.rejected };
            [&pair.prompt[..], &completion[..]].concat()
        });
        scores(&scorer, &texts.collect(), ROWS)
    });
    let logits = chosen?.into_iter().zip(rejected?).map(|(chosen, rejected)| chosen - rejected).collect();
    Ok(of_logits(logits, held_out))
}

/// Returns figures from the logits of preferences. Ties are left out.
fn of_logits(logits: Vec<f64>, held_out: &StoredPairs) -> Figures {
    let (logits, pairs): (Vec<f64>, Vec<&TokenPair>) =
        logits.into_iter().zip(&held_out.pairs).filter(|(_, pair)| !pair.is_tie).unzip();
    let accuracy = accuracy_of_related(&logits, &vec![0.0; logits.len()], &units(&pairs));
    let Some(Accuracy { share, interval, pairs }) = accuracy else {
        return Figures::Nothing;
    };
    Figures::Pairs { pairs, accuracy: share, interval, calibration: calibration(&logits) }
}

/// Returns numbers for what pairs have in common: their prompts, or, if all have the same, their texts.
fn units<'a>(pairs: &[&'a TokenPair]) -> Vec<[usize; 2]> {
    let mut numbers: HashMap<&'a [u32], usize> = HashMap::new();
    let mut number = |tokens: &'a [u32]| {
        let next = numbers.len();
        *numbers.entry(tokens).or_insert(next)
    };
    let is_same_prompt = pairs.windows(2).all(|two| two[0].prompt == two[1].prompt);
    let of_pair = |&pair: &&'a TokenPair| match is_same_prompt {
        true => [number(&pair.chosen), number(&pair.rejected)],
        false => [number(&pair.prompt); 2],
    };
    pairs.iter().map(of_pair).collect()
}

/// Returns how often preferences were right, in five ranges of the probability that they were given.
fn calibration(logits: &[f64]) -> Vec<Calibration> {
    let edges = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
    let probability = |logit: f64| 1.0 / (1.0 + (-logit.abs()).exp());
    let of_range = |range: [f64; 2]| {
        let inside: Vec<f64> = logits
            .iter()
            .copied()
            .filter(|&logit| {
                let probability = probability(logit);
                probability >= range[0] && (probability < range[1] || range[1] == 1.0)
            })
            .collect();
        let count = inside.len() as f64;
        let predicted = inside.iter().map(|&logit| probability(logit)).sum::<f64>() / count;
        let right = inside.iter().filter(|&&logit| logit > 0.0).count() as f64;
        Calibration { range, pairs: inside.len(), predicted, observed: right / count }
    };
    edges.windows(2).map(|pair| of_range([pair[0], pair[1]])).filter(|range| range.pairs > 0).collect()
}

/// Saves a policy as a folder of Hugging Face, with its adapters added to the weights.
///
/// # Errors
/// [`TaskError::Model`] or [`TaskError::File`] if the folder cannot be written.
pub fn save_policy(policy: &TextPolicy, around: &Around, folder: &Path) -> Result<(), TaskError> {
    create(folder)?;
    let model = LanguageModel {
        config: around.config.clone(),
        transformer: policy.model().valid(),
        tokenizer: (*around.tokenizer).clone(),
        template: None,
    };
    model.save(folder).map_err(|error| TaskError::Model { folder: folder.into(), error })
}

/// Saves a reward model as a folder of Hugging Face, with its adapters added to the weights.
///
/// # Errors
/// As [`save_policy`].
pub fn save_scorer(scorer: &Scorer, around: &Around, folder: &Path) -> Result<(), TaskError> {
    create(folder)?;
    let model = RewardModel {
        config: around.config.clone(),
        scorer: scorer.valid(),
        tokenizer: (*around.tokenizer).clone(),
        template: None,
    };
    model.save(folder).map_err(|error| TaskError::Model { folder: folder.into(), error })
}

/// Saves the adapters of a policy as PEFT reads them; the base, which is in the folder `base`, is not saved.
///
/// # Errors
/// As [`save_policy`]; [`TaskError::Setting`] if the model is not a Llama.
pub fn save_adapters(policy: &TextPolicy, lora: &Lora, base: &Path, folder: &Path) -> Result<(), TaskError> {
    create(folder)?;
    model::save_adapters(policy.model(), lora, base, folder)
        .map_err(|error| TaskError::Model { folder: folder.into(), error })
}

/// Saves the adapters and the head of a reward model as PEFT reads them; the base, which is in the folder `base`, is not saved.
///
/// # Errors
/// As [`save_adapters`].
pub fn save_scorer_adapters(scorer: &Scorer, lora: &Lora, base: &Path, folder: &Path) -> Result<(), TaskError> {
    create(folder)?;
    scorer.save_adapters(lora, base, folder).map_err(|error| TaskError::Model { folder: folder.into(), error })
}

fn create(folder: &Path) -> Result<(), TaskError> {
    fs::create_dir_all(folder).map_err(|source| FileError::Write { path: folder.into(), source }.into())
}
