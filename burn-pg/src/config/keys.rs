//! The names of the settings: full and short ones, and their names in other programs.

use std::collections::BTreeSet;

use burn_pg_envs::UnknownName;

use super::{
    ConfigError,
    shape::{Shape, Table, joined},
};

/// Our keys, with their names in other programs.
const ALIASES: [(&str, &[&str]); 22] = [
    ("algorithm.kind", &["algo"]),
    ("algorithm.clip_range", &["clip", "clip_coef"]),
    ("algorithm.clip_value", &["clip_range_vf", "clip_vloss"]),
    ("algorithm.entropy_weight", &["ent_coef", "entropy_coef"]),
    ("algorithm.gae_lambda", &["lam", "lambda"]),
    ("algorithm.normalize_advantages", &["norm_adv", "normalize_advantage"]),
    ("algorithm.normalize_values", &["normalize_value", "value_preprocessor"]),
    ("algorithm.num_epochs", &["n_critic_updates", "n_epochs", "update_epochs"]),
    ("algorithm.num_minibatches", &["batch_size", "minibatch_size"]),
    ("algorithm.trust_region", &["cg_damping", "cg_max_steps"]),
    ("algorithm.value_weight", &["value_coef", "vf_coef"]),
    ("env.name", &["env_id", "environment_id", "id"]),
    ("env.num_envs", &["n_envs"]),
    ("env.normalize_observations", &["normalize"]),
    ("evaluation.episodes", &["eval_episodes", "n_eval_episodes"]),
    ("network.exploration", &["log_std_init", "sde_sample_freq", "use_sde"]),
    ("network.hidden_sizes", &["net_arch"]),
    ("network.kind", &["encoder"]),
    ("optimiser", &["adam_epsilon", "optimizer"]),
    ("optimiser.learning_rate", &["anneal_learning_rate", "anneal_lr", "kl_threshold", "lr"]),
    ("rollout.num_steps", &["n_steps"]),
    ("run.total_steps", &["timesteps", "total_timesteps"]),
];

/// Returns every key with its table, such as `algorithm.gamma`. Keys of all kinds of a table are included.
fn all() -> Vec<Key> {
    let mut keys = Vec::new();
    visit(Table::of_config(), "", false, &mut keys);
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(key.full.clone()));
    keys
}

/// A key with its table.
struct Key {
    full: String,
    /// True for a part of a schedule or of an optional table.
    is_part: bool,
}

fn visit(table: &Table, path: &str, is_part: bool, keys: &mut Vec<Key>) {
    let kinds = table.kinds.iter().flat_map(|kinds| &kinds.all);
    if let Some(kinds) = &table.kinds {
        keys.push(Key { full: joined(path, &kinds.tag), is_part });
    }
    for field in table.fields.iter().chain(kinds.flat_map(|kind| &kind.fields)) {
        let key = joined(path, &field.name);
        if !path.is_empty() || !matches!(field.shape, Shape::Table(_)) {
            keys.push(Key { full: key.clone(), is_part });
        }
        if let Shape::Table(table) | Shape::Schedule(table) = field.shape.some() {
            visit(table, &key, is_part || !matches!(field.shape, Shape::Table(_)), keys);
        }
    }
}

/// Returns the full key for the end of a key: `algorithm.gamma` for `gamma`. Parts of a schedule, of an estimator or of
/// gSDE noise need the name of the setting too: `learning_rate.start`.
///
/// ```
/// use burn_pg::config::full_key;
///
/// assert_eq!(full_key("gamma")?, "algorithm.gamma");
/// assert_eq!(full_key("learning_rate.kind")?, "optimiser.learning_rate.kind");
/// assert_eq!(full_key("kind").unwrap_err().to_string(), "`kind` may be `algorithm.kind`, `network.kind` or \
///     `optimiser.kind`; write one of them");
/// # Ok::<(), burn_pg::config::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::UnknownKey`] or [`ConfigError::AmbiguousKey`].
pub fn full_key(key: &str) -> Result<String, ConfigError> {
    let all = all();
    if all.iter().any(|known| known.full == key) || Table::of_config().field(key).is_some() || may_be_custom(key) {
        return Ok(key.into());
    }
    let ending = format!(".{key}");
    let fitting = all.into_iter().filter(|known| known.full.ends_with(&ending));
    let (parts, whole): (Vec<_>, Vec<_>) = fitting.partition(|known| known.is_part);
    let may_be_part = key.contains('.') || (parts.len() == 1 && alias(key).is_none());
    let mut fitting = if whole.is_empty() && may_be_part { parts } else { whole };
    match fitting.len() {
        0 => Err(unknown(key)),
        1 => Ok(fitting.remove(0).full),
        _ => Err(ambiguous(key, &fitting.into_iter().map(|key| key.full).collect::<Vec<_>>())),
    }
}

/// True if a kind that a program adds may have this setting, or if it is within a table whose settings belong to somebody
/// else.
fn may_be_custom(key: &str) -> bool {
    let is_within_open = |path: &str| {
        let (table, name) = path.split_once('.')?;
        let Shape::Table(table) = &Table::of_config().field(table)?.shape else { return None };
        let name = name.split_once('.')?.0;
        (table.field(name)?.shape == Shape::OpenTable).then_some(())
    };
    if is_within_open(key).is_some() {
        return true;
    }
    let inner = key.split_once('.').and_then(|(table, _)| Table::of_config().field(table));
    matches!(inner.map(|field| &field.shape), Some(Shape::Table(Table { kinds: Some(kinds), .. })) if kinds.is_open)
}

