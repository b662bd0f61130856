//! Why a run on texts is refused or fails.

use std::path::PathBuf;

use burn_pg::storage::tensors::TensorsError;

use crate::{data::DataError, model::LoadError, reward::RuleError, template::TemplateError, tokenizer::TokenizerError};

/// Why a run on texts is refused or fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A setting is out of range, or does not fit the others.
    #[error("{0}")]
    Setting(String),
    /// Examples cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model cannot be loaded or saved.
    #[error("{}: {error}", .folder.display())]
    Model {
        /// Its folder.
        folder: PathBuf,
        /// The reason.
        error: LoadError,
    },
    /// A rule of a reward is refused.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A tokenizer cannot be trained, or has no end token.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A conversation cannot be written as a text.
    #[error("conversation {number}: {error}")]
    Template {
        /// Its number in the data, counted from 1.
        number: usize,
        /// The reason.
        error: TemplateError,
    },
    /// Conversations need a chat template, and the model has none.
    #[error("the data has conversations, but the model has no chat template")]
    NoTemplate,
    /// The completions of a pair have the same tokens, for instance because the chat template leaves out spaces at their ends.
    #[error(
        "a pair has the same tokens in `chosen` and `rejected`, which begins with {text:?}: leave it out, or make them differ"
    )]
    EqualCompletions {
        /// The first characters of the completion that was rejected.
        text: String,
    },
    /// A text is too long.
    #[error(
        "{what} {number} has {tokens} tokens{more}, but the context of the model is {context}; leave it out, or shorten it"
    )]
    TooLong {
        /// What it is, such as `prompt`.
        what: &'static str,
        /// Its number in the data, counted from 1.
        number: usize,
        /// Number of its tokens.
        tokens: usize,
        /// What else has to fit, in words.
        more: String,
        /// Most tokens of a text.
        context: usize,
    },
    /// A reward model cannot read texts as long as the policy may write.
    #[error(
        "{}: the reward model reads at most {context} tokens, but a prompt with its completion may have {longest}; lower `task.tokens`, or \
         leave out long prompts",
        .folder.display()
    )]
    RewardContext {
        /// Its folder.
        folder: PathBuf,
        /// Most tokens that it reads.
        context: usize,
        /// Most tokens of a prompt with its completion.
        longest: usize,
    },
    /// Too few examples are left to learn from.
    #[error("{held_out} of {all} examples are held out, and {left} are left; at least {least} are needed")]
    TooFew {
        /// All examples.
        all: usize,
        /// Those for the final figures.
        held_out: usize,
        /// Those that are left.
        left: usize,
        /// How many are needed.
        least: usize,
    },
    /// A reward model reads other tokens than the policy writes.
    #[error("the reward model in {} has another tokenizer than the policy", .0.display())]
    OtherTokenizer(PathBuf),
    /// The model under adapters is not the one that they were trained on.
    #[error("{}: its weights have changed since the run began, and the adapters of the run fit no other weights", .0.display())]
    OtherBase(PathBuf),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] crate::FileError),
    /// Training cannot start.
    #[error(transparent)]
    Run(#[from] burn_pg::Error),
}

impl From<TensorsError> for TaskError {
    fn from(error: TensorsError) -> Self {
        Self::Run(burn_pg::Error::Execution(error.to_string()))
    }
}
