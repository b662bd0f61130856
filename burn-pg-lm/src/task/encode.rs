//! Examples as tokens.

use super::TaskError;
use crate::{
    ChatTemplate, Message, ModelConfig, Texts, Tokenizer,
    data::{Demonstration, Pair, Prompt, Query, Rated},
    learning::{StoredTexts, TokenPair},
};

/// Turns texts into tokens.
///
/// The tokens are those of `transformers`: special tokens that are written out in data are recognised, and a text that is not a conversation begins
/// with what the post-processor of the tokenizer puts there. An empty text that would have no tokens begins with the end token, and so do documents
/// if the tokenizer puts nothing there, as those of GPT-2 did: they follow one another.
#[derive(Debug, Clone)]
pub struct Encoder<'a> {
    tokenizer: &'a Tokenizer,
    template: Option<&'a ChatTemplate>,
    config: &'a ModelConfig,
    end: u32,
    /// All tokens that end a text.
    ends: Vec<u32>,
    /// True to keep what a chat template writes after the end token of an answer.
    keeps_tails: bool,
}

impl<'a> Encoder<'a> {
    /// Creates an encoder for a model.
    ///
    /// # Errors
    /// [`TaskError::Tokenizer`] if there is no end token.
    pub fn new(
        config: &'a ModelConfig,
        tokenizer: &'a Tokenizer,
        template: Option<&'a ChatTemplate>,
    ) -> Result<Self, TaskError> {
        let end = tokenizer.required_end()?;
        let more = config.eos().iter().filter(|id| !tokenizer.ends().contains(id));
        let ends = tokenizer.ends().iter().chain(more).copied().collect();
        Ok(Self { tokenizer, template, config, end, ends, keeps_tails: false })
    }

    /// Keeps what a chat template writes after the end token of an answer (often a line break), because `transformers` reads the score of a
    /// conversation there.
    #[must_use]
    pub fn for_scores(self) -> Self {
        Self { keeps_tails: true, ..self }
    }

    /// Returns the tokens that the chat template writes after the end token of an answer. There may be none.
    #[must_use]
    pub fn tail(&self) -> Vec<u32> {
        let turns = [Message::new("user", "a"), Message::new("assistant", "a")];
        let Some(Ok(text)) = self.template.map(|template| template.render(&turns, false)) else { return Vec::new() };
        let mut tokens = self.tokenizer.encode(&text);
        let end = tokens.iter().rposition(|token| self.ends.contains(token));
        tokens.drain(..end.map_or(tokens.len(), |end| end + 1));
        tokens
    }

    /// Returns all tokens that end a text: those of the tokenizer, of `generation_config.json` and of `config.json`.
    #[must_use]
    pub fn ends(&self) -> Vec<u32> {
        self.ends.clone()
    }

