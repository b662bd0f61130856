//! State dicts of Stable-Baselines3.
//!
//! A state dict has the tensors `mlp_extractor.policy_net.{0,2,..}.weight` and `.bias`, the same for
//! `mlp_extractor.value_net.{0,2,..}`, `action_net` and `value_net`, and for continuous actions `log_std` of shape
//! `[K]`, all in single precision.

use super::{ImportError, PolicyFile};
use crate::config::NetworkConfig;

/// Returns the settings of the networks. The activation is the default of Stable-Baselines3, because it is not in the
/// file.
pub(super) fn network(file: &PolicyFile) -> Result<NetworkConfig, ImportError> {
    let [policy, value] = ["policy_net", "value_net"].map(|net| file.widths(&format!("mlp_extractor.{net}")));
    if policy != value {
        return Err(ImportError::Widths { path: file.path.clone(), policy, value });
    }
    Ok(NetworkConfig { hidden_sizes: policy, ..NetworkConfig::default() })
}

/// Returns the name in the file of the tensor that this crate calls `ours`, in networks with `hidden` hidden layers.
pub(super) fn name(ours: &str, hidden: usize) -> String {
    let (networks, outputs) = (["policy_net", "value_net"], ["action_net", "value_net"]);
    let of = |network: usize, layer: &str, tensor: &str| match layer.parse::<usize>() {
        Ok(layer) if layer < hidden => format!("mlp_extractor.{}.{}.{tensor}", networks[network], 2 * layer),
        _ => format!("{}.{tensor}", outputs[network]),
    };
    match ours.split('.').collect::<Vec<_>>()[..] {
        ["actor", _, layer, tensor] => of(0, layer, tensor),
        ["critic", _, layer, tensor] => of(1, layer, tensor),
        _ => "log_std".into(),
    }
}
