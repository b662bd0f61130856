//! Settings from several places, one over the other.

use toml::{Table, Value};

use super::{
    Config, ConfigError,
    all_errors::with_ranges,
    error::Errors,
    reading::check,
    shape::{Shape, Table as TableShape, joined},
};

/// Settings from one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Where they come from, such as `preset a2c` or `--set`.
    pub from: String,
    /// The settings.
    pub settings: Table,
}

/// Settings from several places. Later layers win. Where a layer chooses another kind (of algorithm, network, optimiser
/// or schedule), what only the old kind reads is dropped.
///
/// ```
/// use burn_pg::config::{Config, Layers};
///
/// let mut layers = Layers::default();
/// layers.push("preset", "optimiser = { kind = 'adam', epsilon = 1e-5, learning_rate = 0.01 }".parse()?);
/// layers.push("--set", "optimiser.kind = 'sgd'".parse()?);
/// let expected = Config::from_table("optimiser = { kind = 'sgd', learning_rate = 0.01 }".parse()?)?;
/// assert_eq!(layers.config()?, expected);
/// assert_eq!(layers.origin("optimiser.learning_rate"), Some("preset"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// Adds a layer over the others.
    pub fn push(&mut self, from: impl Into<String>, settings: Table) {
        self.layers.push(Layer { from: from.into(), settings });
    }

    /// Returns the layers, the last one on top.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns the settings of all layers. What no layer sets is left out, except for the kinds of tables.
    #[must_use]
    pub fn merged(&self) -> Table {
        let over = |under, layer: &Layer| merge(under, layer.settings.clone(), TableShape::of_config());
        self.layers.iter().fold(kinds(), over)
    }

    /// Returns the configuration of all layers.
    ///
    /// # Errors
    /// [`ConfigError`], all of them at once: unknown keys, keys that the chosen kind does not read, wrong types, and with
    /// them numbers out of range. If there are only the last, [`Config::validate`] reports them.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let merged = self.merged();
        let settings = check(merged.clone(), TableShape::of_config());
        let settings = settings.map_err(|error| with_ranges(&error, merged.clone()))?;
        serde_path_to_error::deserialize(Value::Table(settings)).map_err(|error| {
            let (key, reason) = (error.path().to_string(), error.inner().message().trim().into());
            with_ranges(&ConfigError::Invalid { key, reason }, merged)
        })
    }

    /// Returns where the value of a key comes from; `None` if no layer sets it.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&str> {
        self.layers.iter().rev().find(|layer| layer.sets(key)).map(|layer| layer.from.as_str())
    }

    /// Checks the names and types of a layer by itself, with the kinds of all layers.
    ///
    /// # Errors
    /// [`ConfigError`], all of them at once.
    pub fn check(&self, layer: &Layer) -> Result<(), ConfigError> {
        let mut alone = Self::default();
        alone.push("", chosen(&self.merged(), TableShape::of_config()));
        alone.push("", layer.settings.clone());
        let Err(error) = check(alone.merged(), TableShape::of_config()) else { return Ok(()) };
        let mut errors = Errors::default();
        // What a layer leaves out, another may have.
        let wrong = error.each().iter().filter(|error| !matches!(error, ConfigError::Missing { .. }));
        wrong.for_each(|error| errors.push(error.clone()));
        errors.into_result()
    }
}

/// The kinds of tables that have one by default.
fn kinds() -> Table {
    let defaults = Table::try_from(Config::default()).expect("a configuration can be written as TOML");
    chosen(&defaults, TableShape::of_config())
}

/// Returns only the kinds of tables.
fn chosen(settings: &Table, shape: &TableShape) -> Table {
    let tag = shape.kinds.as_ref().and_then(|kinds| settings.get_key_value(&kinds.tag));
    let inner = shape.fields.iter().filter_map(|field| match (&field.shape, settings.get(&field.name)?) {
        (Shape::Table(shape), Value::Table(inner)) => Some((field.name.clone(), Value::Table(chosen(inner, shape))))
            .filter(|(_, inner)| inner != &Value::Table(Table::new())),
        _ => None,
    });
    tag.map(|(name, value)| (name.clone(), value.clone())).into_iter().chain(inner).collect()
}

/// Puts settings over others.
fn merge(under: Table, over: Table, shape: &TableShape) -> Table {
    let mut merged = under;
    if let Some(kinds) = &shape.kinds
        && let Some(chosen) = over.get(&kinds.tag)
        && merged.get(&kinds.tag).is_some_and(|old| old != chosen)
    {
        let fields: Vec<_> = shape.fields_of(shape.kind(&over)).map(|field| field.name.as_str()).collect();
        merged.retain(|name, _| fields.contains(&name) && !shape.is_custom(&over));
    }
    let kind = shape.kind(&over).or_else(|| shape.kind(&merged)).cloned();
    for (name, value) in over {
        let field = shape.fields_of(kind.as_ref()).find(|field| field.name == name);
        let value = match (field.map(|field| field.shape.some()), merged.remove(&name), value) {
            (Some(Shape::Table(shape) | Shape::Schedule(shape)), Some(Value::Table(under)), Value::Table(over)) => {
                Value::Table(merge(under, over, shape))
            }
            (_, _, value) => value,
        };
        merged.insert(name, value);
    }
    merged
}

