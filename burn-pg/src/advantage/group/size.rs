//! A checked group size.

/// The number of consecutive environments that form a group: at least 2, and a divisor of the number of environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSize(usize);

/// A group size that does not suit the number of environments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupSizeError {
    /// The group has fewer than 2 environments, so there is nothing to compare an episode with.
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
    /// Creates the size of groups of `group_size` among `num_envs` environments.
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

    /// Returns the number of environments in a group.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}
