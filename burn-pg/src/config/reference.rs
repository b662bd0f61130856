//! Descriptions of settings for people: a configuration with comments, and the page of all settings.

use std::fmt::Write;

use super::{
    Config, Layers,
    shape::{Field, Kind, Shape, Table, joined},
};

/// Returns a configuration as TOML in which each setting has a comment with its meaning, range and default, and with
/// the layer that it comes from. It can be read as a configuration again.
#[must_use]
pub fn annotated(config: &Config, layers: &Layers) -> String {
    let settings = toml::Table::try_from(config).expect("a configuration can be written as TOML");
    let (mut text, mut table) = (String::new(), String::new());
    for line in config.to_toml().lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_matches(['[', ']']).clone_into(&mut table);
            let about = described(&settings, &table).unwrap_or_default();
            comment(&mut text, &about);
            let _ = writeln!(text, "{line}");
        } else if let Some((name, _)) = line.split_once(" = ") {
            let key = joined(&table, name);
            if let Some(about) = described(&settings, &key) {
                comment(&mut text, &about);
            }
            let _ = writeln!(text, "{line}  # from: {}", layers.origin(&key).unwrap_or("default"));
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

/// Writes lines of comments of at most 100 characters.
fn comment(text: &mut String, about: &str) {
    let mut line = String::from("#");
    for word in about.split(' ').filter(|word| !word.is_empty()) {
        if line.len() + word.len() >= 100 {
            let _ = writeln!(text, "{line}");
            line = String::from("#");
        }
        line += " ";
        line += word;
    }
    if line.len() > 1 {
        let _ = writeln!(text, "{line}");
    }
}

/// Returns the description of a key in these settings.
fn described(settings: &toml::Table, key: &str) -> Option<String> {
    let (mut table, mut settings) = (Table::of_config(), Some(settings));
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let kind = settings.and_then(|settings| table.kind(settings));
        if let Some(kinds) = table.kinds.as_ref().filter(|kinds| kinds.tag == part) {
            let names: Vec<_> = kinds.all.iter().map(|kind| format!("`{}`", kind.name)).collect();
            return Some(format!("{} One of {}.", kind?.about, super::shape::either(&names)));
        }
        let field = table.fields_of(kind).find(|field| field.name == part)?;
        if parts.peek().is_none() {
            return Some(field.about.clone());
        }
        settings = settings.and_then(|settings| settings.get(part)?.as_table());
        table = inner(&field.shape)?;
    }
    None
}

/// Returns the table of a setting, if the setting is a table.
fn inner(shape: &Shape) -> Option<&Table> {
    match shape {
        Shape::Table(table) => Some(table),
        Shape::Optional(shape) | Shape::List(shape) => inner(shape),
        _ => None,
    }
}

/// Returns the page of all settings, in Markdown.
#[must_use]
pub fn settings_page() -> String {
    let mut page = String::from(HEAD);
    for name in order(&Config::default(), "") {
        let field = Table::of_config().field(&name).expect("a table of the configuration");
        section(&mut page, &name, field, 2);
    }
    page
}

const HEAD: &str = "# Settings\n
This page is generated from the types in [`config`](../burn-pg/src/config.rs), and a test compares it with them.\n
Settings come in tables. `burn-pg config` prints all of them for a run, as TOML that `train --config` reads; each run
writes its own to `config.toml`. On the command line, `--set gamma=0.98` is short for `--set algorithm.gamma=0.98`: the
last part of a key is enough where it is unique. A setting that nothing reads is refused. `\"none\"` unsets an optional
setting (`--set target_return=none`). A setting that is marked as required has no default.\n
A preset (`--preset`) overrides the defaults, a file (`--config`) overrides the preset, and `--set` overrides the file. Only
the algorithm must be the same wherever it is named.\n
```toml
[run]
total_steps = 200_000

[env]
name = \"CartPole-v1\"
num_envs = 16

[algorithm]
kind = \"ppo\"
gamma = 0.98

[optimiser]
kind = \"adam\"
learning_rate = { kind = \"linear\", start = 1e-3 }
```
";

fn section(page: &mut String, path: &str, field: &Field, level: usize) {
    let Some(table) = inner(&field.shape) else { return };
    let list = if matches!(field.shape, Shape::List(_)) { "[]" } else { "" };
    let _ = write!(page, "\n{} `{path}{list}`\n\n{}\n", "#".repeat(level), field.about);
    rows(page, path, &table.fields, None);
    let kinds = table.kinds.iter().flat_map(|kinds| &kinds.all);
    let tag = table.kinds.as_ref().map_or("", |kinds| &kinds.tag);
    for kind in kinds.clone() {
        let _ = write!(page, "\n**`{tag} = \"{}\"`** {}\n", kind.name, kind.about);
        rows(page, path, &kind.fields, Some((tag, kind)));
    }
    let mut seen = Vec::new();
    for field in table.fields.iter().chain(kinds.flat_map(|kind| &kind.fields)) {
        if !seen.contains(&(&field.name, &field.shape)) {
            section(page, &format!("{path}.{}", field.name), field, (level + 1).min(4));
            seen.push((&field.name, &field.shape));
        }
    }
}

fn rows(page: &mut String, path: &str, fields: &[Field], kind: Option<(&str, &Kind)>) {
    if fields.is_empty() {
        return;
    }
    let _ = write!(page, "\n| key | meaning |\n| --- | --- |\n");
    let mut config = toml::Table::new();
    if let Some((tag, kind)) = kind {
        let _ = super::layers::insert(&mut config, &format!("{path}.{tag}"), kind.name.clone().into());
    }
    let order = Config::from_table(config).map(|config| order(&config, path)).unwrap_or_default();
    let mut fields: Vec<_> = fields.iter().collect();
    fields.sort_by_key(|field| order.iter().position(|name| *name == field.name));
    for field in fields {
        let required = if field.is_required { "Required. " } else { "" };
        let _ = writeln!(page, "| `{}` | {required}{} |", field.name, field.about.replace('|', "\\|"));
    }
}

/// Returns the names in a table of a configuration, in the order in which they are written.
fn order(config: &Config, path: &str) -> Vec<String> {
    let text = toml::to_string(config).expect("a configuration can be written as TOML");
    let (mut table, mut names) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_matches(['[', ']']).clone_into(&mut table);
            let inner = if path.is_empty() { Some(&*table) } else { table.strip_prefix(&format!("{path}.")) };
            names.extend(inner.filter(|name| !name.contains('.')).map(str::to_owned));
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| table == path) {
            names.push(name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_marks_required_settings() {
        let page = settings_page();
        for line in
            ["| `weight` | Required. The weight of the term,", "| `weight` | The initial weight of the penalty."]
        {
            assert!(page.contains(line), "{line}");
        }
    }

    #[test]
    fn a_configuration_with_comments_is_read_back() {
        let mut layers = Layers::default();
        layers.push("preset a2c", "algorithm.kind = 'a2c'\nalgorithm.gamma = 0.9".parse().unwrap());
        let config = layers.config().unwrap();
        let text = annotated(&config, &layers);
        assert_eq!(Config::from_table(text.parse().unwrap()).unwrap(), config);
        assert!(text.contains("# Discount factor, 0 to 1. Default 0.99.\ngamma = 0.9  # from: preset a2c\n"), "{text}");
        assert!(text.contains("\nseed = 1  # from: default\n"), "{text}");
    }
}
