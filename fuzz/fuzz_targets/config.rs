//! A configuration file.
#![no_main]

use burn_pg::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(table) = text.parse::<toml::Table>() else { return };
    let Ok(config) = Config::from_table(table) else { return };
    if let Ok(config) = config.validate() {
        let again = Config::from_table(config.to_toml().parse().unwrap()).unwrap();
        assert_eq!(again, *config);
    }
});
