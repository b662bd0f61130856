//! The settings of a run on texts, from a file and from the command line.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
};

use anyhow::{Context, Result, anyhow, bail};
use burn_pg_lm::{
    model::Lora,
    task::{
        Settings, Task, Train,
        settings::{Dpo, Pretrain, RewardKind, RewardModelling, Rl, Sft},
    },
};
use toml::{Table, Value};

use super::presets;

/// Name of the file with the settings in a run directory.
pub const FILE: &str = "lm.toml";

/// The settings that each kind of task begins with.
pub fn defaults(kind: &str) -> Settings {
    let task = match kind {
        "pretrain" => Task::Pretrain(Pretrain::default()),
        "sft" => Task::Sft(Sft::default()),
        "reward" => Task::Reward(RewardModelling::default()),
        "dpo" => Task::Dpo(Dpo::default()),
        _ => Task::Rl(Rl::default()),
    };
    let train = Train::default();
    let train = match kind {
        "pretrain" => Train { updates: 2000, learning_rate: linear(3e-3), ..train },
        "sft" | "reward" => Train { updates: 200, learning_rate: linear(2e-4), ..train },
        "dpo" => Train { updates: 200, learning_rate: linear(5e-6), ..train },
        _ => Train { updates: 100, learning_rate: 1e-5.into(), ..train },
    };
    Settings { base: None, task, train, lora: None }
}

fn linear(start: f64) -> burn_pg::optim::Schedule {
    burn_pg::optim::Schedule::Linear { start, end: 0.0 }
}

/// Where settings come from.
#[derive(clap::Args, Clone, Default)]
pub struct SettingsArgs {
    /// Take settings from this TOML file, with the tables `task`, `train` and `lora`; `lm.toml` of a run directory is one
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Change settings, such as updates=100, train.learning_rate=1e-4 or task.kl.weight=0.1
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    pub set: Vec<String>,
    /// Train adapters of low rank in place of all weights; their settings are in the table `lora`
    #[arg(long)]
    pub lora: bool,
}

/// Settings from the command line.
pub struct Given<'a> {
    pub kind: &'static str,
    /// The name of a preset, only for `rl`.
    pub preset: Option<&'a str>,
    pub from: &'a SettingsArgs,
    /// Values of settings that have arguments of their own.
    pub named: Vec<(&'static str, Value)>,
    /// Rewards of `--watch`, which are appended to `task.rewards`.
    pub watched: &'a [Value],
}

impl Given<'_> {
    /// Returns the settings: of the kind, then of the preset, then of the file, then of the command line.
    pub fn resolve(&self) -> Result<Settings> {
        let mut settings = table(&defaults(self.kind))?;
        if let Some(name) = self.preset {
            merge(&mut settings, presets::named(name)?);
        }
        if let Some(path) = &self.from.config {
            let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let file: Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
            merge(&mut settings, file);
        }
        for (key, value) in &self.named {
            insert(&mut settings, key, value.clone())?;
        }
        if !self.watched.is_empty() {
            let rewards = settings["task"].get_mut("rewards").and_then(Value::as_array_mut);
            rewards.context("only `lm rl` has rewards")?.extend(self.watched.iter().cloned());
        }
        if self.from.lora && !settings.contains_key("lora") {
            settings.insert("lora".into(), Value::Table(table(&Lora::default())?));
        }
        for assignment in &self.from.set {
            let (key, value) = assignment
                .split_once('=')
                .with_context(|| format!("--set {assignment}: expected KEY=VALUE, such as train.updates=100"))?;
            let key = full_key(&settings, key.trim())?;
            insert(&mut settings, &key, read_value(value.trim()))?;
        }
        read(settings, self.kind)
    }
}

