//! Which Python runs the workers.

use std::{
    env::{consts::EXE_SUFFIX, current_exe, var_os},
    path::{Path, PathBuf},
};

/// Returns the interpreter to start: the one asked for, or else that of `BURN_PG_PYTHON`, of the active virtual
/// environment, of the virtual environment that holds this program, or of `PATH`.
pub fn interpreter(asked_for: Option<&str>) -> PathBuf {
    let set = |variable| var_os(variable).filter(|value| !value.is_empty());
    let chosen = asked_for.map(PathBuf::from).or_else(|| set("BURN_PG_PYTHON").map(PathBuf::from));
    let active = || set("VIRTUAL_ENV").and_then(|root| of_environment(Path::new(&root)));
    let own = || {
        let program = current_exe().ok()?;
        let root = program.parent()?.parent()?;
        root.join("pyvenv.cfg").exists().then(|| of_environment(root))?
    };
    chosen.or_else(active).or_else(own).unwrap_or_else(|| if cfg!(windows) { "python" } else { "python3" }.into())
}

/// Returns the interpreter of a virtual environment, if it has one.
fn of_environment(root: &Path) -> Option<PathBuf> {
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    let python = root.join(folder).join(format!("python{EXE_SUFFIX}"));
    python.exists().then_some(python)
}
