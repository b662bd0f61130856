//! Reports numbers out of range together with settings of a wrong name or type.

use toml::{Table, Value};

use super::{Config, ConfigError, error::Errors, reading::check, shape::Table as TableShape};

/// Adds the numbers that are out of range to `error`, which is about names and types, so that all errors are reported
/// at once.
pub(super) fn with_ranges(error: &ConfigError, mut settings: Table) -> ConfigError {
    let mut errors = Errors::default();
    errors.add(Err(error.clone()));
    // Without the wrong settings, the rest can be read. Tables that cannot be read without them are removed, too.
    let mut wrong = error.clone();
    for whole_table in [false, true] {
        for key in wrong.each().iter().filter_map(ConfigError::key) {
            let table = key.rsplit_once('.').map_or(key, |(table, _)| table);
            remove(&mut settings, if whole_table { table } else { key });
        }
        let Err(error) = check(settings.clone(), TableShape::of_config()) else { break };
        wrong = error;
    }
    let rest = check(settings, TableShape::of_config()).ok().and_then(|rest| rest.try_into::<Config>().ok());
    if let Some(rest) = rest {
        rest.check_each(&mut errors);
    }
    errors.into_result().expect_err("at least the error that was given")
}

/// Removes a setting. For an element of a list, removes the whole list.
fn remove(settings: &mut Table, key: &str) {
    let key = key.split('[').next().unwrap_or_default();
    let (outer, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut parts = outer.split('.').filter(|part| !part.is_empty());
    if let Some(table) = parts.try_fold(settings, |table, part| table.get_mut(part).and_then(Value::as_table_mut)) {
        table.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn numbers_out_of_range_are_reported_beside_other_errors() {
        let messages = |text: &str| {
            let error = Config::from_table(text.parse().unwrap()).unwrap_err();
            error.each().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let gamma = "`algorithm.gamma` is 1.5; it must be between 0 and 1";
        let type_error = "`env.num_envs` is \"many\"; it must be a whole number, 0 or more";
        assert_eq!(messages("algorithm.gamma = 1.5\nenv.num_envs = 'many'"), [type_error, gamma]);
        let device = messages("algorithm.gamma = 1.5\nrun.device = 'tpu'");
        assert!(device[0].starts_with("`run.device`: unknown device `tpu`") && device[1] == gamma, "{device:#?}");
        // A loss without its weight, and an optimiser without a known kind, are left out as a whole.
        let unreadable =
            "algorithm = { gamma = 1.5, loss = [{ term = { kind = 'entropy' } }] }\noptimiser.kind = 'adm'";
        let found = messages(unreadable);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert_eq!(found[2], gamma);
    }
}
