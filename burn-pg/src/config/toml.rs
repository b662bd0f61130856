//! Reading and writing settings as TOML.

use super::{Config, ConfigError, Layers, unread::unread};

/// The tables that a run reads, whatever its source.
const OF_ANY_SOURCE: [&str; 3] = ["run", "checkpoint", "faults"];

impl Config {
    /// Reads settings. Missing keys keep their defaults.
    ///
    /// # Errors
    /// [`ConfigError`], all of them at once: unknown keys, keys that nothing reads, and values of a wrong type.
    pub fn from_table(table: toml::Table) -> Result<Self, ConfigError> {
        let mut layers = Layers::default();
        layers.push("", table);
        layers.config()
    }

    /// Returns all settings that are read as TOML, from which the same run can be started again.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let written = "a configuration can be written as TOML";
        if self.run.source.is_some() {
            let mut settings = toml::Table::try_from(self).expect(written);
            settings.retain(|table, _| OF_ANY_SOURCE.contains(&table));
            return toml::to_string(&settings).expect(written);
        }
        let text = toml::to_string(self).expect(written);
        let unread: Vec<_> = unread(self, None).into_iter().map(|(key, _)| key).collect();
        let mut table = "";
        let lines = text.lines().filter(|line| {
            if let Some(name) = line.strip_prefix('[') {
                table = name.trim_matches(['[', ']']);
            }
            let name = line.split(" =").next().unwrap_or_default();
            !unread.iter().any(|key| key.rsplit_once('.') == Some((table, name)))
        });
        lines.flat_map(|line| [line, "\n"]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Algo, read};

    #[test]
    fn a_resolved_configuration_is_read_back() {
        for algo in Algo::ALL {
            let mut config = Config { algorithm: algo.into(), ..Config::default() };
            config.network.hidden_sizes = vec![];
            assert_eq!(*read(&config.to_toml()).unwrap(), config);
        }
        let texts = Config::default().with(|config| config.run.source = Some("texts".into()));
        let text = texts.to_toml();
        assert_eq!(*read(&text).unwrap(), texts);
        // The settings of environments are not checked, because they are not read.
        assert!(read("run.source = 'texts'\ntotal_steps = 5").is_ok());
        assert!(text.contains("source = \"texts\"") && !text.contains("[env]"), "{text}");
        let text = read("algorithm.kind = 'reinforce'").unwrap().to_toml();
        assert!(text.contains("target_return = \"none\"") && !text.contains("num_steps"), "{text}");
    }

    #[test]
    fn values_that_cannot_be_read_are_refused_by_name() {
        for (text, message) in [
            (
                "algorithm.kind = 'pppo'",
                "`algorithm.kind` is \"pppo\"; it must be \"ppo\", \"a2c\", \"trpo\" or \"reinforce\"",
            ),
            (
                "network.activation = 'tahn'",
                "`network.activation` is \"tahn\"; it must be \"tanh\", \"relu\" or \"silu\"",
            ),
            ("algorithm.gamma = 'high'", "`algorithm.gamma` is \"high\"; it must be a number"),
            ("env.num_envs = -1", "`env.num_envs` is -1; it must be a whole number, 0 or more"),
            ("env.num_envs = 1.5", "`env.num_envs` is 1.5; it must be a whole number, 0 or more"),
            (
                "network.hidden_sizes = 64",
                "`network.hidden_sizes` is 64; it must be a list of whole numbers, such as [64, 64]",
            ),
            (
                "algorithm.kind = 'a2c'\nalgorithm.num_epochs = 2",
                "`algorithm.num_epochs` is not read: `a2c` has no such setting, only `ppo` and `trpo` have",
            ),
            (
                "algorithm.loss = [{ weight = 1, term = 'entropy' }]",
                "`algorithm.loss[0].term` is \"entropy\"; it must be a table such as \
                { kind = \"policy_gradient\" }; `kind` may be \"policy_gradient\", \"surrogate\", \"ppo_clip\", \"kl_penalty\", \
                \"kl_to_reference\", \"entropy\" or \"value\"",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        let error = read("algorithm.gamma = 'high'\nenv.num_env = 3\nrun.threads = 'all'").unwrap_err();
        assert_eq!(error.each().len(), 3, "{error}");
        assert!(error.to_string().starts_with("3 settings are wrong:\n  `algorithm.gamma` is"), "{error}");
    }

    #[test]
    fn whole_numbers_may_be_written_with_an_exponent() {
        assert_eq!(read("run.total_steps = 1e5").unwrap().run.total_steps, 100_000);
    }
}