/// Returns the values of settings that are paths.
pub fn paths(given: &[(&'static str, &Option<PathBuf>)]) -> Vec<(&'static str, toml::Value)> {
    let text = |path: &PathBuf| toml::Value::String(path.to_string_lossy().into_owned());
    given.iter().filter_map(|(key, path)| Some((*key, text(path.as_ref()?)))).collect()
}

/// Reads settings from a table.
pub fn read(settings: Table, kind: &str) -> Result<Settings> {
    let settings: Settings =
        Value::Table(settings).try_into().map_err(|error: toml::de::Error| anyhow!("settings: {}", error.message()))?;
    if settings.task.kind() != kind {
        bail!("these are settings of `lm {}`, not of `lm {kind}`", settings.task.kind());
    }
    Ok(settings)
}

/// Reads the settings of a run from its directory.
pub fn of_run(run: &Path) -> Result<Settings> {
    let file = run.join(FILE);
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} cannot be read: is it a run of `lm`?", file.display()))?;
    let table: Table = text.parse().with_context(|| format!("{} is not TOML", file.display()))?;
    let kind =
        table.get("task").and_then(|task| task.get("kind")).and_then(Value::as_str).unwrap_or_default().to_owned();
    read(table, &kind)
}

pub fn table(settings: &impl serde::Serialize) -> Result<Table> {
    Ok(Table::try_from(settings)?)
}

/// Puts settings over others. A table that names another kind replaces the whole.
fn merge(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) if !changes_kind(under, &over) => merge(under, over),
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

fn changes_kind(under: &Table, over: &Table) -> bool {
    over.get("kind").is_some_and(|kind| under.get("kind").is_some_and(|old| old != kind))
}

/// Returns a key with its table: `updates` is `train.updates`, `group_size` is `task.group_size`.
fn full_key(settings: &Table, key: &str) -> Result<String> {
    let first = key.split('.').next().unwrap_or_default();
    if ["task", "train", "lora"].contains(&first) {
        return Ok(key.into());
    }
    let has = |table: &str| settings[table].as_table().is_some_and(|table| table.contains_key(first));
    let optional = [
        ("train", "checkpoint_interval"),
        ("task", "pairs"),
        ("task", "clip_upper"),
        ("task", "dual_clip"),
        ("task", "value_clip"),
        ("task", "per_token"),
    ];
    let of = optional.iter().find(|(_, name)| *name == first).map(|(table, _)| *table);
    match of.or_else(|| ["train", "task"].into_iter().find(|table| has(table))) {
        Some(table) => Ok(format!("{table}.{key}")),
        None => {
            let names = |table: &str| -> Vec<String> {
                settings[table]
                    .as_table()
                    .into_iter()
                    .flat_map(Table::keys)
                    .map(|key| format!("{table}.{key}"))
                    .collect()
            };
            bail!("there is no setting `{key}`; there are {}", [names("task"), names("train")].concat().join(", "))
        }
    }
}

/// Sets the value of a key such as `task.kl.weight`.
fn insert(settings: &mut Table, key: &str, value: Value) -> Result<()> {
    let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut table = settings;
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let inner = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
        table = inner.as_table_mut().with_context(|| format!("`{part}` in `{key}` is not a table"))?;
    }
    table.insert(last.into(), value);
    Ok(())
}

