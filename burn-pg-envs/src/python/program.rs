//! The Python code of the workers.

use std::{
    fs::{create_dir_all, write},
    io::Result,
    path::Path,
};

/// The files of the worker.
const FILES: [(&str, &str); 7] = [
    ("__main__.py", include_str!("worker/__main__.py")),
    ("burn_pg_worker/__init__.py", include_str!("worker/burn_pg_worker/__init__.py")),
    ("burn_pg_worker/channel.py", include_str!("worker/burn_pg_worker/channel.py")),
    ("burn_pg_worker/serve.py", include_str!("worker/burn_pg_worker/serve.py")),
    ("burn_pg_worker/single.py", include_str!("worker/burn_pg_worker/single.py")),
    ("burn_pg_worker/spaces.py", include_str!("worker/burn_pg_worker/spaces.py")),
    ("burn_pg_worker/vectorised.py", include_str!("worker/burn_pg_worker/vectorised.py")),
];

/// Writes the code of the workers into `folder`: `python FOLDER` runs a worker process, and a program in Python can import the
/// package `burn_pg_worker` from there.
///
/// # Errors
/// If a file cannot be written.
pub fn write_worker(folder: &Path) -> Result<()> {
    create_dir_all(folder.join("burn_pg_worker"))?;
    FILES.iter().try_for_each(|(name, text)| write(folder.join(name), text))
}
