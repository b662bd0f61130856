//! Metrics as comma-separated values.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::LogError;
use crate::{Observer, UpdateStats, storage::durable::write_atomically};

/// Writes one line for each update to a file of comma-separated values, as [`read_metrics`](crate::run::directory::read_metrics) returns
/// them: first the fields that every update has, then the metrics. A value that an update does not have is empty.
///
/// A metric that appears later adds a column at the end; the lines before it are then written again, with an empty value.
#[derive(Debug)]
pub struct Csv {
    path: PathBuf,
    file: BufWriter<File>,
    columns: Vec<String>,
    failed: Option<LogError>,
}

impl Csv {
    /// Creates or replaces the file at `path`, with a line for each of `earlier`.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn create(path: &Path, earlier: &[UpdateStats]) -> Result<Self, LogError> {
        let failed = |source| LogError { path: path.into(), source };
        let file = BufWriter::new(File::create(path).map_err(failed)?);
        let mut csv = Self { path: path.into(), file, columns: Vec::new(), failed: None };
        earlier.iter().try_for_each(|stats| csv.write(stats))?;
        Ok(csv)
    }

    /// Writes the line of an update, and flushes it.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn write(&mut self, stats: &UpdateStats) -> Result<(), LogError> {
        self.append(stats).map_err(|source| LogError { path: self.path.clone(), source })
    }

    fn append(&mut self, stats: &UpdateStats) -> io::Result<()> {
        let fields = fields(stats)?;
        let new = || fields.iter().filter(|(name, _)| !self.columns.contains(name)).map(|(name, _)| name.clone());
        let new: Vec<String> = new().collect();
        if !new.is_empty() {
            self.add_columns(new)?;
        }
        let value = |column: &String| fields.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_str());
        let line: Vec<&str> = self.columns.iter().map(|column| value(column).unwrap_or_default()).collect();
        writeln!(self.file, "{}", line.join(","))?;
        self.file.flush()
    }

    /// Writes the file again with more columns.
    fn add_columns(&mut self, new: Vec<String>) -> io::Result<()> {
        let (added, text) = (new.len(), fs::read_to_string(&self.path)?);
        self.columns.extend(new);
        let mut wider = self.columns.join(",");
        for line in text.lines().skip(1) {
            wider.push('\n');
            wider += line;
            wider.extend(std::iter::repeat_n(',', added));
        }
        wider.push('\n');
        write_atomically(&self.path, wider.as_bytes())?;
        self.file = BufWriter::new(File::options().append(true).open(&self.path)?);
        Ok(())
    }

    /// Returns the error that ended the run, if the file could not be written.
    ///
    /// # Errors
    /// [`LogError`]
    pub fn finish(self) -> Result<(), LogError> {
        self.failed.map_or(Ok(()), Err)
    }
}

/// Ends the run if the file cannot be written; [`finish`](Csv::finish) then returns the error.
impl Observer for Csv {
    fn on_update(&mut self, stats: &UpdateStats) -> ControlFlow<()> {
        match self.write(stats) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

/// Returns the names and values of an update in the order of the columns: its fields, then its metrics.
fn fields(stats: &UpdateStats) -> io::Result<Vec<(String, String)>> {
    let Value::Object(all) = serde_json::to_value(stats)? else { unreachable!("statistics are an object") };
    let text = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
    let (metrics, fields): (Vec<_>, Vec<_>) = all.iter().partition(|(name, _)| stats.losses.contains_key(*name));
    Ok(fields.into_iter().chain(metrics).map(|(name, value)| (name.clone(), text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(update: u64, losses: &[(&str, f64)]) -> UpdateStats {
        UpdateStats {
            update,
            env_steps: 10 * update,
            episodes: 0,
            faults: 0,
            episode_return_mean: None,
            episode_length_mean: None,
            learning_rate: 0.5,
            epochs: 1,
            explained_variance: Some(0.25),
            losses: losses.iter().map(|&(name, value)| (name.to_owned(), value)).collect(),
            elapsed_seconds: 1.5,
            steps_per_second: 2.5,
        }
    }

    #[test]
    fn a_metric_that_appears_later_adds_a_column() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metrics.csv");
        let mut csv = Csv::create(&path, &[stats(1, &[("loss", 0.1)])]).unwrap();
        csv.write(&stats(2, &[("loss", 1e-9), ("accuracy", 0.75)])).unwrap();
        csv.write(&stats(3, &[("accuracy", 1.0)])).unwrap();
        let lines = fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = lines.lines().map(|line| line.split(',').collect()).collect();
        let column = |name: &str| {
            let index = lines[0].iter().position(|column| *column == name).unwrap();
            lines[1..].iter().map(|line| line[index]).collect::<Vec<_>>()
        };
        assert_eq!(column("update"), ["1", "2", "3"]);
        assert_eq!(column("episode_return_mean"), ["", "", ""]);
        assert_eq!(column("explained_variance"), ["0.25"; 3]);
        assert_eq!(column("loss"), ["0.1", "1e-9", ""]);
        assert_eq!(column("accuracy"), ["", "0.75", "1.0"]);
        assert_eq!(lines[0].last(), Some(&"accuracy"));
        assert!(lines.iter().all(|line| line.len() == lines[0].len()));
    }

    #[test]
    fn a_file_that_cannot_be_written_ends_the_run_and_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gone").join("metrics.csv");
        let error = Csv::create(&path, &[]).unwrap_err();
        assert_eq!(error.path, path);
        fs::create_dir(folder.path().join("gone")).unwrap();
        let mut csv = Csv::create(&path, &[]).unwrap();
        fs::remove_dir_all(folder.path().join("gone")).unwrap();
        assert!(csv.on_update(&stats(1, &[])).is_break());
        assert_eq!(csv.finish().unwrap_err().path, path);
    }
}
