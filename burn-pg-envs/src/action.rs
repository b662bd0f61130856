//! Batches of actions, and how an environment reads its own out of one.

use crate::{EnvError, Space};

/// A batch of actions, one for each environment.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Actions<'a> {
    /// Elements of [`Space::Discrete`]. Shape `[N]`.
    Discrete(&'a [u32]),
}

impl Actions<'_> {
    /// Checks kind, batch size and range before anything is stepped.
    ///
    /// # Errors
    /// [`EnvError::ActionKind`], [`EnvError::BatchSize`] or [`EnvError::ActionOutOfRange`].
    pub fn check(&self, space: &Space, envs: usize) -> Result<(), EnvError> {
        match (self, space) {
            (Self::Discrete(actions), Space::Discrete { n }) => {
                if actions.len() != envs {
                    return Err(EnvError::BatchSize { actions: actions.len(), envs });
                }
                match actions.iter().position(|action| action >= n) {
                    None => Ok(()),
                    Some(env) => Err(EnvError::ActionOutOfRange {
                        env,
                        action: actions[env].to_string(),
                        space: space.to_string(),
                    }),
                }
            }
            (Self::Discrete(_), other) => Err(EnvError::ActionKind { space: other.to_string(), given: "discrete" }),
        }
    }
}

/// The action type of one environment.
pub trait EnvAction: Sized {
    /// Reads the action of environment `index` from a batch that [`Actions::check`] has accepted.
    fn read(actions: &Actions<'_>, index: usize) -> Self;
}

impl EnvAction for u32 {
    fn read(actions: &Actions<'_>, index: usize) -> Self {
        match actions {
            Actions::Discrete(actions) => actions[index],
        }
    }
}
