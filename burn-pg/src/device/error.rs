//! Reasons why a device is not available, or has failed.

use burn_pg_envs::UnknownName;

use super::Backend;

/// Why a device is not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// No device has that name.
    #[error(transparent)]
    Unknown(#[from] UnknownName),
    /// The backend is not part of this build.
    #[error(
        "device `{asked}` is not compiled in; this build has: {}. Build with `--features {asked}` to add it",
        list(.compiled)
    )]
    NotCompiled {
        /// The requested backend.
        asked: Backend,
        /// The backends that were compiled in.
        compiled: Vec<Backend>,
    },
    /// The backend is compiled in, but finds no hardware.
    #[error("device `{asked}` finds no adapter on this machine; this build can use: {}", list(.usable))]
    NoAdapter {
        /// The requested backend.
        asked: Backend,
        /// The other compiled backends that find an adapter.
        usable: Vec<Backend>,
    },
    /// The backend has no adapter with that index.
    #[error("device `{asked}` has no adapter {index}; it has: {}", numbered(.known))]
    UnknownAdapter {
        /// The requested backend.
        asked: Backend,
        /// The requested index.
        index: usize,
        /// The names of its adapters.
        known: Vec<String>,
    },
    /// The adapter exists but cannot be opened.
    #[error("device `{asked}` cannot be opened ({reason}); this build can use: {}", list(.usable))]
    Open {
        /// The requested backend.
        asked: Backend,
        /// The message of the driver.
        reason: String,
        /// The other compiled backends that find an adapter.
        usable: Vec<Backend>,
    },
    /// This build has no backend at all.
    #[error("no backend is compiled in; build with one of the features: {}", list(&Backend::ALL))]
    NoBackend,
}

pub(super) fn list(backends: &[Backend]) -> String {
    if backends.is_empty() {
        return "none".into();
    }
    backends.iter().map(|b| b.name()).collect::<Vec<_>>().join(", ")
}

/// Lists names with their indices: `0 (first), 1 (second)`.
fn numbered(names: &[String]) -> String {
    names.iter().enumerate().map(|(index, name)| format!("{index} ({name})")).collect::<Vec<_>>().join(", ")
}

/// A device failed during use. Contains the message of its runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the device failed: {0}")]
pub(crate) struct Failed(pub String);
