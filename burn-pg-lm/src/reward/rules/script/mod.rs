//! Scores from a program.

mod error;
mod process;

use std::{
    ffi::OsStr,
    process::Command,
    time::{Duration, Instant},
};

use burn_pg::Error;

pub use error::ScriptError;
use process::{Next, Process};

use super::{Answer, TextReward};

/// The time that a batch may take if nothing else is said.
const TIME_LIMIT: Duration = Duration::from_mins(1);
/// The most characters of an answer that an error shows.
const SHOWN: usize = 80;

/// A program that scores texts. It is started once. For each text it reads one line: a JSON object with these keys and all other keys of the
/// prompt's line (here `answer`). `prompt` is as in the file; of a conversation it is what the chat template made of it, and `messages` has the turns.
///
/// ```json
/// {"prompt":"Once","completion":" upon a time.","ended":true,"answer":"upon"}
/// ```
///
/// It answers each line, in the same order, with one line: a number, or `null` or `NaN` if the text cannot be scored.
/// It must write out each answer at once (`print(score, flush=True)` in Python): with a buffer it would wait for more
/// texts. It must print nothing else on its standard output. What it prints on its standard error is shown if it fails.
///
/// After an error the program is ended, and scores nothing more. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Script {
    /// The program, for errors.
    program: String,
    time_limit: Duration,
    /// `None` after an error.
    process: Option<Process>,
}

impl Script {
    /// Starts a program. A batch of texts may take 60 s.
    ///
    /// # Errors
    /// [`ScriptError::Start`] if it cannot be started.
    pub fn start(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, ScriptError> {
        let mut command = Command::new(&program);
        command.args(arguments);
        let program = program.as_ref().to_string_lossy().into_owned();
        match Process::start(command) {
            Ok(process) => Ok(Self { program, time_limit: TIME_LIMIT, process: Some(process) }),
            Err(source) => Err(ScriptError::Start { program, source }),
        }
    }

    /// Sets the time that a batch of texts may take.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Returns a score for each text; NaN for one that cannot be scored.
    ///
    /// # Errors
    /// [`ScriptError`] if the program ends, gives an answer that is not a number, gives too many or too few answers, or
    /// takes too long.
    pub fn ask(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, ScriptError> {
        let scores = self.try_ask(texts);
        if scores.is_err() {
            self.process = None;
        }
        scores
    }

    fn try_ask(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, ScriptError> {
        let Some(process) = &mut self.process else {
            return Err(ScriptError::Ended { program: self.program.clone() });
        };
        refuse_more(&self.program, process)?;
        let start = Instant::now();
        process.send(lines(texts));
        let mut scores = Vec::with_capacity(texts.len());
        for text in 1..=texts.len() {
            let program = self.program.clone();
            match process.next(self.time_limit.saturating_sub(start.elapsed())) {
                // Python writes a number that is none so, which is not JSON.
                Next::Answer(answer) if answer.trim() == "NaN" => scores.push(f64::NAN),
                Next::Answer(answer) => match serde_json::from_str::<Option<f64>>(answer.trim()) {
                    Ok(score) => scores.push(score.unwrap_or(f64::NAN)),
                    Err(_) => {
                        let answer = shortened(&answer);
                        return Err(ScriptError::NoNumber { program, answer, text, texts: texts.len() });
                    }
                },
                Next::TooLate => {
                    let (answers, texts, limit) = (text - 1, texts.len(), self.time_limit);
                    return Err(ScriptError::TimeOut { program, limit, answers, texts });
                }
                Next::End => {
                    let (answers, texts, end) = (text - 1, texts.len(), process.end());
                    return Err(match end.status.filter(|status| !status.success()) {
                        Some(status) => ScriptError::Exited { program, status, answers, texts, messages: end.messages },
                        None => ScriptError::TooFew { program, answers, texts, messages: end.messages },
                    });
                }
            }
        }
        refuse_more(&self.program, process)?;
        Ok(scores)
    }
}

impl TextReward for Script {
    fn score(&mut self, texts: &[Answer<'_>]) -> Result<Vec<f64>, Error> {
        self.ask(texts).map_err(|error| Error::Source { name: "script".into(), source: Box::new(error) })
    }
}

/// Refuses an answer to nothing: it would be taken for the answer to the next text.
fn refuse_more(program: &str, process: &mut Process) -> Result<(), ScriptError> {
    match process.next(Duration::ZERO) {
        Next::Answer(answer) => Err(ScriptError::TooMany { program: program.into(), answer: shortened(&answer) }),
        Next::TooLate | Next::End => Ok(()),
    }
}

/// Returns the lines that ask for the scores of texts.
fn lines(texts: &[Answer<'_>]) -> Vec<u8> {
    let mut lines = Vec::new();
    for text in texts {
        serde_json::to_writer(&mut lines, text).expect("texts are always valid JSON");
        lines.push(b'\n');
    }
    lines
}

/// Returns the start of an answer.
fn shortened(answer: &str) -> String {
    let answer = answer.trim_end();
    match answer.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &answer[..end]),
        None => answer.into(),
    }
}
