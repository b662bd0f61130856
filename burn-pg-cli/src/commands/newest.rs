//! The checkpoint that a run is known by.

use burn_pg::run::checkpoint::{Checkpoint, CheckpointError, Checkpoints};

use crate::output::tell;

/// The newest checkpoint that is whole, if there are any. Those that are damaged are named and passed over.
pub fn newest(checkpoints: &Checkpoints) -> Result<Option<Checkpoint>, CheckpointError> {
    match checkpoints.newest() {
        Ok(None) => Ok(None),
        Ok(Some((checkpoint, damaged))) => {
            for error in damaged {
                tell(format_args!("warning: {error}; it is passed over"));
            }
            Ok(Some(checkpoint))
        }
        Err(CheckpointError::NoneUsable { path, errors }) => {
            for error in &errors {
                tell(format_args!("warning: {error}"));
            }
            Err(CheckpointError::NoneUsable { path, errors })
        }
        Err(error) => Err(error),
    }
}