/// Reads a value as TOML, or, if it is none, as text.
fn read_value(text: &str) -> Value {
    let parsed = format!("value = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.into()))
}

/// Reads a reward, perhaps with a name before it (`length=words:30`): `words:30`, `contains:good,great`, `lexicon:FILE`, `model:FOLDER` or `script:PROGRAM`.
pub fn reward(text: &str) -> Result<Value, String> {
    let expected = "expected words:N, contains:WORD,WORD, lexicon:FILE, model:FOLDER or script:PROGRAM";
    let (kind, argument) = text.split_once(':').filter(|(_, argument)| !argument.is_empty()).ok_or(expected)?;
    let (name, kind) = kind.split_once('=').map_or((None, kind), |(name, kind)| (Some(name), kind));
    let mut reward = Table::from_iter([("kind".to_owned(), kind.into())]);
    if let Some(name) = name {
        reward.insert("name".into(), name.into());
    }
    let (key, value): (_, Value) = match kind {
        "words" => ("target", argument.parse::<f64>().map_err(|_| expected)?.into()),
        "contains" => ("words", argument.split(',').map(|word| Value::from(word.trim())).collect::<Vec<_>>().into()),
        "lexicon" => ("file", argument.into()),
        "model" => ("folder", argument.into()),
        "script" => ("command", argument.split_whitespace().map(Value::from).collect::<Vec<_>>().into()),
        _ => return Err(expected.into()),
    };
    reward.insert(key.into(), value);
    Ok(Value::Table(reward))
}

/// Reads a reward that is only reported: its weight is 0.
pub fn watched(text: &str) -> Result<Value, String> {
    let mut reward = reward(text)?;
    let table = reward.as_table_mut().expect("a reward is a table");
    table.insert("weight".into(), 0.0.into());
    if !table.contains_key("name") {
        let kind = table["kind"].as_str().unwrap_or_default();
        table.insert("name".into(), format!("watched_{kind}").into());
    }
    Ok(reward)
}

/// Makes all paths absolute, so that a run can be resumed from any folder.
pub fn with_absolute_paths(mut settings: Settings) -> Result<Settings> {
    let whole = |path: &mut PathBuf| -> Result<()> {
        *path = absolute(&path).with_context(|| format!("{} has no absolute path", path.display()))?;
        Ok(())
    };
    match &mut settings.task {
        Task::Pretrain(Pretrain { data, model, .. }) => {
            whole(data)?;
            model.as_mut().map_or(Ok(()), whole)?;
        }
        Task::Sft(Sft { model, data, .. })
        | Task::Reward(RewardModelling { model, data, .. })
        | Task::Dpo(Dpo { model, data, .. }) => {
            whole(model)?;
            whole(data)?;
        }
        Task::Rl(Rl { model, data, rewards, .. }) => {
            whole(model)?;
            whole(data)?;
            for reward in rewards {
                match &mut reward.kind {
                    RewardKind::Model { folder } => whole(folder)?,
                    RewardKind::Lexicon { file } => whole(file)?,
                    RewardKind::Words { .. } | RewardKind::Contains { .. } | RewardKind::Script { .. } => {}
                }
            }
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(kind: &'static str, set: &[&str]) -> Result<Settings> {
        let set = set.iter().map(|assignment| (*assignment).to_owned()).collect();
        let from = SettingsArgs { set, ..SettingsArgs::default() };
        Given { kind, preset: None, from: &from, named: Vec::new(), watched: &[] }.resolve()
    }

    #[test]
    fn short_keys_find_their_table_and_unknown_ones_are_refused() {
        let set = ["updates=7", "group_size=4", "kl.weight=0.5", "train.seed=3", "clip_upper=0.3"];
        let settings = given("rl", &set).unwrap();
        let Task::Rl(task) = &settings.task else { panic!() };
        assert_eq!((settings.train.updates, settings.train.seed, task.group_size), (7, 3, 4));
        assert_eq!((task.kl.weight, task.clip_upper), (0.5, Some(0.3.into())));
        let error = given("rl", &["speed=7"]).unwrap_err().to_string();
        assert!(error.starts_with("there is no setting `speed`; there are task.algorithm, "), "{error}");
        let error = given("rl", &["task.speed=7"]).unwrap_err().to_string();
        assert!(error.contains("unknown field `speed`"), "{error}");
    }

    #[test]
    fn every_kind_is_written_and_read_back() {
        for kind in Task::KINDS {
            let settings = given(kind, &[]).unwrap();
            let text = toml::to_string(&settings).unwrap();
            assert_eq!(read(text.parse().unwrap(), kind).unwrap(), settings, "{text}");
        }
        assert!(read(table(&defaults("rl")).unwrap(), "sft").is_err());
    }

    #[test]
    fn rewards_are_read_from_short_forms() {
        for text in ["words:30", "contains:good, great", "lexicon:a.txt", "model:runs/a", "script:sh score.sh"] {
            let reward = reward(text).unwrap();
            let named = vec![("task.rewards", vec![reward].into())];
            let from = SettingsArgs::default();
            let settings = Given { kind: "rl", preset: None, from: &from, named, watched: &[] }.resolve();
            let Task::Rl(task) = settings.unwrap().task else { panic!() };
            assert_eq!(task.rewards[0].kind.name(), text.split(':').next().unwrap());
        }
        for text in ["words", "words:many", "words:", "luck:3"] {
            assert!(reward(text).is_err(), "{text}");
        }
    }
}
