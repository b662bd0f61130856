//! The shape of settings: their names, types, defaults and descriptions, read from the types themselves.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// The type of a setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// Settings with names.
    Table(Table),
    /// A table whose settings belong to somebody else.
    OpenTable,
    /// Any value.
    Any,
    /// A list of settings of one shape.
    List(Box<Shape>),
    /// A number, or a table that describes how it changes during training.
    Schedule(Table),
    /// One of these names.
    Name(Vec<String>),
    /// Any text.
    Text,
    /// A whole number, at least `least`.
    Integer {
        /// The smallest one, if there is one.
        least: Option<i64>,
    },
    /// A number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A setting of this shape, or `none`.
    Optional(Box<Shape>),
}

/// A table of settings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// The settings that it always has.
    pub fields: Vec<Field>,
    /// The kinds of the table, each with settings of its own.
    pub kinds: Option<Kinds>,
}

/// The kinds of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kinds {
    /// The setting that names the kind: `kind` or `cell`.
    pub tag: String,
    /// Name, description and settings of each kind.
    pub all: Vec<Kind>,
    /// True if a program may add kinds, each with settings of its own in place of all others.
    pub is_open: bool,
}

/// A kind of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    pub name: String,
    pub about: String,
    pub fields: Vec<Field>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub name: String,
    /// The description, with the range and the default.
    pub about: String,
    /// True if it has no default.
    pub is_required: bool,
    pub shape: Shape,
}

static CONFIG: LazyLock<Table> = LazyLock::new(|| {
    let generator = SchemaSettings::default().with(|settings| settings.inline_subschemas = true).into_generator();
    let schema = generator.into_root_schema_for::<Config>();
    table(schema.as_value())
});

impl Table {
    /// The tables of a configuration.
    pub fn of_config() -> &'static Self {
        &CONFIG
    }

    /// Returns a setting that the table always has.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Returns the kind that a table of settings has.
    pub fn kind(&self, settings: &toml::Table) -> Option<&Kind> {
        let kinds = self.kinds.as_ref()?;
        let name = settings.get(&kinds.tag)?.as_str()?;
        kinds.all.iter().find(|kind| kind.name == name)
    }

    /// True if these settings have a kind that a program may have added.
    pub fn is_custom(&self, settings: &toml::Table) -> bool {
        let Some(Kinds { tag, is_open: true, .. }) = &self.kinds else { return false };
        self.kind(settings).is_none() && settings.get(tag).is_some_and(toml::Value::is_str)
    }

    /// Returns the settings of a table of this kind.
    pub fn fields_of<'a>(&'a self, kind: Option<&'a Kind>) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().chain(kind.into_iter().flat_map(|kind| &kind.fields))
    }
}

impl Field {
    /// True if the setting is a table that may have this setting.
    pub fn has(&self, name: &str) -> bool {
        let Shape::Table(table) = self.shape.some() else { return false };
        let kinds = table.kinds.iter().flat_map(|kinds| &kinds.all);
        table.fields.iter().chain(kinds.flat_map(|kind| &kind.fields)).any(|field| field.name == name)
    }
}

impl Shape {
    /// Returns the shape of the value of an optional setting, and any other shape unchanged.
    pub fn some(&self) -> &Self {
        match self {
            Self::Optional(shape) => shape.some(),
            shape => shape,
        }
    }

    /// Describes the values that are expected, with an example.
    pub fn expected(&self) -> String {
        match self {
            Self::Table(Table { kinds: Some(Kinds { tag, all, .. }), .. }) => {
                let names: Vec<_> = all.iter().map(|kind| format!("\"{}\"", kind.name)).collect();
                format!("a table such as {{ {tag} = {} }}; `{tag}` may be {}", names[0], either(&names))
            }
            Self::Table(Table { fields, .. }) => {
                let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
                format!("a table of {}", names.join(", "))
            }
            Self::List(items) => match &**items {
                Self::Integer { .. } => "a list of whole numbers, such as [64, 64]".into(),
                Self::Any => "a list".into(),
                items => format!("a list, such as [{{ ... }}]; each item is {}", items.expected()),
            },
            Self::Schedule(_) => {
                "a number, or a schedule such as { kind = \"linear\", start = 1e-3, end = 0.0 }".into()
            }
            Self::Name(names) => either(&names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>()),
            Self::OpenTable => "a table, such as { size = 3 }".into(),
            Self::Any => "any value".into(),
            Self::Text => "a text".into(),
            Self::Integer { least: Some(least) } => format!("a whole number, {least} or more"),
            Self::Integer { least: None } => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Switch => "true or false".into(),
            Self::Optional(shape) => format!("{}, or \"none\"", shape.expected()),
        }
    }
}

