//! The files of a report: Markdown, and JSON beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::markdown::render;
use crate::{
    comparison::{Conditions, Report},
    output::replace_file,
};

/// The paths of a report.
pub struct Files {
    markdown: PathBuf,
    json: PathBuf,
}

impl Files {
    /// Returns the files of a report that is to be written to `markdown`.
    ///
    /// # Errors
    /// If the name does not end in `.md`, or its folder does not exist.
    pub fn new(markdown: &Path) -> Result<Self> {
        let path = markdown.display();
        if markdown.extension().is_none_or(|extension| extension != "md") {
            bail!("--out {path}: expected a file that ends in .md; the JSON file beside it ends in .json");
        }
        let folder = markdown.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            bail!("--out {path}: there is no folder {}", folder.display());
        }
        Ok(Self { markdown: markdown.into(), json: markdown.with_extension("json") })
    }

    /// Returns the earlier report that is to be continued, if there is one.
    ///
    /// # Errors
    /// If a file exists and is not to be continued, or the report in it has other conditions.
    pub fn earlier(&self, conditions: &Conditions, continues: bool) -> Result<Option<Report>> {
        let mut existing = [&self.json, &self.markdown].into_iter().filter(|path| path.exists());
        if !continues {
            return match existing.next() {
                None => Ok(None),
                Some(path) => bail!(
                    "{} already exists; choose another name with --out, or measure the devices that it lacks with --continue",
                    path.display()
                ),
            };
        }
        let path = self.json.display();
        let text = match fs::read_to_string(&self.json) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => match existing.next() {
                None => return Ok(None),
                Some(markdown) => bail!("{} exists, but not {path}, which is needed to continue", markdown.display()),
            },
            Err(error) => return Err(error).with_context(|| format!("{path} cannot be read")),
        };
        let earlier: Report =
            serde_json::from_str(&text).with_context(|| format!("{path} is not a report of this program"))?;
        match conditions.difference(&earlier.conditions) {
            None => Ok(Some(earlier)),
            Some(difference) => bail!("{path} cannot be continued: {difference}"),
        }
    }

    /// Writes a report. The earlier files stay as they are until the new ones are complete.
    pub fn write(&self, report: &Report) -> Result<()> {
        let json = serde_json::to_string_pretty(report)?;
        replace_file(&self.json, &json)?;
        replace_file(&self.markdown, &render(report))
    }

    /// Names both files.
    pub fn names(&self) -> String {
        format!("{} and {}", self.markdown.display(), self.json.display())
    }
}
