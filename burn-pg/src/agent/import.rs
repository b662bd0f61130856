//! Import of policies that were trained by other programs.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, TensorData},
};
use burn_pg_envs::{EnvSpec, Space};
use safetensors::{Dtype, SafeTensors};

use crate::{
    policy::{Activation, ActorCritic, Exploration, Head, Mlp, UnsupportedSpace},
    storage::durable::refuse_other_than_file,
};

/// Why a policy cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read, or is not a regular file.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file is not in the `safetensors` format.
    #[error("{}: not a valid safetensors file: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tensors are not those of an `MlpPolicy`.
    #[error(
        "{}: not the state dict of an MlpPolicy: missing [{}], unexpected [{}]",
        .path.display(), .missing.join(", "), .unexpected.join(", ")
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// Missing tensors.
        missing: Vec<String>,
        /// Tensors that such a policy does not have.
        unexpected: Vec<String>,
    },
    /// A tensor has another type or shape.
    #[error("{}: tensor `{name}` is {found}; it must be {expected} for {env}", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Its type and shape.
        found: String,
        /// The type and shape that fit the previous layer or the environment.
        expected: String,
        /// The environment.
        env: String,
    },
    /// A weight is NaN or infinite.
    #[error("{}: tensor `{name}` holds {value}", .path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// The weight.
        value: f32,
    },
    /// Actor and critic have hidden layers of different widths, which the configuration cannot express.
    #[error("{}: the hidden layers of policy_net are {policy:?} wide, those of value_net {value:?}", .path.display())]
    Widths {
        /// The file.
        path: PathBuf,
        /// Widths of the actor's hidden layers.
        policy: Vec<usize>,
        /// Widths of the critic's hidden layers.
        value: Vec<usize>,
    },
    /// There is no policy for a space of the environment.
    #[error(transparent)]
    Space(#[from] UnsupportedSpace),
}

/// A policy from another program.
#[derive(Debug)]
pub struct Imported {
    /// The networks.
    pub policy: ActorCritic,
    /// Widths of the hidden layers of actor and critic.
    pub hidden_sizes: Vec<usize>,
}

/// Reads the state dict of a Stable-Baselines3 `MlpPolicy` (of PPO, A2C or another on-policy algorithm), saved with
/// `safetensors.torch.save_file(model.policy.state_dict(), path)`, for an environment with the specification `spec`.
/// The state dict does not contain the activation of the hidden layers; the default of Stable-Baselines3 is `tanh`.
///
/// It has the tensors `mlp_extractor.policy_net.{0,2,..}.weight` and `.bias`, the same for
/// `mlp_extractor.value_net.{0,2,..}`, `action_net` and `value_net`, and for continuous actions `log_std` of shape
/// `[K]`, all in single precision.
///
/// # Errors
/// [`ImportError`], which names the tensor that does not fit. [`ImportError::Space`] if the observation space is not a
/// box.
pub fn stable_baselines3(
    path: &Path,
    spec: &EnvSpec,
    activation: Activation,
    device: &Device,
) -> Result<Imported, ImportError> {
    if !matches!(spec.observation_space, Space::Box { .. }) {
        return Err(
            UnsupportedSpace::Observation { env: spec.id.clone(), space: spec.observation_space.to_string() }.into()
        );
    }
    let bytes = refuse_other_than_file(path).and_then(|()| fs::read(path));
    let bytes = bytes.map_err(|source| ImportError::Read { path: path.into(), source })?;
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| ImportError::Format { path: path.into(), reason: error.to_string() })?;
    let file = StateDict { tensors: tensors.tensors().into_iter().collect(), path, env: &spec.id, device };
    let space = &spec.action_space;
    let continuous = matches!(space, Space::Box { .. });
    let (policy_net, value_net) = ("mlp_extractor.policy_net", "mlp_extractor.value_net");
    let layers = [policy_net, value_net]
        .map(|net| (0..file.tensors.len()).take_while(|i| file.has(&format!("{net}.{}.weight", 2 * i))).count());
    let expected = expected_names(&[(policy_net, layers[0]), (value_net, layers[1])], continuous);
    let missing: Vec<String> = expected.iter().filter(|name| !file.has(name)).cloned().collect();
    let unexpected: Vec<String> = file.tensors.keys().filter(|name| !expected.contains(name)).cloned().collect();
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(ImportError::Names { path: path.into(), missing, unexpected });
    }

    let observed = spec.observation_space.flat_len();
    let mut actor = file.hidden(policy_net, layers[0], observed)?;
    let mut critic = file.hidden(value_net, layers[1], observed)?;
    let widths = |net: &[Linear]| -> Vec<usize> { net.iter().map(|layer| layer.weight.dims()[1]).collect() };
    let (widths, value_widths) = (widths(&actor), widths(&critic));
    if widths != value_widths {
        return Err(ImportError::Widths { path: path.into(), policy: widths, value: value_widths });
    }
    let features = widths.last().copied().unwrap_or(observed);
    let exploration = Exploration::default();
    let mut head = Head::new(space, exploration, features, device);
    actor.push(file.linear("action_net", features, Some(head.inputs(space)))?);
    critic.push(file.linear("value_net", features, Some(1))?);
    if continuous {
        let log_std = file.values("log_std", &[space.flat_len()])?;
        head.log_std = Some(Param::from_data(TensorData::new(log_std, [space.flat_len()]), device));
    }
    let policy = ActorCritic {
        encoder: None,
        critic_encoder: None,
        memory: None,
        critic_memory: None,
        trunk: None,
        actor: Mlp { layers: actor, activation },
        critic: Some(Mlp { layers: critic, activation }),
        head,
    };
    Ok(Imported { policy, hidden_sizes: widths })
}