    /// Returns the tokens of a text that is not a conversation.
    #[must_use]
    pub fn text(&self, text: &str) -> Vec<u32> {
        text_tokens(self.tokenizer, text)
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
    pub fn prompts(&self, prompts: &[Query], tokens: usize) -> Result<Texts, TaskError> {
        let mut texts = Texts::default();
        for (number, query) in (1..).zip(prompts) {
            let prompt = self.prompt(number, &query.prompt)?;
            self.check("prompt", number, prompt.len(), tokens)?;
            texts.push(&prompt);
        }
        Ok(texts)
    }

    /// Returns documents as rows, each with an end token behind it, and before it with what texts begin with, or with another end token.
    #[must_use]
    pub fn documents(&self, documents: &[String]) -> StoredTexts {
        let start = if self.tokenizer.start().is_empty() { &[self.end][..] } else { self.tokenizer.start() };
        let whole = |document: &String| {
            let tokens = self.tokenizer.encode(document);
            let start = if tokens.starts_with(start) { &[] } else { start };
            let end = if tokens.last().is_some_and(|last| self.ends.contains(last)) { &[][..] } else { &[self.end] };
            [start, &tokens, end].concat()
        };
        StoredTexts::whole(&documents.iter().map(whole).collect(), self.context())
    }

    /// Returns demonstrations, of which the completions are learned.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts).
    pub fn demonstrations(&self, demonstrations: &[Demonstration]) -> Result<StoredTexts, TaskError> {
        let mut stored = StoredTexts::default();
        for (number, Demonstration { prompt, completion }) in (1..).zip(demonstrations) {
            let (prompt, completion) = (self.prompt(number, prompt)?, self.completion(number, prompt, completion)?);
            self.check("demonstration", number, prompt.len() + completion.len(), 0)?;
            stored.texts.push(&[&prompt[..], &completion].concat());
            stored.lengths.push(completion.len());
        }
        Ok(stored)
    }

    /// Returns pairs.
    ///
    /// # Errors
    /// As [`prompts`](Self::prompts); [`TaskError::EqualCompletions`].
    pub fn pairs(&self, pairs: &[Pair]) -> Result<Vec<TokenPair>, TaskError> {
        let encoded = (1..).zip(pairs).map(|(number, pair)| {
            let [mut prompt, mut chosen, mut rejected] = [
                self.prompt(number, &pair.prompt)?,
                self.completion(number, &pair.prompt, &pair.chosen)?,
                self.completion(number, &pair.prompt, &pair.rejected)?,
            ];
            // All pairs are kept in memory.
            [&mut prompt, &mut chosen, &mut rejected].into_iter().for_each(Vec::shrink_to_fit);
            if chosen == rejected {
                return Err(TaskError::EqualCompletions { text: pair.rejected.chars().take(60).collect() });
            }
            self.check("pair", number, prompt.len() + chosen.len().max(rejected.len()), 0)?;
            #[allow(clippy::cast_possible_truncation)] // to single precision
            let margin = pair.margin.unwrap_or_default() as f32;
            Ok(TokenPair { prompt, chosen, rejected, margin, is_tie: pair.tie })
        });
        encoded.collect()
    }

    /// Returns how many tokens rated texts have in pairs: with what begins a text, and the end token.
    ///
    /// # Errors
    /// [`TaskError::TooLong`].
    pub fn rated_lengths(&self, ratings: &[Rated]) -> Result<Vec<usize>, TaskError> {
        let no_prompt = Prompt::Text(String::new());
        let start = self.text("").len();
        let lengths = (1..).zip(ratings).map(|(number, rated)| {
            let tokens = start + self.completion(number, &no_prompt, &rated.text)?.len();
            self.check("text", number, tokens, 0).map(|()| tokens)
        });
        lengths.collect()
    }

    /// Returns the tokens of a completion, with the one that ends it. In a conversation that is the one with which the template ends a turn, if it
    /// does so.
    fn completion(&self, number: usize, prompt: &Prompt, text: &str) -> Result<Vec<u32>, TaskError> {
        if let (Prompt::Chat(messages), Some(template)) = (prompt, self.template) {
            let answer = Message::new("assistant", text);
            let with_answer: Vec<Message> = messages.iter().cloned().chain([answer]).collect();
            let render = |messages: &[Message], open: bool| {
                template.render(messages, open).map_err(|error| TaskError::Template { number, error })
            };
            let (prompt, whole) = (render(messages, true)?, render(&with_answer, false)?);
            if let Some(rest) = whole.strip_prefix(&prompt) {
                let mut tokens = self.tokenizer.encode(rest);
                if let Some(end) = tokens.iter().position(|token| self.ends.contains(token)) {
                    let kept = if self.keeps_tails { tokens.len() } else { end + 1 };
                    tokens.truncate(kept);
                    return Ok(tokens);
                }
            }
        }
        let mut tokens = self.tokenizer.encode(text);
        if !tokens.last().is_some_and(|last| self.ends.contains(last)) {
            tokens.push(self.end);
        }
        Ok(tokens)
    }

    fn context(&self) -> usize {
        self.config.max_positions()
    }

    fn check(&self, what: &'static str, number: usize, tokens: usize, after: usize) -> Result<(), TaskError> {
        if tokens + after <= self.context() {
            return Ok(());
        }
        let more = if after > 0 { format!(" and {after} are to be written after it") } else { String::new() };
        Err(TaskError::TooLong { what, number, tokens, more, context: self.context() })
    }
}

/// Returns the tokens of a text that is not a conversation, with those that texts of a model begin with: see [`Encoder`]. They are not
/// repeated if they are written out in the text.
#[must_use]
pub fn text_tokens(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    let tokens = tokenizer.encode(text);
    let mut start = tokenizer.start().to_vec();
    if start.is_empty() && tokens.is_empty() {
        start.extend(tokenizer.end());
    }
    if tokens.starts_with(&start) { tokens } else { [start, tokens].concat() }
}
