//! `burn-pg lm sample`

use std::{
    io::{BufRead, IsTerminal, Write, stderr, stdin, stdout},
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow, bail};
use burn_pg::envs::EnvRng;
use burn_pg_lm::{
    Message,
    generate::{Choice, Continuation, Writer},
    model::LanguageModel,
    task::text_tokens,
};
use serde_json::{Value, json};

use super::host;
use crate::{failure::Failure, numbers::whole, output::print_line, tell::tell};

/// Continue a text with a language model, or chat with it. The text is shown while it is written
///
/// Without PROMPT, lines of stdin are answered one after the other: as turns of one conversation if the model has a chat
/// template, otherwise each on its own.
#[derive(clap::Args)]
#[command(after_help = "Exit codes: 0 if the text was written, 2 if the model or the request is refused.")]
pub struct Args {
    /// The folder of the model: config.json, safetensors, and the tokenizer
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The text to continue
    prompt: Option<String>,
    /// Write PROMPT as the message of a user, with the chat template of the model
    #[arg(long, requires = "prompt")]
    chat: bool,
    /// Write at most this number of tokens
    #[arg(long, value_name = "N", default_value = "128", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1_000_000, 128))]
    tokens: usize,
    /// Divide logits by this number; 0 for the most probable token each time
    #[arg(long, value_name = "T", default_value = "1", allow_negative_numbers = true)]
    temperature: f64,
    /// Choose among this number of most probable tokens only [default: all]
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = whole::<usize>(1..=1_000_000, 40))]
    top_k: Option<usize>,
    /// Choose only among the fewest most probable tokens whose probabilities add up to at least P
    #[arg(long, value_name = "P", default_value = "1", allow_negative_numbers = true)]
    top_p: f64,
    /// Seed the random numbers with this number
    #[arg(long, value_name = "N", default_value = "1", allow_negative_numbers = true, value_parser = whole::<u64>(0..=i64::MAX as u64, 7))]
    seed: u64,
    /// Print one JSON object for each text, and nothing else, on stdout: the text, the number of its tokens, the logarithm of its
    /// probability, and why it is not longer
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let Args { temperature, top_k, top_p, .. } = *args;
    let choice = Choice { temperature, top_k, top_p };
    choice.validate().map_err(Failure::usage)?;
    let speaker = Speaker::open(args, choice).map_err(Failure::refused)?;
    match &args.prompt {
        Some(prompt) => speaker.answer(prompt, args.chat).map_err(Failure::refused),
        None => speaker.talk(),
    }
}

/// A model that writes.
struct Speaker<'a> {
    args: &'a Args,
    model: LanguageModel,
    writer: Writer<f32>,
    choice: Choice,
}

/// What was written.
struct Written {
    text: String,
    tokens: usize,
    log_prob: f64,
    /// Why it is not longer.
    stopped_by: Stop,
}

/// Why a text is not longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// It has ended.
    End,
    /// It has the most tokens that were asked for.
    Tokens,
    /// The model reads no longer texts.
    Context,
}

impl Written {
    /// Returns the text with its numbers, for programs.
    fn json(&self) -> Value {
        let Self { text, tokens, log_prob, stopped_by } = self;
        let stopped = match stopped_by {
            Stop::End => "end",
            Stop::Tokens => "tokens",
            Stop::Context => "context",
        };
        json!({ "text": text, "tokens": tokens, "log_prob": log_prob, "ended": *stopped_by == Stop::End, "stopped_by": stopped })
    }

    /// Tells if the text was cut off.
    fn tell_if_cut(&self) {
        match self.stopped_by {
            Stop::End => {}
            Stop::Tokens => tell(format_args!("(cut off after {} tokens; --tokens allows more)", self.tokens)),
            Stop::Context => tell("(cut off: the model reads no longer texts)"),
        }
    }
}

impl<'a> Speaker<'a> {
    fn open(args: &'a Args, choice: Choice) -> Result<Self> {
        let model = LanguageModel::load(&args.model, &host()?)?;
        let writer = Writer::new(&model.transformer)?;
        Ok(Self { args, model, writer, choice })
    }

    /// Answers one prompt.
    fn answer(&self, prompt: &str, as_chat: bool) -> Result<()> {
        let prompt = match as_chat {
            true => self.conversation(&[Message::new("user", prompt)])?,
            false => prompt.to_owned(),
        };
        let mut rng = EnvRng::new(self.args.seed);
        self.show(&self.tokens(&prompt, as_chat), &mut rng).and_then(|written| self.end_line(&written)).map(drop)
    }