/// Joins the parts of a key.
pub(super) fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.into() } else { format!("{path}.{name}") }
}

/// Joins alternatives: `a, b or c`.
pub(super) fn either(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

fn shape(schema: &Value) -> Shape {
    let alternatives = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let kinds = |schema: &Value| {
        schema["type"].as_str().map_or_else(
            || schema["type"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
            |kind| vec![kind.to_owned()],
        )
    };
    let types: Vec<String> = kinds(schema);
    let is_null = |schema: &Value| schema["type"] == "null";
    match alternatives("anyOf") {
        [] => {}
        [number, table_of] if number["type"] == "number" => return Shape::Schedule(table(table_of)),
        any => {
            let some = any.iter().find(|schema| !is_null(schema)).expect("a type besides null");
            return Shape::Optional(Box::new(shape(some)));
        }
    }
    let one = |kind: &str| match kind {
        // A table that has settings of its own besides may only have further kinds.
        "object" if schema["open"] == true && schema["properties"].is_null() => Shape::OpenTable,
        "object" => Shape::Table(table(schema)),
        "array" => Shape::List(Box::new(shape(&schema["items"]))),
        "integer" => Shape::Integer { least: schema["minimum"].as_i64() },
        "number" => Shape::Number,
        "boolean" => Shape::Switch,
        _ => match schema["enum"].as_array() {
            Some(names) => Shape::Name(names.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            None => Shape::Text,
        },
    };
    let names: Vec<_> = alternatives("oneOf").iter().filter_map(|schema| schema["const"].as_str()).collect();
    match (&types[..], &names[..]) {
        (_, [_, ..]) => Shape::Name(names.into_iter().map(str::to_owned).collect()),
        ([], []) if schema["open"] == true => Shape::Any,
        ([], []) => Shape::Table(table(schema)),
        ([kind], []) => one(kind),
        ([kind, ..], []) => Shape::Optional(Box::new(one(kind))),
    }
}

fn table(schema: &Value) -> Table {
    let kinds = schema["oneOf"].as_array().map(|kinds| {
        let tag = tag(&kinds[0]);
        let all = kinds.iter().map(|kind| Kind {
            name: kind["properties"][&tag]["const"].as_str().unwrap_or_default().into(),
            about: about(kind),
            fields: fields(kind, Some(&tag)),
        });
        Kinds { all: all.collect(), tag, is_open: schema["open"] == true }
    });
    Table { fields: fields(schema, None), kinds }
}

/// Returns the property that names the kind.
fn tag(kind: &Value) -> String {
    let properties = kind["properties"].as_object().into_iter().flatten();
    let named = properties.filter(|(_, schema)| schema.get("const").is_some());
    named.map(|(name, _)| name.clone()).next().unwrap_or_default()
}

fn fields(schema: &Value, tag: Option<&str>) -> Vec<Field> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let fields = properties.filter(|(name, _)| tag != Some(name)).map(|(name, schema)| Field {
        name: name.clone(),
        about: about(schema),
        is_required: required(name),
        shape: shape(schema),
    });
    fields.collect()
}

/// Returns a description on one line, without the links of its documentation.
fn about(schema: &Value) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    let words: Vec<_> = text.split_whitespace().collect();
    let mut plain = String::new();
    let mut rest = &*words.join(" ");
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        plain.extend([before, "`", name, "`"]);
        let target = after.strip_prefix('(').and_then(|link| link.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_description_and_a_type() {
        fn visit(table: &Table, path: &str) {
            let kinds = table.kinds.iter().flat_map(|kinds| &kinds.all);
            for field in table.fields.iter().chain(kinds.flat_map(|kind| &kind.fields)) {
                let path = format!("{path}.{}", field.name);
                assert!(!field.about.is_empty(), "{path}");
                let mut shape = &field.shape;
                while let Shape::Optional(inner) | Shape::List(inner) = shape {
                    shape = inner;
                }
                if let Shape::Table(table) = shape {
                    visit(table, &path);
                }
            }
        }
        let config = Table::of_config();
        visit(config, "");
        let names =
            ["algorithm", "checkpoint", "env", "evaluation", "faults", "log", "network", "optimiser", "rollout", "run"];
        assert!(config.fields.iter().map(|field| &*field.name).eq(names));
    }
}
