//! Rewards of decoded texts, and of models, for the tokens that a policy writes.

use std::sync::Arc;

use burn_pg::Error;
use serde_json::{Map, Value};

use super::{Reward, Written, batch::in_parts};
use crate::{
    Texts, Tokenizer,
    reward::{Answer, Scorer, TextReward},
};

/// What a file says of a prompt.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// The text of the prompt; if it is missing, the tokens of the prompt are decoded.
    pub prompt: Option<String>,
    /// All other keys of the line.
    pub columns: Map<String, Value>,
}

/// A reward that reads text: tokens are decoded for it.
pub struct Decoded<R> {
    tokenizer: Arc<Tokenizer>,
    /// The lines of the prompts in their file, if the reward is to see them.
    lines: Vec<Line>,
    reward: R,
}

impl<R: TextReward> Decoded<R> {
    /// Creates a reward of the texts that a tokenizer makes of tokens.
    #[must_use]
    pub fn new(tokenizer: Arc<Tokenizer>, reward: R) -> Self {
        Self { tokenizer, lines: Vec::new(), reward }
    }

    /// Shows the reward what the file says of each prompt of the source.
    #[must_use]
    pub fn with_lines(self, lines: Vec<Line>) -> Self {
        Self { lines, ..self }
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
                let prompt = match self.lines.get(text.index).and_then(|line| line.prompt.as_ref()) {
                    Some(prompt) => prompt.clone(),
                    None => decode(text.prompt)?,
                };
                Ok([prompt, decode(&text.completion[..end])?])
            })
            .collect();
        let decoded = decoded?;
        let answers = decoded.iter().zip(texts).map(|([prompt, completion], text)| Answer {
            columns: self.lines.get(text.index).map(|line| &line.columns),
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
    /// What follows the end token, for each prompt of the source.
    tails: Vec<Vec<u32>>,
}

impl Scored {
    /// Creates a reward of a model, which must be without autodiff, that reads `rows` texts at once.
    ///
    /// # Panics
    /// If `rows` is 0.
    #[must_use]
    pub fn new(scorer: Scorer, rows: usize) -> Self {
        assert!(rows > 0, "at least one text is read at once");
        Self { scorer, rows, tails: Vec::new() }
    }

    /// Appends tokens to each completion that has ended: for each prompt of the source, what a chat template writes after the end token.
    #[must_use]
    pub fn with_tails(self, tails: Vec<Vec<u32>>) -> Self {
        Self { tails, ..self }
    }
}

impl Reward for Scored {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        let tail =
            |text: &Written<'_>| self.tails.get(text.index).filter(|_| text.ended).map_or(&[][..], Vec::as_slice);
        let whole = |text: &Written<'_>| [text.prompt, text.completion, tail(text)].concat();
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
