//! Export of weights in PyTorch's layout.

use std::collections::HashMap;

use burn_pg_envs::wrapper::ActionTransform;
use safetensors::{Dtype, tensor::TensorView};

use super::{Dense, Deviations, PlainActions, PlainCell, PlainEncoder, PlainPolicy, metadata::metadata};

/// Name, type, shape and bytes.
type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

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
/// | `log_std` | `[K]`, or `[F, K]` for gSDE noise | for continuous actions, unless standard deviations are outputs of the network |
///
/// The metadata of the file has one key, `policy`: a JSON object of strings with the activation, the kind of actions
/// and their transform, among others. The same policy gives the same bytes.
#[must_use]
pub fn state_dict(policy: &PlainPolicy) -> Vec<u8> {
    let mut entries = Vec::new();
    if let Some(normalizer) = &policy.normalizer {
        for (name, values) in [("mean", &normalizer.mean), ("std", &normalizer.std)] {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            entries.push((format!("normalizer.{name}"), Dtype::F64, vec![values.len()], bytes));
        }
    }
    let network = &policy.network;
    convolutions(&mut entries, "encoder", policy, &network.encoder);
    convolutions(&mut entries, "value_encoder", policy, &network.value_encoder);
    cell(&mut entries, "memory", network.memory.as_ref());
    cell(&mut entries, "value_memory", network.value_memory.as_ref());
    sequential(&mut entries, "trunk", &network.trunk);
    sequential(&mut entries, "policy", &network.policy);
    sequential(&mut entries, "value", network.value.as_deref().unwrap_or_default());
    if let (PlainActions::Continuous { len, deviations, .. }, Some(transform)) = (&network.actions, &policy.transform) {
        let (ActionTransform::Clip { low, high } | ActionTransform::Rescale { low, high }) = transform;
        entries.push(floats("action.low".into(), vec![*len], low));
        entries.push(floats("action.high".into(), vec![*len], high));
        match deviations {
            Deviations::Fixed(log_std) => entries.push(floats("log_std".into(), vec![*len], log_std)),
            Deviations::HeldNoise(log_std) => {
                entries.push(floats("log_std".into(), vec![log_std.len() / len, *len], log_std));
            }
            Deviations::Outputs { .. } => {}
        }
    }
    let views = entries.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("the bytes are as long as the shape says");
        (name, view)
    });
    // One string, because the order of several would vary, and the bytes of the file with it.
    let strings = serde_json::to_string(&metadata(policy)).expect("strings can be written as JSON");
    let strings = HashMap::from([("policy".to_owned(), strings)]);
    safetensors::serialize(views, Some(strings)).expect("names are distinct and sizes small")
}

fn floats(name: String, shape: Vec<usize>, values: &[f32]) -> Entry {
    (name, Dtype::F32, shape, values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn dense(entries: &mut Vec<Entry>, weight: String, bias: String, layer: &Dense) {
    entries.push(floats(weight, vec![layer.outputs(), layer.inputs()], &layer.transposed()));
    entries.push(floats(bias, vec![layer.outputs()], &layer.bias));
}

fn sequential(entries: &mut Vec<Entry>, name: &str, layers: &[Dense]) {
    for (i, layer) in layers.iter().enumerate() {
        let i = 2 * i;
        dense(entries, format!("{name}.{i}.weight"), format!("{name}.{i}.bias"), layer);
    }
}

fn convolutions(entries: &mut Vec<Entry>, name: &str, policy: &PlainPolicy, encoders: &[PlainEncoder]) {
    for (input, encoder) in policy.inputs.iter().zip(encoders) {
        for (i, layer) in encoder.layers.iter().enumerate() {
            let name = format!("{name}.{}.{}", input.name, 2 * i);
            entries.push(floats(format!("{name}.weight"), layer.shape.to_vec(), &layer.weight));
            entries.push(floats(format!("{name}.bias"), vec![layer.bias.len()], &layer.bias));
        }
    }
}

fn cell(entries: &mut Vec<Entry>, name: &str, cell: Option<&PlainCell>) {
    let Some(cell) = cell else { return };
    for (of, layer) in [("ih", &cell.input), ("hh", &cell.hidden)] {
        dense(entries, format!("{name}.weight_{of}"), format!("{name}.bias_{of}"), layer);
    }
}
