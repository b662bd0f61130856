//! A file with a policy, before the environment is known.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, TensorData};
use burn_pg_envs::EnvSpec;

use super::ImportError;
use crate::{
    Error,
    agent::export::KEY,
    storage::{
        durable::refuse_other_than_file,
        tensors::{self, Tensors, TensorsError, check_finite},
        weights::{NOTE, WeightsError},
    },
};

/// The metadata of one of our exports.
pub(super) type About = BTreeMap<String, String>;

/// A `safetensors` file with a policy: one that [`export`](crate::agent::export) has written, or the state dict of a
/// Stable-Baselines3 `MlpPolicy` (of PPO, A2C or another on-policy algorithm), saved with
/// `safetensors.torch.save_file(model.policy.state_dict(), path)`.
#[derive(Debug)]
pub struct PolicyFile {
    pub(super) path: PathBuf,
    pub(super) tensors: Tensors,
    /// The metadata of one of our exports; `None` for a state dict of Stable-Baselines3.
    pub(super) about: Option<About>,
}

impl PolicyFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Import`] if it cannot be read, is not a regular file, or belongs to a run directory; [`Error::Weights`]
    /// if it is not in the `safetensors` format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = refuse_other_than_file(path).and_then(|()| fs::read(path));
        let file = file.map_err(|source| ImportError::Read { path: path.into(), source })?;
        if let Ok(Some(_)) = tensors::metadata(&file, NOTE) {
            return Err(ImportError::OfRun(path.into()).into());
        }
        Ok(Self::parse(path, &file).map_err(|error| WeightsError::Content { path: path.into(), error })?)
    }

    fn parse(path: &Path, file: &[u8]) -> Result<Self, TensorsError> {
        let about = tensors::metadata(file, KEY)?.map(|text| serde_json::from_str(&text)).transpose();
        let about = about.map_err(|error| TensorsError::Format { reason: format!("its metadata: {error}") })?;
        Ok(Self { path: path.into(), tensors: tensors::from_bytes(file)?, about })
    }

    /// True if the file contains an observation normaliser.
    #[must_use]
    pub fn is_normalized(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.contains_key("normalizer_clip"))
    }

    /// True if the file contains a critic.
    #[must_use]
    pub fn has_critic(&self) -> bool {
        self.about.is_none() || self.has_part("value")
    }

    /// The kind of the file, for errors.
    pub(super) fn what(&self) -> &'static str {
        match self.about {
            Some(_) => "the exported policy that its metadata describe",
            None => "the state dict of an MlpPolicy",
        }
    }

    /// True if there are tensors of this part of the network.
    pub(super) fn has_part(&self, part: &str) -> bool {
        self.tensors.keys().any(|name| name.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<&TensorData, ImportError> {
        self.tensors.get(name).ok_or_else(|| ImportError::Names {
            path: self.path.clone(),
            what: self.what(),
            missing: vec![name.into()],
            unexpected: Vec::new(),
        })
    }

    /// Returns a tensor, which must have finite elements and the type and shape that an environment needs.
    pub(super) fn checked(
        &self,
        name: &str,
        dtype: DType,
        shape: &[usize],
        spec: &EnvSpec,
    ) -> Result<&TensorData, Error> {
        let data = self.tensor(name)?;
        let found = data.shape().to_vec();
        if data.dtype() != dtype || found != shape {
            let (path, name, env) = (self.path.clone(), name.into(), spec.id.clone());
            let [found, expected] =
                [(data.dtype(), &found[..]), (dtype, shape)].map(|(of, dims)| format!("{of:?}{dims:?}"));
            return Err(ImportError::Tensor { path, name, found, expected, env }.into());
        }
        check_finite(name, data).map_err(|error| self.failed(error))?;
        Ok(data)
    }

    pub(super) fn failed(&self, error: TensorsError) -> WeightsError {
        WeightsError::Content { path: self.path.clone(), error }
    }

    /// Returns a dimension of a tensor; 0 if it has fewer.
    pub(super) fn dim(&self, name: &str, dim: usize) -> Result<usize, ImportError> {
        Ok(self.tensor(name)?.shape().to_vec().get(dim).copied().unwrap_or_default())
    }

    /// Returns the number of outputs of each layer of a perceptron. PyTorch's weights are `[outputs, inputs]`.
    pub(super) fn widths(&self, network: &str) -> Vec<usize> {
        let width = |layer: usize| self.dim(&format!("{network}.{}.weight", 2 * layer), 0).ok();
        (0..).map_while(width).collect()
    }
}
