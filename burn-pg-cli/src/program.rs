//! The name of the running program: `burn-pg`, or a program with environments of its own.

use std::{
    env::{args_os, consts::EXE_SUFFIX, current_exe},
    ffi::OsString,
    fmt::Display,
    io,
    path::Path,
    process::Command,
    sync::{LazyLock, PoisonError, RwLock},
};

const BURN_PG: &str = "burn-pg";

/// How the program was started, if it is part of another one.
static EMBEDDED: RwLock<Option<Embedded>> = RwLock::new(None);

/// A program that is part of another one, such as a Python interpreter.
#[derive(Debug, Clone)]
pub struct Embedded {
    /// The name of the program and its arguments.
    pub arguments: Vec<OsString>,
    /// A command that starts the program, without its arguments.
    pub again: Vec<OsString>,
}

static NAME: LazyLock<String> = LazyLock::new(|| {
    let path = arguments().into_iter().next().unwrap_or_default();
    let file = Path::new(&path).file_name().and_then(|name| name.to_str()).unwrap_or(BURN_PG);
    file.strip_suffix(EXE_SUFFIX).unwrap_or(file).into()
});

/// Says how this program was started.
pub fn embed(embedded: Embedded) {
    *EMBEDDED.write().unwrap_or_else(PoisonError::into_inner) = Some(embedded);
}

fn embedded() -> Option<Embedded> {
    EMBEDDED.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Returns the name of the program and its arguments.
pub fn arguments() -> Vec<OsString> {
    embedded().map_or_else(|| args_os().collect(), |embedded| embedded.arguments)
}

/// How to start this program once more.
pub struct Again(Vec<OsString>);

impl Again {
    /// # Errors
    /// If the path of the program is unknown.
    pub fn new() -> io::Result<Self> {
        match embedded() {
            Some(embedded) => Ok(Self(embedded.again)),
            None => Ok(Self(vec![current_exe()?.into()])),
        }
    }

    /// Returns a command without the arguments of the program.
    pub fn command(&self) -> Command {
        let mut words = self.0.iter();
        let mut command = Command::new(words.next().map_or(BURN_PG.as_ref(), OsString::as_os_str));
        command.args(words);
        command
    }
}

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
    let words = arguments().into_iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    words.take_while(|word| !word.starts_with('-')).collect::<Vec<_>>().join(" ")
}

/// Returns a command of this program, as a user types it.
pub fn command(arguments: impl Display) -> String {
    format!("{} {arguments}", name())
}
