//! The error for a policy that training cannot start with.

use crate::storage::tensors::TensorsError;

/// Why training cannot start with the policy of an agent. Nothing has been trained.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StartMisfit {
    /// The networks of the configuration have other layers; or the device failed, which becomes
    /// [`Error::Execution`](crate::Error::Execution).
    #[error("the policy to start from does not fit the networks of the configuration: {0}")]
    Networks(TensorsError),
    /// The policy was trained with another setting, so it would compute something else.
    #[error("`{key}` is {given}; it must be {of_policy}, as for the policy to start from")]
    Setting {
        /// The name of the setting.
        key: &'static str,
        /// Its value in the configuration.
        given: String,
        /// Its value for the policy.
        of_policy: String,
    },
}

// Not `#[from]`, which would make the error a source: its text is already part of the message.
impl From<TensorsError> for StartMisfit {
    fn from(error: TensorsError) -> Self {
        Self::Networks(error)
    }
}
