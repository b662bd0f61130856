//! Why a conversation cannot be written with a template.

use std::error::Error;

use minijinja::ErrorKind;

use crate::files::FileError;

/// Why a chat template cannot be loaded or rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A file cannot be read or parsed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There are several templates, and none of them is the default.
    #[error("none of the chat templates {} is named `default`: keep the one to use", .names.join(", "))]
    NoDefault {
        /// The names of the templates.
        names: Vec<String>,
    },
    /// The source of the template has a mistake.
    #[error("line {line} of the chat template is wrong: {reason}")]
    Syntax {
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// The template refuses the conversation.
    #[error("the chat template refuses the conversation: {message}")]
    Refused {
        /// What the template says.
        message: String,
    },
    /// The template does not end, or makes too much text.
    #[error(
        "the chat template was stopped after {fuel} units of work: it does not end, or the conversation is too long"
    )]
    OutOfFuel {
        /// What it may use, in units of roughly one instruction or 64 bytes.
        fuel: u64,
    },
    /// The template uses something that does not exist, or in a wrong way.
    #[error("line {line} of the chat template fails: {reason}")]
    Render {
        /// The line, counted from 1.
        line: usize,
        /// The reason.
        reason: String,
    },
}

/// What a template says when it refuses a conversation.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Raised(pub String);

impl TemplateError {
    pub(super) fn from_engine(error: &minijinja::Error, fuel: u64) -> Self {
        let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
        for cause in causes {
            if let Some(Raised(message)) = cause.downcast_ref() {
                return Self::Refused { message: message.clone() };
            }
            if let Some(ErrorKind::OutOfFuel) = cause.downcast_ref().map(minijinja::Error::kind) {
                return Self::OutOfFuel { fuel };
            }
        }
        let line = error.line().unwrap_or(1);
        let reason = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        match error.kind() {
            ErrorKind::SyntaxError | ErrorKind::BadEscape => Self::Syntax { line, reason },
            _ => Self::Render { line, reason },
        }
    }
}
