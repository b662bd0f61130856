//! Rewards of decoded texts, and of models, for the tokens that a policy writes.

use std::sync::Arc;

use burn_pg::Error;
use serde_json::{Map, Value};

use super::{Reward, Written, batch::in_parts};
use crate::{
    Texts, Tokenizer,
    reward::{Answer, Scorer, TextReward},
};

/// A reward that reads text: tokens are decoded for it.
pub struct Decoded<R> {
    tokenizer: Arc<Tokenizer>,
    /// What else the line of each prompt says, if that is to be shown.
    columns: Arc<[Map<String, Value>]>,
    reward: R,
}

impl<R: TextReward> Decoded<R> {
    /// Creates a reward of the texts that a tokenizer makes of tokens.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, reward: R) -> Self {
        Self { tokenizer, columns: Arc::new([]), reward }
    }

    /// Shows the reward what else the line of each prompt says. One object for each prompt of the source.
    #[must_use]
    pub fn with_columns(self, columns: Arc<[Map<String, Value>]>) -> Self {
        Self { columns, ..self }
    }
}

impl<R: TextReward> Reward for Decoded<R> {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        let decode = |tokens: &[u32]| {
            let decoded = self.tokenizer.decode(tokens);
            decoded.map_err(|error| Error::Source { name: "the tokenizer".into(), source: error.into() })
        };
        let decoded: Result<Vec<[String; 2]>, Error> = texts
            .iter()
            .map(|text| {
                // The end token is not text.
                let end = text.completion.len() - usize::from(text.ended);
                Ok([decode(text.prompt)?, decode(&text.completion[..end])?])
            })
            .collect();
        let decoded = decoded?;
        let answers = decoded.iter().zip(texts).map(|([prompt, completion], text)| Answer {
            columns: self.columns.get(text.index),
            prompt,
            completion,
            ended: text.ended,
        });
        self.reward.score(&answers.collect::<Vec<_>>())
    }
}

/// The score of a reward model, which reads a prompt with its completion.
pub struct Scored {
    scorer: Scorer,
    /// Texts that are read at once.
    rows: usize,
}

impl Scored {
    /// Creates a reward of a model, which must be without autodiff, that reads `rows` texts at once.
    ///
    /// # Panics
    /// If `rows` is 0.
    #[must_use]
    pub fn new(scorer: Scorer, rows: usize) -> Self {
        assert!(rows > 0, "at least one text is read at once");
        Self { scorer, rows }
    }
}

impl Reward for Scored {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        let whole = |text: &Written<'_>| [text.prompt, text.completion].concat();
        scores(&self.scorer, &texts.iter().map(whole).collect(), self.rows)
    }
}

/// Returns the scores of texts, of which `rows` are read at once.
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn scores(scorer: &Scorer, texts: &Texts, rows: usize) -> Result<Vec<f64>, Error> {
    let texts: Vec<&[u32]> = texts.iter().collect();
    in_parts(texts.chunks(rows).collect(), scorer.body.is_computed_in_parts(), |part| {
        let part = scorer.scores(&part.iter().copied().collect());
        let data = part.try_into_data().map_err(|error| Error::Execution(error.to_string()))?;
        Ok(data.iter::<f64>().collect())
    })
}
