//! The name of the running program: `burn-pg`, or a program with environments of its own.

use std::{
    env::{args_os, consts::EXE_SUFFIX},
    fmt::Display,
    path::Path,
    sync::LazyLock,
};

const BURN_PG: &str = "burn-pg";

static NAME: LazyLock<String> = LazyLock::new(|| {
    let path = args_os().next().unwrap_or_default();
    let file = Path::new(&path).file_name().and_then(|name| name.to_str()).unwrap_or(BURN_PG);
    file.strip_suffix(EXE_SUFFIX).unwrap_or(file).into()
});

/// Returns the name of the program's file, as a user types it.
pub fn name() -> &'static str {
    &NAME
}

/// Returns what `--version` prints after the name.
pub fn version() -> &'static str {
    match name() {
        BURN_PG => env!("CARGO_PKG_VERSION"),
        _ => concat!("(burn-pg ", env!("CARGO_PKG_VERSION"), ")"),
    }
}

/// Returns the subcommand that was typed, such as `bench train`: all arguments before the first option. Only if no other
/// argument was given.
pub fn subcommand() -> String {
    let words = args_os().skip(1).map(|word| word.to_string_lossy().into_owned());
    words.take_while(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ")
}

/// Returns a command of this program, as a user types it.
pub fn command(arguments: impl Display) -> String {
    format!("{} {arguments}", name())
}
