//! Checks tables of settings against their [shape](super::shape), and finds every error at once.

use toml::{Table, Value};

use super::{
    ConfigError,
    error::Errors,
    keys,
    shape::{Field, Kind, Shape, Table as TableShape, either, joined},
};
use crate::storage::optional::NONE;

/// Checks names and types. Numbers that are whole become integers where integers are expected, so that `1e5` can be
/// written.
pub(super) fn check(settings: Table, shape: &TableShape) -> Result<Table, ConfigError> {
    let mut errors = Errors::default();
    let checked = check_table(settings, shape, "", &mut errors);
    errors.into_result().map(|()| checked)
}

fn check_table(settings: Table, shape: &TableShape, path: &str, errors: &mut Errors) -> Table {
    if shape.is_custom(&settings) {
        return settings;
    }
    let kind = shape.kind(&settings);
    if let Some(kinds) = &shape.kinds
        && kind.is_none()
    {
        let names: Vec<_> = kinds.all.iter().map(|kind| format!("\"{}\"", kind.name)).collect();
        let key = joined(path, &kinds.tag);
        match settings.get(&kinds.tag) {
            Some(value) => errors.push(ConfigError::Value { key, value: value.to_string(), expected: either(&names) }),
            None => errors.push(ConfigError::Missing { key, expected: either(&names) }),
        }
        return settings;
    }
    for field in shape.fields_of(kind).filter(|field| field.is_required && !settings.contains_key(&field.name)) {
        errors.push(ConfigError::Missing { key: joined(path, &field.name), expected: field.shape.expected() });
    }
    let tag = shape.kinds.as_ref().map(|kinds| kinds.tag.as_str());
    let checked = settings.into_iter().map(|(name, value)| {
        let key = joined(path, &name);
        let value = match shape.fields_of(kind).find(|field| field.name == name) {
            Some(Field { shape, .. }) => check_value(value, shape, &key, errors),
            None if tag == Some(&name) => value,
            None => {
                errors.push(unknown(key, &name, shape, kind));
                value
            }
        };
        (name, value)
    });
    checked.collect()
}

fn check_value(value: Value, shape: &Shape, key: &str, errors: &mut Errors) -> Value {
    match (shape, value) {
        (Shape::Table(shape) | Shape::Schedule(shape), Value::Table(settings)) => {
            Value::Table(check_table(settings, shape, key, errors))
        }
        (Shape::List(shape), Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            Value::Array(items.map(|(at, item)| check_value(item, shape, &format!("{key}[{at}]"), errors)).collect())
        }
        (Shape::Optional(_), Value::String(text)) if text == NONE => Value::String(text),
        (Shape::Optional(inner), value) if value.is_table() || value.is_float() || fits(&value, inner) => {
            check_value(value, inner, key, errors)
        }
        (Shape::Integer { .. }, Value::Float(number)) if let Some(number) = whole(number) => {
            check_value(Value::Integer(number), shape, key, errors)
        }
        (shape, value) if fits(&value, shape) => value,
        (shape, value) => {
            errors.push(ConfigError::Value { key: key.into(), value: value.to_string(), expected: shape.expected() });
            value
        }
    }
}

/// Returns a number such as `1e5` as an integer, if it is whole.
#[allow(clippy::cast_possible_truncation)] // whole, and within 53 bits
pub(super) fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

fn fits(value: &Value, shape: &Shape) -> bool {
    match (shape, value) {
        (Shape::Integer { least }, Value::Integer(number)) => least.is_none_or(|least| *number >= least),
        (Shape::Name(names), Value::String(text)) => names.contains(text),
        (Shape::Number | Shape::Schedule(_), Value::Integer(_) | Value::Float(_))
        | (Shape::Text, Value::String(_))
        | (Shape::OpenTable, Value::Table(_))
        | (Shape::Any, _)
        | (Shape::Switch, Value::Boolean(_)) => true,
        _ => false,
    }
}

/// Returns the error for a name that a table of this kind does not have.
fn unknown(key: String, name: &str, shape: &TableShape, kind: Option<&Kind>) -> ConfigError {
    let kinds = shape.kinds.iter().flat_map(|kinds| &kinds.all);
    let readers = kinds.filter(|kind| kind.fields.iter().any(|field| field.name == name));
    let readers: Vec<_> = readers.map(|kind| format!("`{}`", kind.name)).collect();
    if readers.is_empty() {
        return keys::unknown(&key);
    }
    let chosen = kind.map_or_else(String::new, |kind| format!("`{}` has no such setting, ", kind.name));
    let readers = match &readers[..] {
        [first @ .., last] if !first.is_empty() => format!("{} and {last} have", first.join(", ")),
        _ => format!("{} has", readers.concat()),
    };
    ConfigError::NotRead { key, reason: format!("{chosen}only {readers}") }
}
