//! The Python code of the workers.

use std::{fs, io::Result, path::Path};

/// The modules of the worker, by file name.
const MODULES: [(&str, &str); 5] = [
    ("__main__.py", include_str!("worker/__main__.py")),
    ("channel.py", include_str!("worker/channel.py")),
    ("single.py", include_str!("worker/single.py")),
    ("spaces.py", include_str!("worker/spaces.py")),
    ("vectorised.py", include_str!("worker/vectorised.py")),
];

/// Writes the code of the workers into `folder`, which Python can then run.
pub fn write(folder: &Path) -> Result<()> {
    MODULES.iter().try_for_each(|(name, text)| fs::write(folder.join(name), text))
}
