//! The newest usable checkpoint of a run.

use burn_pg::{
    Error,
    run::checkpoint::{Checkpoint, CheckpointError, Checkpoints},
};

use crate::tell::tell;

/// Returns the newest intact checkpoint, if there is one. Damaged ones are named on stderr and skipped.
pub fn newest(checkpoints: &Checkpoints) -> Result<Option<Checkpoint>, Error> {
    let found = checkpoints.newest().map_err(Error::from).inspect_err(tell_what_is_damaged)?;
    Ok(found.map(|(checkpoint, damaged)| {
        pass_over(&damaged);
        checkpoint
    }))
}

/// Warns that damaged checkpoints are skipped.
pub fn pass_over(damaged: &[CheckpointError]) {
    for error in damaged {
        tell(format_args!("warning: {error}; it is skipped"));
    }
}

/// Warns about each checkpoint, if none of them is usable.
pub fn tell_what_is_damaged(error: &Error) {
    if let Error::Checkpoint(CheckpointError::NoneUsable { errors, .. }) = error {
        for error in errors {
            tell(format_args!("warning: {error}"));
        }
    }
}
