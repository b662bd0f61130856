//! A small tokenizer of our own, and folders with changed copies of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn_pg_lm::{
    Tokenizer,
    tokenizer::{TokenizerError, Training},
};
use serde_json::Value;
use tempfile::TempDir;

/// The folder with the tokenizer and the text that it was trained on.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny")
}

pub fn tokenizer() -> Tokenizer {
    Tokenizer::load(&folder()).unwrap()
}

/// What the tokenizer was trained with.
pub fn training() -> Training {
    Training {
        vocab_size: 400,
        special_tokens: ["<|end|>", "<|start|>", "<|unused|>"].map(String::from).into(),
        eos_token: Some("<|end|>".into()),
        starts_with_end: false,
        pad_token: None,
        chat_template: Some(CHAT_TEMPLATE.into()),
    }
}

const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|start|>' + message['role'] + '\n' + message['content'] \
                             + '<|end|>\n' }}{% endfor %}\
                             {% if add_generation_prompt %}{{ '<|start|>assistant\n' }}{% endif %}";

/// A folder that is removed at the end.
pub struct Copy(TempDir);

impl Copy {
    /// Returns a copy of the fixture's tokenizer.
    pub fn new() -> Self {
        let copy = Self::empty();
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            copy.write(file, fs::read(folder().join(file)).unwrap());
        }
        copy
    }

    pub fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(file), content).unwrap();
    }

    pub fn json(&self, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.path().join(file)).unwrap()).unwrap()
    }

    /// Replaces a value in a JSON file, at a place such as `/model/type`.
    pub fn set(&self, file: &str, place: &str, value: Value) {
        let mut content = self.json(file);
        let (outer, key) = place.rsplit_once('/').unwrap();
        content.pointer_mut(outer).unwrap()[key] = value;
        self.write(file, content.to_string());
    }

    pub fn load(&self) -> Result<Tokenizer, TokenizerError> {
        Tokenizer::load(self.path())
    }

    /// Returns the message with which the tokenizer is refused.
    pub fn refusal(&self) -> String {
        let folder = format!("{}/", self.path().display());
        self.load().expect_err("the tokenizer is damaged").to_string().replace(&folder, "")
    }
}
