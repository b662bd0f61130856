//! The evaluations of the checkpoints of a run.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

use super::{EVALUATIONS, RunDir, RunDirError};
use crate::run::Evaluated;

impl RunDir {
    /// Adds an evaluation, and removes those of its own update and of later ones, from which the run has gone back.
    ///
    /// # Errors
    /// [`RunDirError::Read`] or [`RunDirError::Write`]
    pub fn add_evaluation(&self, evaluated: &Evaluated) -> Result<(), RunDirError> {
        let mut all = self.evaluations()?;
        all.retain(|earlier| earlier.update < evaluated.update);
        all.push(*evaluated);
        self.write_evaluations(&all)
    }

    /// Removes the evaluations after `update`, to which the run goes back.
    pub(in crate::run) fn cut_evaluations(&self, update: u64) -> Result<(), RunDirError> {
        let mut all = self.evaluations()?;
        let before = all.len();
        all.retain(|evaluated| evaluated.update <= update);
        if all.len() < before { self.write_evaluations(&all) } else { Ok(()) }
    }

    fn write_evaluations(&self, all: &[Evaluated]) -> Result<(), RunDirError> {
        let line = |evaluated| serde_json::to_string(evaluated).map(|line| line + "\n");
        let text = all.iter().map(line).collect::<Result<String, _>>();
        let failed =
            |error: serde_json::Error| RunDirError::Write { path: self.path.join(EVALUATIONS), source: error.into() };
        self.write(EVALUATIONS, text.map_err(failed)?.as_bytes())
    }

    /// Returns the evaluations of the checkpoints, in the order of their updates; none if checkpoints were not evaluated. Lines that are
    /// not valid are left out.
    ///
    /// # Errors
    /// [`RunDirError::Read`]
    pub fn evaluations(&self) -> Result<Vec<Evaluated>, RunDirError> {
        let path = self.path.join(EVALUATIONS);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(|source| RunDirError::Read { path: path.clone(), source })?,
        };
        let lines = BufReader::new(file).split(b'\n').map(|line| line.map(|line| serde_json::from_slice(&line).ok()));
        let found: io::Result<Vec<_>> = lines.collect();
        Ok(found.map_err(|source| RunDirError::Read { path, source })?.into_iter().flatten().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_run_that_goes_back_replaces_its_later_evaluations() {
        let folder = tempfile::tempdir().unwrap();
        let dir = RunDir::open(folder.path());
        assert!(dir.evaluations().unwrap().is_empty());
        let of = |update, return_mean| Evaluated { update, env_steps: 100 * update, return_mean, is_best: true };
        for evaluated in [of(10, 1.0), of(20, 2.0), of(30, 3.0), of(20, 2.5)] {
            dir.add_evaluation(&evaluated).unwrap();
        }
        assert_eq!(dir.evaluations().unwrap(), [of(10, 1.0), of(20, 2.5)]);
        dir.cut_evaluations(20).unwrap();
        assert_eq!(dir.evaluations().unwrap().len(), 2);
        dir.cut_evaluations(19).unwrap();
        assert_eq!(dir.evaluations().unwrap(), [of(10, 1.0)]);
        fs::write(folder.path().join(EVALUATIONS), b"not JSON\n\xff\n").unwrap();
        assert!(dir.evaluations().unwrap().is_empty());
    }
}
