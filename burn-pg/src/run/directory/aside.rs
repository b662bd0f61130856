//! Keeps the later files of a run that goes back to an earlier checkpoint.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    CHECKPOINTS, CONFIG, CSV, ENVIRONMENT, EVALUATIONS, METRICS, NORMALIZER, POLICY, RunDir, RunDirError, SUMMARY,
    claim::create_numbered_folder,
};
use crate::{Error, run::checkpoint::Checkpoints, storage::durable::sync_folder};

impl RunDir {
    /// Moves the checkpoints after `update` to a new folder in the directory, so that a run that resumes from `update`
    /// is not mixed with its earlier continuation. For update 20, the folder is `aside-after-20`, or `aside-after-20-2`
    /// and so on if that exists. The policy and the outcome are moved there too, and settings, metrics and evaluations are copied:
    /// the folder is the run directory as it was, without its earlier checkpoints. Returns the folder; `None` if there
    /// are no later checkpoints.
    pub(in crate::run) fn go_back(&self, update: u64) -> Result<Option<PathBuf>, Error> {
        let checkpoints = self.checkpoints();
        if checkpoints.updates()?.last().is_none_or(|&last| last <= update) {
            checkpoints.set_aside_after(update)?;
            return Ok(None);
        }
        let aside = create_numbered_folder(&self.path, &format!("aside-after-{update}"))?;
        let kept = Checkpoints::at(&aside.join(CHECKPOINTS));
        kept.prepare()?;
        for name in [CONFIG, METRICS, EVALUATIONS, CSV] {
            let failed = |source| RunDirError::Write { path: aside.join(name), source };
            copy_if_there(&self.path.join(name), &aside.join(name)).map_err(failed)?;
        }
        // The policy is moved before the checkpoints, because a directory without a policy is represented by its newest
        // checkpoint.
        for name in [SUMMARY, POLICY, ENVIRONMENT, NORMALIZER] {
            let failed = |source| RunDirError::Write { path: aside.join(name), source };
            move_if_there(&self.path.join(name), &aside.join(name)).map_err(failed)?;
        }
        checkpoints.move_after(update, &kept)?;
        Ok(Some(aside))
    }
}

fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut copy = File::create_new(to)?;
    io::copy(&mut from, &mut copy)?;
    copy.sync_all()?;
    sync_folder(to)
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        renamed => renamed.and_then(|()| sync_folder(to)).and_then(|()| sync_folder(from)),
    }
}