    /// Writes after a prompt, and shows each piece of the text as soon as it is complete, unless it is for programs.
    fn show(&self, prompt: &[u32], rng: &mut EnvRng) -> Result<Written> {
        self.write(prompt, rng, |piece| {
            if !self.args.json {
                show(piece);
            }
        })
    }

    /// Ends the line of a text, or prints all of it for programs.
    fn end_line(&self, written: &Written) -> Result<()> {
        let line = if self.args.json { written.json().to_string() } else { String::new() };
        print_line(line).map_err(|_| anyhow!("stdout cannot be written"))?;
        if !self.args.json {
            written.tell_if_cut();
        }
        Ok(())
    }

    /// Returns the tokens of a prompt. One that is not a conversation begins with what the tokenizer puts before texts.
    fn tokens(&self, prompt: &str, is_conversation: bool) -> Vec<u32> {
        let tokenizer = &self.model.tokenizer;
        if is_conversation { tokenizer.encode(prompt) } else { text_tokens(tokenizer, prompt) }
    }

    /// Answers lines of stdin until there are no more.
    fn talk(&self) -> Result<(), Failure> {
        let mut rng = EnvRng::new(self.args.seed);
        let is_conversation = self.model.template.is_some();
        let kind = if is_conversation { "a conversation" } else { "each line is continued on its own" };
        if !self.args.json {
            tell(format_args!("{kind}; end it with Ctrl-D"));
        }
        let mut messages = Vec::new();
        // Someone who types sees whose turn it is.
        let is_typed = stdin().is_terminal() && !self.args.json;
        let invite = || {
            if is_typed {
                let _ = write!(stderr(), "> ");
            }
        };
        invite();
        for line in stdin().lock().lines() {
            let line = line.context("stdin cannot be read").map_err(Failure::Run)?;
            if line.trim().is_empty() {
                invite();
                continue;
            }
            let prompt = if is_conversation {
                messages.push(Message::new("user", line));
                self.conversation(&messages).map_err(Failure::Usage)?
            } else {
                line
            };
            let written = self.show(&self.tokens(&prompt, is_conversation), &mut rng).map_err(Failure::Usage)?;
            messages.push(Message::new("assistant", written.text.trim()));
            self.end_line(&written).map_err(Failure::Run)?;
            invite();
        }
        if is_typed {
            tell("");
        }
        Ok(())
    }

    fn conversation(&self, messages: &[Message]) -> Result<String> {
        let Some(template) = &self.model.template else { bail!("the model has no chat template: leave out --chat") };
        Ok(template.render(messages, true)?)
    }

    /// Continues a prompt, and passes on each piece of text as soon as it is complete.
    fn write(&self, prompt: &[u32], rng: &mut EnvRng, mut each: impl FnMut(&str)) -> Result<Written> {
        let (tokenizer, context) = (&self.model.tokenizer, self.writer.context());
        match prompt.len() {
            0 => bail!("the prompt is empty, and the model has no end token to begin with: give the text to continue"),
            length if length >= context => {
                bail!("the prompt has {length} tokens, but a text has at most {context}: shorten it")
            }
            _ => {}
        }
        let (mut continuation, mut decoder) = (Continuation::new(&self.writer, prompt), tokenizer.decoder());
        let mut written = Written { text: String::new(), tokens: 0, log_prob: 0.0, stopped_by: Stop::Tokens };
        let mut add = |text: String, written: &mut Written| {
            each(&text);
            written.text.push_str(&text);
        };
        while written.tokens < self.args.tokens {
            let Some((token, log_prob)) = continuation.next(&self.choice, || rng.next_f64()) else {
                written.stopped_by = Stop::Context;
                break;
            };
            written.tokens += 1;
            written.log_prob += f64::from(log_prob);
            if tokenizer.ends().contains(&token) || self.model.config.eos().contains(&token) {
                written.stopped_by = Stop::End;
                break;
            }
            if let Some(text) = decoder.push(token)? {
                add(text, &mut written);
            }
        }
        if let Some(text) = decoder.finish() {
            add(text, &mut written);
        }
        Ok(written)
    }
}

/// Shows a piece of text at once. Errors are ignored: the line end that follows reports them.
fn show(piece: &str) {
    let mut stdout = stdout();
    let _ = write!(stdout, "{piece}").and_then(|()| stdout.flush());
}
