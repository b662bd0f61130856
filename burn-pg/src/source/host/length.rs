//! The length of a rollout.

/// Where a rollout ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutLength {
    /// After this number of steps of each environment. Episodes continue from one rollout to the next.
    Steps(usize),
    /// After one whole episode of each environment. Each rollout begins with a reset; steps that an environment takes
    /// while others are still in their first episode are not [`valid`](crate::source::Rollout::valid).
    Episodes,
}
