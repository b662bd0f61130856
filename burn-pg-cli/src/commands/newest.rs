//! The checkpoint that a run is known by.

use burn_pg::{
    Error,
    run::checkpoint::{Checkpoint, CheckpointError, Checkpoints},
};

use crate::tell::tell;

/// The newest checkpoint that is whole, if there are any. Those that are damaged are named and passed over.
pub fn newest(checkpoints: &Checkpoints) -> Result<Option<Checkpoint>, Error> {
    let found = checkpoints.newest().map_err(Error::from).inspect_err(tell_what_is_damaged)?;
    Ok(found.map(|(checkpoint, damaged)| {
        pass_over(&damaged);
        checkpoint
    }))
}

/// Names checkpoints that are damaged.
pub fn pass_over(damaged: &[CheckpointError]) {
    for error in damaged {
        tell(format_args!("warning: {error}; it is passed over"));
    }
}

/// Lists the checkpoints, none of which can be used.
pub fn tell_what_is_damaged(error: &Error) {
    if let Error::Checkpoint(CheckpointError::NoneUsable { errors, .. }) = error {
        for error in errors {
            tell(format_args!("warning: {error}"));
        }
    }
}
