//! Errors as exceptions of Python.

use pyo3::{PyErr, create_exception, exceptions::PyException};

create_exception!(burn_pg, Error, PyException, "An error of burn-pg. Its message says what was wrong, and what to do.");

/// The message of something that burn-pg refuses or that has failed.
#[derive(Debug)]
pub struct Refused(pub String);

/// The result of what may be refused.
pub type Result<T> = std::result::Result<T, Refused>;

impl From<Refused> for PyErr {
    fn from(Refused(message): Refused) -> Self {
        Error::new_err(message)
    }
}

/// All errors of the library arrive with their messages.
macro_rules! refused {
    ($($error:ty),*) => {
        $(impl From<$error> for Refused {
            fn from(error: $error) -> Self {
                Self(burn_pg_cli::message(error))
            }
        })*
    };
}

refused!(
    burn_pg::Error,
    burn_pg::DeviceError,
    burn_pg::envs::EnvError,
    burn_pg::run::directory::RunDirError,
    serde_json::Error,
    toml::ser::Error,
    burn_pg::agent::export::ExportError
);
