//! Files that a command writes where the user says.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn_pg::run::directory::RunDir;

/// Refuses a file whose name does not end as its content says.
pub fn check_extension(out: &Path, extension: &str) -> Result<()> {
    if out.extension().is_none_or(|found| !found.eq_ignore_ascii_case(extension)) {
        bail!("{} must end in .{extension}", out.display());
    }
    Ok(())
}

/// Refuses stdout, files of the runs themselves, paths that are not regular files, and files that exist, unless `force`. `what` is
/// written, and `example` is a name for it.
pub fn check_new_file(what: &str, example: &str, out: &Path, runs: &[PathBuf], force: bool) -> Result<()> {
    if out == Path::new("-") {
        bail!("`-`: {what} is not written to stdout; name a file, such as {example}");
    }
    let Some(folder) = folder_of(out) else {
        bail!("{} is not a file; name one, such as {example}", out.display());
    };
    if !folder.is_dir() {
        bail!("{} is not a folder, so {} cannot be written", folder.display(), out.display());
    }
    // Devices, pipes and links are not replaced.
    if out.symlink_metadata().is_ok_and(|there| !there.is_file()) {
        bail!("{} exists and is not a regular file, so it is not replaced; name another file", out.display());
    }
    check_not_of_runs(out, runs)?;
    if out.exists() && !force {
        bail!("{} exists already; --force replaces it", out.display());
    }
    Ok(())
}

/// Refuses the files of runs.
pub fn check_not_of_runs(out: &Path, runs: &[PathBuf]) -> Result<()> {
    let folder = folder_of(out).unwrap_or(Path::new("."));
    let name_is_own = out.file_name().is_some_and(|name| RunDir::FILES.iter().any(|own| *own == name));
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    let within = |inner: &Path, outer: PathBuf| match (inner.canonicalize(), outer.canonicalize()) {
        (Ok(inner), Ok(outer)) => inner.starts_with(outer),
        _ => false,
    };
    let belongs = |run: &PathBuf| (name_is_own && same(folder, run)) || within(folder, run.join("checkpoints"));
    if runs.iter().any(belongs) {
        bail!("{} belongs to the run itself; choose another name", out.display());
    }
    Ok(())
}

/// Returns the folder of a file; `None` if the path is no file.
fn folder_of(out: &Path) -> Option<&Path> {
    out.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
}
