//! Chat templates: how a conversation is written as one text.

mod error;
mod json;
mod python;

use std::{collections::BTreeMap, path::Path};

use minijinja::{AutoEscape, Environment, ErrorKind, Value, context, syntax::SyntaxConfig, value::Kwargs};
use serde::{Deserialize, Serialize};

use error::Raised;
pub use error::TemplateError;

use crate::{
    files::Folder,
    settings::{ChatTemplates, SPECIAL_TOKENS_MAP, Settings, TOKENIZER_CONFIG},
    tokenizer::CHAT_TEMPLATE,
};

/// What a template may use, in units of roughly one instruction or 64 bytes.
const FUEL: u64 = 2_000_000;
/// Name of the one template in the environment.
const NAME: &str = "chat_template";

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// Returns a message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A chat template in the language Jinja, as Hugging Face's `transformers` renders it.
///
/// Templates see `messages`, `add_generation_prompt`, the special tokens (`bos_token`, `eos_token` and so on), and
/// `tools` and `documents`, which are none. There is no `strftime_now`: a prompt would depend on the day.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// Special tokens under the names of their settings.
    special: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Loads the chat template of a folder: `chat_template.jinja`, or else `chat_template` of `tokenizer_config.json`.
    /// Of several templates it takes the one named `default`. Returns `None` if the folder has no chat template.
    ///
    /// # Errors
    /// [`TemplateError`] if a file cannot be read, the template has a mistake, or there are several and none is the
    /// default.
    pub fn load(folder: &Path) -> Result<Option<Self>, TemplateError> {
        let folder = Folder::read(folder, &[TOKENIZER_CONFIG, SPECIAL_TOKENS_MAP, CHAT_TEMPLATE])?;
        let settings = Settings::parse(&folder)?;
        let source = match (folder.text(CHAT_TEMPLATE)?, settings.chat_template) {
            (Some(source), _) => source.to_owned(),
            (None, Some(templates)) => default_of(templates)?,
            (None, None) => return Ok(None),
        };
        Self::new(&source, settings.special.into_iter().map(|(key, token)| (key.into(), token))).map(Some)
    }

    /// Returns a template with this source, and with special tokens under the names that the template has for them,
    /// such as `eos_token`.
    ///
    /// # Errors
    /// [`TemplateError::Syntax`] if the template has a mistake.
    pub fn new(source: &str, special: impl IntoIterator<Item = (String, String)>) -> Result<Self, TemplateError> {
        let mut syntax = SyntaxConfig::builder();
        let syntax = syntax.trim_blocks(true).lstrip_blocks(true).build().expect("the delimiters are the default ones");
        let mut environment = Environment::new();
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(python::call_method);
        environment.add_filter("tojson", |value: &Value, kwargs: Kwargs| json::tojson(value, &kwargs));
        environment.add_function("raise_exception", raise_exception);
        let source = python::in_plain_jinja(source);
        environment.add_template_owned(NAME, source).map_err(|error| TemplateError::from_engine(&error, FUEL))?;
        Ok(Self { environment, special: special.into_iter().collect() })
    }

    /// Returns a conversation as a text. With `add_generation_prompt` the text ends with the start of the assistant's
    /// turn.
    ///
    /// # Errors
    /// [`TemplateError`] if the template refuses the conversation, uses something that does not exist, or does not end.
    pub fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, TemplateError> {
        let message = |message: &Message| Value::from_pairs([("role", &*message.role), ("content", &*message.content)]);
        let context = context! {
            messages => messages.iter().map(message).collect::<Vec<_>>(),
            add_generation_prompt,
            tools => (),
            documents => (),
            ..Value::from_pairs(self.special.iter().map(|(key, token)| (key.as_str(), token.as_str()))),
        };
        let rendered = self.environment.get_template(NAME).and_then(|template| template.render(context));
        rendered.map_err(|error| TemplateError::from_engine(&error, FUEL))
    }
}

/// Returns the template that is used when none is asked for by name.
fn default_of(templates: ChatTemplates) -> Result<String, TemplateError> {
    let mut named = match templates {
        ChatTemplates::One(source) => return Ok(source),
        ChatTemplates::Named(named) => named,
    };
    let position = named.iter().position(|template| template.name == "default");
    match position.or((named.len() == 1).then_some(0)) {
        Some(position) => Ok(named.swap_remove(position).template),
        None => Err(TemplateError::NoDefault { names: named.into_iter().map(|template| template.name).collect() }),
    }
}

/// The function with which a template refuses a conversation.
fn raise_exception(message: String) -> Result<Value, minijinja::Error> {
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, "the template raised an exception")
        .with_source(Raised(message)))
}
