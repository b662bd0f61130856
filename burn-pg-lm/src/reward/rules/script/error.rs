//! What a program that scores texts did wrong.

use std::{io, process::ExitStatus, time::Duration};

/// What a program that scores texts did wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// It cannot be started.
    #[error("`{program}` cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("`{program}` ended with {status} after {answers} of {texts} answers{}", said(.messages))]
    Exited {
        /// The program.
        program: String,
        /// Its exit code, or the signal that ended it.
        status: ExitStatus,
        /// Number of answers in this batch before.
        answers: usize,
        /// Number of texts in this batch.
        texts: usize,
        /// The last lines of its standard error, at most five.
        messages: Vec<String>,
    },
    /// It ended without an error or closed its standard output, but did not answer every text.
    #[error(
        "`{program}` gave {answers} of {texts} answers and closed its output; it must answer each line and wait for more{}",
        said(.messages)
    )]
    TooFew {
        /// The program.
        program: String,
        /// Number of answers in this batch.
        answers: usize,
        /// Number of texts in this batch.
        texts: usize,
        /// The last lines of its standard error, at most five.
        messages: Vec<String>,
    },
    /// It gave an answer that no text asked for.
    #[error("`{program}` printed {answer:?} after it had answered every text; it must print one line for each text")]
    TooMany {
        /// The program.
        program: String,
        /// The start of the answer.
        answer: String,
    },
    /// An answer is not a number.
    #[error("`{program}` answered text {text} of {texts} with {answer:?}; it must be a number or `null`")]
    NoNumber {
        /// The program.
        program: String,
        /// The start of the answer.
        answer: String,
        /// The text in this batch, counted from 1.
        text: usize,
        /// Number of texts in this batch.
        texts: usize,
    },
    /// A batch took too long.
    #[error(
        "`{program}` gave {answers} of {texts} answers in {} s; it must write out each answer at once, without a \
         buffer, or be given more time",
        .limit.as_secs_f64()
    )]
    TimeOut {
        /// The program.
        program: String,
        /// The time that the batch was given.
        limit: Duration,
        /// Number of answers in this batch.
        answers: usize,
        /// Number of texts in this batch.
        texts: usize,
    },
    /// It was ended after an earlier error.
    #[error("`{program}` was ended after an earlier error; start it again")]
    Ended {
        /// The program.
        program: String,
    },
}

/// Returns the end of a message, with what the program said.
fn said(messages: &[String]) -> String {
    match messages {
        [] => String::new(),
        messages => format!("; the last lines of its standard error: {}", messages.join(" / ")),
    }
}
