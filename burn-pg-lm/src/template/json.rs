//! The filter `tojson`, with the spaces that Python writes.
//!
//! The template engine's own filter escapes `<`, `>`, `&` and `'` for HTML, which `transformers` does not.

use std::io::{Result, Write};

use minijinja::{Error, ErrorKind, Value, value::Kwargs};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

/// Returns a value as JSON on one line, or on several with the argument `indent`.
pub(super) fn tojson(value: &Value, kwargs: &Kwargs) -> std::result::Result<String, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    // Non-ASCII letters are written as they are, which is also the default of `transformers`.
    let ensure_ascii: Option<bool> = kwargs.get("ensure_ascii")?;
    kwargs.assert_all_used()?;
    let failed = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    if value.is_undefined() || ensure_ascii == Some(true) || indent.is_some_and(|indent| indent > 16) {
        return Err(failed("`tojson` needs a defined value, no `ensure_ascii`, and an `indent` up to 16".into()));
    }
    let mut text = Vec::new();
    match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut text, Spaced)),
        Some(indent) => {
            let indent = " ".repeat(indent);
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut text, formatter))
        }
    }
    .map_err(|error| failed(error.to_string()))?;
    String::from_utf8(text).map_err(|error| failed(error.to_string()))
}

/// JSON on one line, with a space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> Result<()> {
        writer.write_all(b": ")
    }
}
