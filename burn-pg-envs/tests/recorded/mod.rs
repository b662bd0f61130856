//! Data recorded from other programs.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// Reads a file from the copy in this crate, or from the folder that `BURN_PG_GOLDEN` names.
pub fn golden<T: DeserializeOwned>(file: &str) -> T {
    let folder = std::env::var_os("BURN_PG_GOLDEN")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden"), PathBuf::from);
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
