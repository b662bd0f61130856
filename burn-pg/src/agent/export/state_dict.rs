//! Export of weights in PyTorch's layout.

use std::collections::HashMap;

use burn::tensor::{Element, TensorData};
use burn_pg_envs::wrapper::ActionTransform;

use super::{Dense, PlainActions, PlainCell, PlainEncoder, PlainPolicy, StandardDeviations, metadata::metadata};
use crate::storage::tensors::{self, Tensors};

/// Key of the metadata.
pub(in crate::agent) const KEY: &str = "policy";

/// Returns a policy as a `safetensors` file with the state dict of a PyTorch module. Weights are `[outputs, inputs]`.
/// Layers are named as in an `nn.Sequential` with activations, so the linear layers have the even indices.
///
/// | name | shape | |
/// | --- | --- | --- |
/// | `normalizer.mean`, `normalizer.std` | `[D]`, double precision | if observations are normalised |
/// | `encoder.{part}.{0,2,..}.weight`, `.bias` | `[out, in, kernel, kernel]`, `[out]` | the convolutions of a part of the observation; the part is `observation` if the space is not a dictionary |
/// | `value_encoder.*` | the same | if the critic has its own |
/// | `memory.weight_ih`, `.weight_hh`, `.bias_ih`, `.bias_hh` | as in `nn.GRUCell` or `nn.LSTMCell` | if the policy is recurrent |
/// | `value_memory.*` | the same | if the critic has its own recurrent layer |
/// | `trunk.{0,2,..}.weight`, `.bias` | `[out, in]`, `[out]` | if actor and critic share layers |
/// | `policy.{0,2,..}.weight`, `.bias` | `[out, in]`, `[out]` | |
/// | `value.{0,2,..}.weight`, `.bias` | `[out, in]`, `[out]` | if there is a critic |
/// | `action.low`, `action.high` | `[K]` | for continuous actions |
/// | `log_std` | `[K]`, or `[F, K]` for gSDE noise | for continuous actions, unless standard deviations are outputs of the network or the distribution is Beta |
///
/// The metadata of the file has one key, `policy`: a JSON object of strings with the activation, the kind of actions
/// and their transform, among others. The same policy gives the same bytes.
#[must_use]
pub fn state_dict(policy: &PlainPolicy) -> Vec<u8> {
    let mut tensors = Tensors::new();
    if let Some(normalizer) = &policy.normalizer {
        for (name, values) in [("mean", &normalizer.mean), ("std", &normalizer.std)] {
            put(&mut tensors, format!("normalizer.{name}"), vec![values.len()], values);
        }
    }
    let network = &policy.network;
    convolutions(&mut tensors, "encoder", policy, &network.encoder);
    convolutions(&mut tensors, "value_encoder", policy, &network.value_encoder);
    cell(&mut tensors, "memory", network.memory.as_ref());
    cell(&mut tensors, "value_memory", network.value_memory.as_ref());
    sequential(&mut tensors, "trunk", &network.trunk);
    sequential(&mut tensors, "policy", &network.policy);
    sequential(&mut tensors, "value", network.value.as_deref().unwrap_or_default());
    if let Some(ActionTransform::Clip { low, high } | ActionTransform::Rescale { low, high }) = &policy.transform {
        put(&mut tensors, "action.low".into(), vec![low.len()], low);
        put(&mut tensors, "action.high".into(), vec![high.len()], high);
    }
    if let PlainActions::Continuous { len, deviations, .. } = &network.actions {
        match deviations {
            StandardDeviations::Fixed(log_std) => put(&mut tensors, "log_std".into(), vec![*len], log_std),
            StandardDeviations::Gsde(log_std) => {
                put(&mut tensors, "log_std".into(), vec![log_std.len() / len, *len], log_std);
            }
            StandardDeviations::Outputs { .. } => {}
        }
    }
    // One string, because the order of several would vary, and the bytes of the file with it.
    let strings = serde_json::to_string(&metadata(policy)).expect("strings can be written as JSON");
    let strings = HashMap::from([(KEY.to_owned(), strings)]);
    tensors::to_bytes(&tensors, Some(strings)).expect("all types are supported and sizes small")
}

fn put<E: Element>(tensors: &mut Tensors, name: String, shape: Vec<usize>, values: &[E]) {
    tensors.insert(name, TensorData::new(values.to_vec(), shape));
}

fn dense(tensors: &mut Tensors, weight: String, bias: String, layer: &Dense) {
    put(tensors, weight, vec![layer.outputs(), layer.inputs()], &layer.transposed());
    put(tensors, bias, vec![layer.outputs()], &layer.bias);
}

fn sequential(tensors: &mut Tensors, name: &str, layers: &[Dense]) {
    for (i, layer) in layers.iter().enumerate() {
        let i = 2 * i;
        dense(tensors, format!("{name}.{i}.weight"), format!("{name}.{i}.bias"), layer);
    }
}

fn convolutions(tensors: &mut Tensors, name: &str, policy: &PlainPolicy, encoders: &[PlainEncoder]) {
    for (input, encoder) in policy.inputs.iter().zip(encoders) {
        for (i, layer) in encoder.layers.iter().enumerate() {
            let name = format!("{name}.{}.{}", input.name, 2 * i);
            put(tensors, format!("{name}.weight"), layer.shape.to_vec(), &layer.weight);
            put(tensors, format!("{name}.bias"), vec![layer.bias.len()], &layer.bias);
        }
    }
}

fn cell(tensors: &mut Tensors, name: &str, cell: Option<&PlainCell>) {
    let Some(cell) = cell else { return };
    for (of, layer) in [("ih", &cell.input), ("hh", &cell.hidden)] {
        dense(tensors, format!("{name}.weight_{of}"), format!("{name}.bias_{of}"), layer);
    }
}
