//! Taking settings out of a JSON object until none is left.

use serde_json::{Map, Value};

use super::{ConfigError, harmless::is_harmless};

/// The settings that have not been read yet. A setting that is `null` counts as missing, as in `transformers`.
pub(super) struct Keys {
    /// Put before names in errors: `rope_parameters.` for the settings of that object.
    prefix: &'static str,
    map: Map<String, Value>,
}

const SIZE: &str = "a whole number from 1 to 4294967295";
const TOKENS: &str = "the id of a token, below `vocab_size`, or a list of them";

impl Keys {
    pub fn new(map: Map<String, Value>) -> Self {
        Self { prefix: "", map }
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    fn missing(&self, key: &str, expected: &'static str) -> ConfigError {
        ConfigError::Missing { key: format!("{}{key}", self.prefix), expected }
    }

    fn invalid(&self, key: &str, value: Value, expected: &str) -> ConfigError {
        ConfigError::Invalid { key: format!("{}{key}", self.prefix), value, expected: expected.into() }
    }

    /// Takes a text.
    pub fn text(&mut self, key: &str) -> Result<String, ConfigError> {
        let expected = "a text";
        match self.take(key).ok_or_else(|| self.missing(key, expected))? {
            Value::String(text) => Ok(text),
            other => Err(self.invalid(key, other, expected)),
        }
    }

    /// Takes a size.
    pub fn size(&mut self, key: &str) -> Result<usize, ConfigError> {
        self.optional_size(key)?.ok_or_else(|| self.missing(key, SIZE))
    }

    /// Takes a size that may be missing.
    pub fn optional_size(&mut self, key: &str) -> Result<Option<usize>, ConfigError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.as_u64().and_then(|size| u32::try_from(size).ok()) {
            None | Some(0) => Err(self.invalid(key, value, SIZE)),
            Some(size) => Ok(Some(size as usize)),
        }
    }

    /// Takes a number above 0 that may be missing.
    pub fn positive(&mut self, key: &str) -> Result<Option<f64>, ConfigError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match value.as_f64() {
            Some(number) if number > 0.0 && number.is_finite() => Ok(Some(number)),
            _ => Err(self.invalid(key, value, "a number above 0")),
        }
    }

    /// Takes a flag that may be missing.
    pub fn flag(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        match self.take(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.invalid(key, other, "true or false")),
        }
    }

    /// Takes the ids of one token or of several.
    pub fn tokens(&mut self, key: &str, vocab_size: usize) -> Result<Vec<u32>, ConfigError> {
        let id = |value: &Value| {
            let id = u32::try_from(value.as_u64()?).ok()?;
            ((id as usize) < vocab_size).then_some(id)
        };
        let Some(value) = self.take(key) else {
            return Ok(Vec::new());
        };
        let ids = match &value {
            Value::Array(list) => list.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.invalid(key, value, TOKENS))
    }

    /// Takes the id of at most one token.
    pub fn token(&mut self, key: &str, vocab_size: usize) -> Result<Option<u32>, ConfigError> {
        match self.tokens(key, vocab_size)?[..] {
            [] => Ok(None),
            [id] => Ok(Some(id)),
            ref several => Err(self.invalid(key, several.into(), "the id of one token")),
        }
    }

    /// Takes a setting that may be missing, and of which one value is supported.
    pub fn fixed(&mut self, key: &str, supported: impl Into<Value>) -> Result<(), ConfigError> {
        let supported = supported.into();
        match self.take(key) {
            Some(value) if !is_same(&value, &supported) => {
                let key = format!("{}{key}", self.prefix);
                Err(ConfigError::Unsupported { key, value, supported: supported.to_string() })
            }
            _ => Ok(()),
        }
    }

    /// Takes the classes that `transformers` would load the model with.
    pub fn architectures(&mut self, supported: &[&str]) -> Result<(), ConfigError> {
        let key = "architectures";
        let value = self.take(key).unwrap_or_else(|| Value::Array(Vec::new()));
        let is_supported = |class: &Value| class.as_str().is_some_and(|class| supported.contains(&class));
        match value.as_array().is_some_and(|classes| classes.iter().all(is_supported)) {
            true => Ok(()),
            false => Err(ConfigError::unsupported(key, &value, &supported.join(", "))),
        }
    }

    /// Takes an object that may be missing.
    pub fn object(&mut self, key: &str, prefix: &'static str) -> Result<Option<Self>, ConfigError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(Self { prefix, map })),
            Some(other) => Err(self.invalid(key, other, "an object")),
        }
    }

    /// Refuses the first setting that is left and is not harmless.
    pub fn finish(self) -> Result<(), ConfigError> {
        let is_unknown = |key: &String| !self.prefix.is_empty() || !is_harmless(key);
        match self.map.into_iter().find(|(key, value)| is_unknown(key) && !value.is_null()) {
            None => Ok(()),
            Some((key, _)) => Err(ConfigError::Unknown { key: format!("{}{key}", self.prefix) }),
        }
    }
}

/// Compares values; 1 and 1.0 are the same.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Checks that a size is a multiple of another one.
pub(super) fn divides(
    (divisor_key, divisor): (&'static str, usize),
    (key, size): (&'static str, usize),
) -> Result<(), ConfigError> {
    match size.is_multiple_of(divisor) {
        true => Ok(()),
        false => Err(ConfigError::Indivisible { key, size, divisor_key, divisor }),
    }
}
