//! Examples as tokens.

use super::TaskError;
use crate::{
    ChatTemplate, ModelConfig, Texts, Tokenizer,
    data::{Demonstration, Pair, Prompt},
    learning::{StoredTexts, TokenPair},
};

/// Turns texts into tokens.
///
/// A text that is not a conversation begins with the end token if the model was trained on documents that do: then `bos_token_id` and
/// `eos_token_id` of its configuration are the same, as for GPT-2. A text without anything else begins with the end token in any case.
#[derive(Debug, Clone, Copy)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    template: Option<&'a ChatTemplate>,
    context: usize,
    end: u32,
    /// True if texts begin with the end token.
    starts: bool,
}

impl<'a> Encoder<'a> {
    /// Creates an encoder for a model.
    ///
    /// # Errors
    /// [`TaskError::Tokenizer`] if there is no end token.
    pub fn new(
        config: &ModelConfig,
        tokenizer: &'a Tokenizer,
        template: Option<&'a ChatTemplate>,
    ) -> Result<Self, TaskError> {
        let end = tokenizer.required_end()?;
        Ok(Self { tokenizer, template, context: config.max_positions(), end, starts: config.starts_with(end) })
    }

    /// Returns the token that ends a text.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.end
    }

    /// Returns the tokens of a text that is not a conversation.
    #[must_use]
    pub fn text(&self, text: &str) -> Vec<u32> {
        let tokens = self.tokenizer.encode_plain(text);
        let start = (self.starts || tokens.is_empty()).then_some(self.end);
        start.into_iter().chain(tokens).collect()
    }

    /// Returns the tokens of a prompt.
    ///
    /// # Errors
    /// [`TaskError::Template`] or [`TaskError::NoTemplate`] for a conversation that cannot be written as a text.
    pub fn prompt(&self, number: usize, prompt: &Prompt) -> Result<Vec<u32>, TaskError> {
        match prompt {
            Prompt::Text(text) => Ok(self.text(text)),
            Prompt::Chat(messages) => {
                let template = self.template.ok_or(TaskError::NoTemplate)?;
                let text = template.render(messages, true).map_err(|error| TaskError::Template { number, error })?;
                Ok(self.tokenizer.encode(&text))
            }
        }
    }

    /// Returns the tokens of prompts, after each of which `tokens` more must fit into the context.
    ///
    /// # Errors
    /// As [`prompt`](Self::prompt); [`TaskError::TooLong`].
    pub fn prompts(&self, prompts: &[Prompt], tokens: usize) -> Result<Texts, TaskError> {
        let mut texts = Texts::default();
        for (number, prompt) in (1..).zip(prompts) {
            let prompt = self.prompt(number, prompt)?;
            self.check("prompt", number, prompt.len(), tokens)?;
            texts.push(&prompt);
        }
        Ok(texts)
    }

    /// Returns documents as rows, each from one end token to the next, with an end token before it.
    #[must_use]
    pub fn documents(&self, documents: &[String]) -> StoredTexts {
        let whole = |document: &String| [&[self.end][..], &self.tokenizer.encode_plain(document), &[self.end]].concat();
        StoredTexts::whole(&documents.iter().map(whole).collect(), self.context)
    }

    /// Returns demonstrations, of which the completions are learned.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts).
    pub fn demonstrations(&self, demonstrations: &[Demonstration]) -> Result<StoredTexts, TaskError> {
        let mut stored = StoredTexts::default();
        for (number, Demonstration { prompt, completion }) in (1..).zip(demonstrations) {
            let (prompt, completion) = (self.prompt(number, prompt)?, self.completion(completion));
            self.check("demonstration", number, prompt.len() + completion.len(), 0)?;
            stored.texts.push(&[&prompt[..], &completion].concat());
            stored.lengths.push(completion.len());
        }
        Ok(stored)
    }

    /// Returns pairs.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts).
    pub fn pairs(&self, pairs: &[Pair]) -> Result<Vec<TokenPair>, TaskError> {
        let encoded = (1..).zip(pairs).map(|(number, pair)| {
            let prompt = self.prompt(number, &pair.prompt)?;
            let [chosen, rejected] = [&pair.chosen, &pair.rejected].map(|text| self.completion(text));
            self.check("pair", number, prompt.len() + chosen.len().max(rejected.len()), 0)?;
            #[allow(clippy::cast_possible_truncation)] // to single precision
            let margin = pair.margin.unwrap_or_default() as f32;
            Ok(TokenPair { prompt, chosen, rejected, margin, is_tie: pair.tie })
        });
        encoded.collect()
    }

    fn completion(&self, text: &str) -> Vec<u32> {
        let mut tokens = self.tokenizer.encode_plain(text);
        tokens.push(self.end);
        tokens
    }

    fn check(&self, what: &'static str, number: usize, tokens: usize, after: usize) -> Result<(), TaskError> {
        if tokens + after <= self.context {
            return Ok(());
        }
        let more = if after > 0 { format!(" and {after} are to be written after it") } else { String::new() };
        Err(TaskError::TooLong { what, number, tokens, more, context: self.context })
    }
}
