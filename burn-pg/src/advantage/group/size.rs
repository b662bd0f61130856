//! A number of episodes to compare with each other, checked.

/// How many environments in a row form a group: at least 2, and a divisor of their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSize(usize);

/// Environments cannot be put into groups of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupSizeError {
    /// An episode that is alone in its group has nothing to be compared with.
    #[error("a group of {group_size} leaves nothing to compare; at least 2 are needed")]
    TooSmall {
        /// The size asked for.
        group_size: usize,
    },
    /// Some environments would be left over.
    #[error("{num_envs} environments do not fall into groups of {group_size}")]
    Indivisible {
        /// The size asked for.
        group_size: usize,
        /// Number of environments.
        num_envs: usize,
    },
}

impl GroupSize {
    /// Groups of `group_size` among `num_envs` environments.
    ///
    /// # Errors
    /// [`GroupSizeError`] if `group_size` is below 2 or does not divide `num_envs`.
    pub fn new(group_size: usize, num_envs: usize) -> Result<Self, GroupSizeError> {
        if group_size < 2 {
            return Err(GroupSizeError::TooSmall { group_size });
        }
        if !num_envs.is_multiple_of(group_size) {
            return Err(GroupSizeError::Indivisible { group_size, num_envs });
        }
        Ok(Self(group_size))
    }

    /// The number of environments in a group.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}
