//! Configurations from short keys, and the page of settings.

use burn_pg::{
    CheckedConfig, Config,
    config::{AlgorithmConfig, ConfigError, Layer, PpoConfig, settings_page},
};

/// Reads settings such as `gamma = 0.98`, one per line.
pub fn settings(text: &str) -> Result<Config, ConfigError> {
    Config::from_table(Layer::from_short_keys("", text.parse().unwrap())?.settings)
}

/// Reads valid settings.
pub fn valid(text: &str) -> CheckedConfig {
    settings(text).and_then(Config::validate).unwrap()
}

/// Returns the hyperparameters of a configuration for PPO.
pub fn ppo_of(config: &mut Config) -> &mut PpoConfig {
    match &mut config.algorithm {
        AlgorithmConfig::Ppo(ppo) => ppo,
        other => panic!("{other:?}"),
    }
}

/// Regenerate the page with `BURN_PG_WRITE_DOCS=1 cargo test --release --test suite settings`.
#[test]
fn the_page_of_settings_is_generated_from_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settings.md");
    let page = settings_page();
    if std::env::var_os("BURN_PG_WRITE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == page,
        "docs/settings.md differs from the code; the comment of this test says how to regenerate it"
    );
}
