//! The settings and files that a policy was saved with, recorded in its file.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{ENVIRONMENT, NORMALIZER, RunDir, RunDirError};
use crate::{
    Error,
    config::Config,
    storage::{durable::refuse_other_than_file, weights},
};

/// The data besides the weights from which an agent is rebuilt, as JSON in the metadata of `policy.safetensors`. The
/// settings are those of the training; `config.toml` may have been edited since.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::run) struct Provenance {
    /// Version of the crate that wrote it.
    version: String,
    /// All settings, as TOML.
    config: String,
    /// SHA-256 of `environment.json`; `None` if the policy was saved without an environment.
    environment: Option<String>,
    /// SHA-256 of `normalizer.json`; `None` if no normaliser belongs to the policy.
    normalizer: Option<String>,
    /// SHA-256 of the fields above; `None` in files of earlier versions.
    #[serde(default)]
    checksum: Option<String>,
}

impl Provenance {
    /// Describes a policy that was trained with `config`, and belongs to the files that `dir` has now.
    pub(in crate::run) fn of(dir: &RunDir, config: &Config) -> Result<Self, RunDirError> {
        let saved = Self {
            version: env!("CARGO_PKG_VERSION").into(),
            config: config.to_toml(),
            environment: digest(&dir.path().join(ENVIRONMENT))?,
            normalizer: digest(&dir.path().join(NORMALIZER))?,
            checksum: None,
        };
        Ok(Self { checksum: Some(saved.digest()), ..saved })
    }

    /// Reads the record from the policy file of `dir`; `None` if the file has none.
    pub(in crate::run) fn read(dir: &RunDir) -> Result<Option<Self>, Error> {
        let path = dir.policy_path();
        let Some(note) = weights::read_note(&path)? else { return Ok(None) };
        let invalid =
            |error: serde_json::Error| RunDirError::Provenance { path: path.clone(), reason: error.to_string() };
        let saved: Self = serde_json::from_str(&note).map_err(invalid)?;
        match saved.checksum.as_ref().is_none_or(|checksum| *checksum == saved.digest()) {
            true => Ok(Some(saved)),
            false => {
                let reason = "it does not match its checksum".into();
                Err(RunDirError::Provenance { path: dir.policy_path(), reason }.into())
            }
        }
    }

    fn digest(&self) -> String {
        let Self { version, config, environment, normalizer, checksum: _ } = self;
        format!("{:x}", Sha256::digest(format!("{version}\n{config}\n{environment:?}\n{normalizer:?}")))
    }

    /// Returns the record as text for the metadata.
    pub(in crate::run) fn to_note(&self) -> String {
        serde_json::to_string(self).expect("strings can be written as JSON")
    }

    /// Returns the settings that the policy of `dir` was trained with.
    pub(in crate::run) fn config(&self, dir: &RunDir) -> Result<Config, RunDirError> {
        let invalid =
            |error: toml::de::Error| RunDirError::Provenance { path: dir.policy_path(), reason: error.to_string() };
        let table = self.config.parse().map_err(invalid)?;
        Config::from_table(table).map_err(|error| {
            let version = (self.version != env!("CARGO_PKG_VERSION")).then(|| self.version.clone());
            RunDirError::Config { path: dir.policy_path(), version, reason: error.to_string(), error: Box::new(error) }
        })
    }

    /// True if a normaliser belongs to the policy.
    pub(in crate::run) fn is_normalized(&self) -> bool {
        self.normalizer.is_some()
    }

    /// Checks that the files of `dir` are those that the policy was saved with. A missing file is not an error here;
    /// reading it is.
    pub(in crate::run) fn check(&self, dir: &RunDir) -> Result<(), RunDirError> {
        for (name, saved) in [(ENVIRONMENT, &self.environment), (NORMALIZER, &self.normalizer)] {
            let path = dir.path().join(name);
            let found = digest(&path)?;
            if found.is_some() && found != *saved {
                return Err(RunDirError::OfAnotherPolicy { path });
            }
        }
        Ok(())
    }
}

impl RunDir {
    /// Returns the settings that the policy was trained with, from `policy.safetensors`; `None` if an earlier version
    /// wrote the file without them. [`config`](Self::config) may have been edited since.
    ///
    /// # Errors
    /// [`Error::Weights`] if the file cannot be read; [`Error::RunDir`] if the settings cannot be used.
    pub fn policy_config(&self) -> Result<Option<Config>, Error> {
        let saved = Provenance::read(self)?;
        Ok(saved.map(|saved| saved.config(self)).transpose()?)
    }
}

/// Returns the SHA-256 of a file in hexadecimal digits; `None` if there is no such file.
fn digest(path: &Path) -> Result<Option<String>, RunDirError> {
    match refuse_other_than_file(path).and_then(|()| fs::read(path)) {
        Ok(bytes) => Ok(Some(format!("{:x}", Sha256::digest(bytes)))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunDirError::Read { path: path.into(), source }),
    }
}
