//! What templates use of Python and of `transformers`, and the template engine lacks.

use minijinja::{Error, State, Value, value::from_args};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Calls a method of a Python value.
pub(super) fn call_method(state: &mut State, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let strip: fn(&str, &str) -> Option<String> = match method {
        "removeprefix" => |text, part| text.strip_prefix(part).map(str::to_owned),
        "removesuffix" => |text, part| text.strip_suffix(part).map(str::to_owned),
        _ => return unknown_method_callback(state, value, method, args),
    };
    let Some(text) = value.as_str() else {
        return unknown_method_callback(state, value, method, args);
    };
    let (part,): (&str,) = from_args(args)?;
    Ok(strip(text, part).map_or_else(|| value.clone(), Value::from))
}

/// Returns a source that the engine can parse: with `\n` as the only line end, as in Jinja, and without the tags
/// `generation` and `endgeneration`, with which `transformers` marks the assistant's text. They print nothing.
pub(super) fn in_plain_jinja(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let mut parts = source.split("{%");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += "{%";
        let inner = part.trim_start_matches(['-', '+']);
        let sign = &part[..part.len() - inner.len()];
        let tag = [("generation", "if true"), ("endgeneration", "endif")].into_iter().find_map(|(tag, plain)| {
            let end = inner.trim_start().strip_prefix(tag)?.trim_start();
            end.trim_start_matches(['-', '+']).starts_with("%}").then_some((plain, end))
        });
        match tag {
            Some((tag, end)) => plain.extend([sign, " ", tag, " ", end]),
            None => plain += part,
        }
    }
    plain
}