/// Puts the value of a key into a table.
///
/// # Errors
/// [`ConfigError::Value`] if a part of the key is not a table.
pub(super) fn insert(settings: &mut Table, key: &str, value: Value) -> Result<(), ConfigError> {
    let (outer, name) = key.rsplit_once('.').unwrap_or(("", key));
    let (mut inner, mut path) = (settings, String::new());
    for part in outer.split('.').filter(|part| !part.is_empty()) {
        path = joined(&path, part);
        inner = match inner.entry(part).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => inner,
            other => {
                let expected = "a table to have parts".into();
                return Err(ConfigError::Value { key: path, value: other.to_string(), expected });
            }
        };
    }
    inner.insert(name.into(), value);
    Ok(())
}

impl Layer {
    /// True if the layer sets a key, or the table that it is in is replaced by something else.
    #[must_use]
    pub fn sets(&self, key: &str) -> bool {
        let mut settings = &self.settings;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            // A list is set as a whole.
            let name = part.split('[').next().unwrap_or_default();
            match settings.get(name) {
                Some(Value::Table(inner)) if parts.peek().is_some() => settings = inner,
                other => return other.is_some(),
            }
        }
        false
    }

    /// Returns the layer with only the settings in this table.
    #[must_use]
    pub fn only(&self, table: &str) -> Self {
        let mut settings = Table::new();
        let found = table.split('.').try_fold(&self.settings, |inner, name| inner.get(name)?.as_table());
        if let Some(found) = found {
            insert(&mut settings, table, Value::Table(found.clone())).expect("the table is empty");
        }
        Self { from: self.from.clone(), settings }
    }

    /// Creates a layer from settings by short keys: `gamma = 0.98` for `algorithm.gamma = 0.98`. Whole tables may be
    /// among them.
    ///
    /// # Errors
    /// [`ConfigError`], all of them at once.
    pub fn from_short_keys(from: impl Into<String>, settings: Table) -> Result<Self, ConfigError> {
        let is_table = |(key, _): &(String, Value)| TableShape::of_config().field(key).is_some();
        let (tables, short): (Vec<_>, Vec<_>) = settings.into_iter().partition(is_table);
        let mut layer = Self { from: from.into(), settings: tables.into_iter().collect() };
        let mut errors = Errors::default();
        for (key, value) in short {
            errors.add(layer.set(&key, value).map(drop));
        }
        errors.into_result().map(|()| layer)
    }

    /// Sets a key, by its full name or by the part of it that is unique. Returns the full name.
    ///
    /// # Errors
    /// [`ConfigError::UnknownKey`], [`ConfigError::AmbiguousKey`] or [`ConfigError::Value`].
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> Result<String, ConfigError> {
        let key = super::full_key(key)?;
        insert(&mut self.settings, &key, value.into())?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{OptimiserSpec, Schedule, SgdSpec};

    fn layers(texts: &[&str]) -> Layers {
        let mut layers = Layers::default();
        for (at, text) in texts.iter().enumerate() {
            layers.push(format!("layer {at}"), text.parse().unwrap());
        }
        layers
    }

    #[test]
    fn another_kind_drops_what_only_the_old_one_reads() {
        let config =
            layers(&["optimiser = { kind = 'adam', epsilon = 0.1, max_grad_norm = 2 }", "optimiser.kind = 'sgd'"]);
        let optimiser = config.config().unwrap().optimiser;
        assert_eq!(optimiser.kind, OptimiserSpec::Sgd(SgdSpec::default()));
        assert_eq!(optimiser.max_grad_norm, 2.0);
        let config = layers(&[
            "optimiser.learning_rate = { kind = 'linear', start = 0.1 }",
            "optimiser.learning_rate.kind = 'cosine'",
        ]);
        assert_eq!(config.config().unwrap().optimiser.learning_rate, Schedule::Cosine { start: 0.1, end: 0.0 }.into());
        let config = layers(&["algorithm = { kind = 'ppo', gamma = 0.5, clip_range = 0.1 }", "algorithm.kind = 'a2c'"]);
        assert_eq!(config.config().unwrap().algorithm.gamma(), 0.5);
    }

    #[test]
    fn optional_settings_can_be_unset() {
        let config = layers(&["run.target_return = 475\nalgorithm.micro_batch_size = 8", "run.target_return = 'none'"]);
        let config = config.config().unwrap();
        assert_eq!((config.run.target_return, config.algorithm.micro_batch_size()), (None, Some(8)));
    }

    #[test]
    fn a_schedule_that_lacks_a_part_is_refused_by_name() {
        let error = layers(&["optimiser.learning_rate = 0.1", "optimiser.learning_rate.kind = 'cosine'"]).config();
        let message = "`optimiser.learning_rate.start` is missing; it must be a number";
        assert_eq!(error.unwrap_err().to_string(), message);
    }

    #[test]
    fn the_topmost_layer_that_sets_a_key_is_its_origin() {
        let layers = layers(&["algorithm.gamma = 0.9\nenv.num_envs = 4", "algorithm.gamma = 0.8"]);
        let origins = ["algorithm.gamma", "env.num_envs", "run.seed"].map(|key| layers.origin(key));
        assert_eq!(origins, [Some("layer 1"), Some("layer 0"), None]);
    }
}