/// Returns the error for a key that does not exist: with the keys that it is the last part of, if there are several, or
/// else with the nearest one.
pub(super) fn unknown(key: &str) -> ConfigError {
    let ending = format!(".{key}");
    let full: Vec<_> = all().into_iter().map(|known| known.full).filter(|full| full.ends_with(&ending)).collect();
    match full.len() {
        0 | 1 => ConfigError::UnknownKey { key: key.into(), nearest: nearest(key) },
        _ => ambiguous(key, &full),
    }
}

fn ambiguous(key: &str, full: &[String]) -> ConfigError {
    ConfigError::AmbiguousKey { key: key.into(), full: full.iter().map(|key| format!("`{key}`")).collect() }
}

/// Returns the existing key that is most similar, if one is similar: by its name in another program, by its last part,
/// or by its spelling. If the key names a table, the setting is one of that table.
fn nearest(key: &str) -> Option<String> {
    let known: Vec<String> = all().into_iter().map(|key| key.full).collect();
    let Some((table, name)) = key.rsplit_once('.') else { return named_like(key, &known) };
    // The items of lists have no keys.
    if table.contains('[') {
        return None;
    }
    let tables: BTreeSet<&str> = known.iter().filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
    let table = match tables.iter().find(|known| **known == table || known.ends_with(&format!(".{table}"))) {
        Some(table) => *table,
        None => {
            let meant = alias(table);
            let similar = || UnknownName::new("table", table, tables.iter().copied()).nearest;
            let meant = meant.map(str::to_owned).or_else(similar)?;
            tables.iter().find(|known| **known == meant)?
        }
    };
    let is_within = |key: &&String| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'));
    named_like(name, &known.iter().filter(is_within).cloned().collect::<Vec<_>>())
}

/// Returns the key among `known` with a name like this.
fn named_like(name: &str, known: &[String]) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    if let Some(meant) = alias(name).filter(|meant| known.iter().any(|key| key == meant || key.starts_with(meant))) {
        return Some(meant.into());
    }
    let similar = UnknownName::new("setting", name, known.iter().map(|key| last(key))).nearest?;
    known.iter().find(|key| last(key) == similar).cloned()
}

/// Returns our key for a name in another program.
fn alias(name: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(_, aliases)| aliases.contains(&name)).map(|(meant, _)| *meant)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, read};

    #[test]
    fn the_last_part_of_a_key_is_enough_where_it_is_unique() {
        for (short, full) in [
            ("gamma", "algorithm.gamma"),
            ("total_steps", "run.total_steps"),
            ("hidden_sizes", "network.hidden_sizes"),
            ("checkpoint.interval", "checkpoint.interval"),
            ("recurrence.size", "network.recurrence.size"),
            ("learning_rate.start", "optimiser.learning_rate.start"),
            ("estimator.lambda", "algorithm.estimator.lambda"),
            ("max_kl", "algorithm.trust_region.max_kl"),
            ("optimiser", "optimiser"),
            ("n", "algorithm.estimator.n"),
            ("resample_every", "network.exploration.sde.resample_every"),
        ] {
            assert_eq!(full_key(short).as_deref(), Ok(full));
        }
        for unknown in ["gama", "foo.bar", ""] {
            assert!(matches!(full_key(unknown), Err(ConfigError::UnknownKey { .. })), "{unknown}");
        }
    }

    #[test]
    fn a_part_of_several_settings_is_refused_with_all_of_them() {
        let expected = "`start` may be `algorithm.clip_range.start`, `algorithm.entropy_weight.start` or \
                        `optimiser.learning_rate.start`; write one of them";
        assert_eq!(full_key("start").unwrap_err().to_string(), expected);
        let of_file = Config::from_table("start = 1e-3".parse().unwrap());
        assert_eq!(of_file.unwrap_err().to_string(), expected);
    }

    #[test]
    fn the_nearest_setting_is_one_of_the_table_that_the_key_names() {
        for (wrong, meant) in [
            ("optimizer.kind", Some("optimiser.kind")),
            ("optimzer.learning_rte", Some("optimiser.learning_rate")),
            ("checkpoint.episode", Some("checkpoint.episodes")),
            ("algorithm.clip_coef", Some("algorithm.clip_range")),
            ("sde.interval", None),
            ("algorithm.loss[0].kind", None),
            ("gamma.x", None),
        ] {
            assert_eq!(nearest(wrong).as_deref(), meant, "{wrong}");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_the_nearest() {
        for (wrong, meant) in [
            ("gama = 0.9", "algorithm.gamma"),
            ("gamma = 0.9", "algorithm.gamma"),
            ("env.num_env = 3", "env.num_envs"),
            ("optimiser.start = 1e-3", "optimiser.learning_rate.start"),
            ("resample_every = 4", "network.exploration.sde.resample_every"),
        ] {
            let error = Config::from_table(wrong.parse().unwrap()).unwrap_err().to_string();
            assert!(error.ends_with(&format!("; did you mean `{meant}`?")), "{error}");
        }
        assert_eq!(read("frobnicate = 1").unwrap_err().to_string(), "there is no setting `frobnicate`");
        for (key, aliases) in ALIASES {
            assert!(full_key(key).as_deref() == Ok(key), "{key}");
            for alias in aliases {
                let error = read(&format!("{alias} = 1")).unwrap_err().to_string();
                assert!(error.contains(&format!("`{alias}`; did you mean `{key}`?")), "{error}");
            }
        }
    }
}