/// Returns the names of the tensors of networks, each given with its number of hidden layers.
fn expected_names(nets: &[(&str, usize)], continuous: bool) -> Vec<String> {
    let hidden = nets.iter().flat_map(|&(net, layers)| (0..layers).map(move |i| format!("{net}.{}", 2 * i)));
    let layers = hidden.chain(["action_net".into(), "value_net".into()]);
    let names = layers.flat_map(|layer| [format!("{layer}.weight"), format!("{layer}.bias")]);
    names.chain(continuous.then(|| "log_std".to_owned())).collect()
}

/// The tensors of a file, to be placed on a device. Its errors name the file and the environment.
struct StateDict<'a> {
    tensors: BTreeMap<String, safetensors::tensor::TensorView<'a>>,
    path: &'a Path,
    env: &'a str,
    device: &'a Device,
}

impl StateDict<'_> {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Reads the hidden layers of a network.
    fn hidden(&self, net: &str, layers: usize, observed: usize) -> Result<Vec<Linear>, ImportError> {
        let (mut found, mut inputs) = (Vec::new(), observed);
        for i in 0..layers {
            let layer = self.linear(&format!("{net}.{}", 2 * i), inputs, None)?;
            inputs = layer.weight.dims()[1];
            found.push(layer);
        }
        Ok(found)
    }

    /// Reads a linear layer. Without `outputs`, the file defines their number.
    /// PyTorch's weights are `[outputs, inputs]`, ours are `[inputs, outputs]`.
    fn linear(&self, name: &str, inputs: usize, outputs: Option<usize>) -> Result<Linear, ImportError> {
        let weight = format!("{name}.weight");
        let shape = self.tensors[&weight].shape();
        let outputs = outputs.unwrap_or_else(|| shape.first().copied().unwrap_or_default().max(1));
        let values = self.values(&weight, &[outputs, inputs])?;
        let bias = self.values(&format!("{name}.bias"), &[outputs])?;
        let column = |input: usize| values.iter().skip(input).step_by(inputs);
        let transposed: Vec<f32> = (0..inputs).flat_map(column).copied().collect();
        Ok(Linear {
            weight: Param::from_data(TensorData::new(transposed, [inputs, outputs]), self.device),
            bias: Some(Param::from_data(TensorData::new(bias, [outputs]), self.device)),
        })
    }

    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ImportError> {
        let tensor = &self.tensors[name];
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(ImportError::Tensor {
                path: self.path.into(),
                name: name.into(),
                found: format!("{:?}{:?}", tensor.dtype(), tensor.shape()),
                expected: format!("F32{shape:?}"),
                env: self.env.into(),
            });
        }
        let values: Vec<f32> = tensor.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        match values.iter().find(|value| !value.is_finite()) {
            None => Ok(values),
            Some(&value) => Err(ImportError::NonFinite { path: self.path.into(), name: name.into(), value }),
        }
    }
}
