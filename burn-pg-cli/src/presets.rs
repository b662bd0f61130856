//! Named sets of hyperparameters, compiled in.

use burn_pg::{config::Algo, envs::UnknownName};

/// Name and TOML text of every preset.
const PRESETS: [(&str, &str); 2] = [
    ("cartpole-v1-ppo", include_str!("../presets/cartpole-v1-ppo.toml")),
    ("ppo-cleanrl", include_str!("../presets/ppo-cleanrl.toml")),
];

/// The settings of a preset.
pub fn named(name: &str) -> Result<toml::Table, UnknownName> {
    PRESETS
        .iter()
        .find(|(preset, _)| *preset == name)
        .map(|(_, text)| parse(text))
        .ok_or_else(|| UnknownName::new("preset", name, PRESETS.map(|(name, _)| name)))
}

/// The preset that was tuned for an environment and an algorithm, if there is one: it is called after both.
pub fn tuned(env: &str, algo: Algo) -> Option<toml::Table> {
    named(&format!("{}-{algo}", env.to_lowercase())).ok()
}

fn parse(text: &str) -> toml::Table {
    text.parse().expect("a preset is valid TOML; a test reads them all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_pg::Config;

    #[test]
    fn every_preset_is_a_valid_configuration() {
        for (name, _) in PRESETS {
            let config = Config::from_table(named(name).unwrap()).unwrap();
            config.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn the_preset_of_cleanrl_is_the_fields_yardstick() {
        let preset = Config::from_table(named("ppo-cleanrl").unwrap()).unwrap();
        assert_eq!(preset, Config::default());
    }
}
