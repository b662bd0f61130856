//! The device that a user requests.

use std::{fmt, str::FromStr};

use burn_pg_envs::UnknownName;
use serde::{Deserialize, Serialize};

use super::{Backend, DeviceError};

/// The device that a user requests: a backend, or the best one available.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceChoice {
    /// A GPU, if a backend for one was compiled in and finds real hardware; the CPU otherwise.
    #[default]
    Auto,
    /// This backend, or an error.
    Backend(Backend),
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Backend(backend) => backend.fmt(f),
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        choice.to_string()
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, DeviceError> {
        if name == "auto" {
            return Ok(Self::Auto);
        }
        Backend::ALL.into_iter().find(|backend| backend.name() == name).map(Self::Backend).ok_or_else(|| {
            let known = std::iter::once("auto").chain(Backend::ALL.map(Backend::name));
            UnknownName::new("device", name, known).into()
        })
    }
}

impl TryFrom<String> for DeviceChoice {
    type Error = DeviceError;

    fn try_from(name: String) -> Result<Self, DeviceError> {
        name.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_parses_and_an_unknown_name_lists_the_known_ones() {
        for backend in Backend::ALL {
            assert_eq!(backend.name().parse(), Ok(DeviceChoice::Backend(backend)));
        }
        assert_eq!("auto".parse(), Ok(DeviceChoice::Auto));
        let error = "webgpi".parse::<DeviceChoice>().unwrap_err().to_string();
        let start = "unknown device `webgpi` (did you mean `webgpu`?); known are: auto, cuda,";
        assert!(error.starts_with(start), "{error}");
    }
}
