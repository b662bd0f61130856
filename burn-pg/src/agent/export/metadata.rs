//! Metadata that says how the tensors of a file are connected.

use std::collections::BTreeMap;

use burn_pg_envs::wrapper::ActionTransform;

use super::{Deviations, PlainActions, PlainPolicy};
use crate::policy::{Activation, CellKind, LOG_STD};

/// Version of the format: keys, names and layouts.
const VERSION: &str = "1";

pub(super) fn activation_name(activation: Activation) -> &'static str {
    match activation {
        Activation::Tanh => "tanh",
        Activation::Relu => "relu",
        Activation::Silu => "silu",
    }
}

/// Returns the metadata. Keys and values are part of the format.
pub(super) fn metadata(policy: &PlainPolicy) -> BTreeMap<String, String> {
    let mut entries: Vec<(&str, String)> = vec![
        ("format", "burn-pg policy".into()),
        ("format_version", VERSION.into()),
        ("burn_pg_version", env!("CARGO_PKG_VERSION").into()),
        ("environment", policy.env.clone()),
        ("activation", activation_name(policy.network.activation).into()),
        ("action_mask", policy.masked.to_string()),
    ];
    let mut names: Vec<(String, String)> = Vec::new();
    if let Some(normalizer) = &policy.normalizer {
        entries.push(("normalizer_clip", normalizer.clip.to_string()));
    }
    if let Some(memory) = &policy.network.memory {
        let kind = match memory.kind {
            CellKind::Gru => "gru",
            CellKind::Lstm => "lstm",
        };
        entries.push(("memory", kind.into()));
    }
    if !policy.network.encoder.is_empty() || policy.inputs.len() > 1 {
        let parts: Vec<&str> = policy.inputs.iter().map(|input| input.name.as_str()).collect();
        entries.push(("observation_parts", serde_json::to_string(&parts).expect("names can be written as JSON")));
    }
    for (input, encoder) in policy.inputs.iter().zip(&policy.network.encoder) {
        let strides: Vec<String> = encoder.layers.iter().map(|layer| layer.stride.to_string()).collect();
        names.push((format!("encoder.{}.scale", input.name), encoder.scale.to_string()));
        names.push((format!("encoder.{}.strides", input.name), strides.join(",")));
    }
    match &policy.network.actions {
        PlainActions::Discrete => entries.push(("actions", "discrete".into())),
        PlainActions::MultiDiscrete { sizes } => {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            entries.extend([("actions", "multi_discrete".into()), ("action_sizes", sizes.join(","))]);
        }
        PlainActions::MultiBinary => entries.push(("actions", "multi_binary".into())),
        PlainActions::Continuous { squash, deviations, .. } => {
            let transform = match policy.transform {
                Some(ActionTransform::Rescale { .. }) => "rescale",
                _ => "clip",
            };
            entries.extend([
                ("actions", "continuous".into()),
                ("squash", if *squash { "tanh" } else { "none" }.into()),
                ("transform", transform.into()),
            ]);
            match deviations {
                Deviations::Fixed(_) => entries.push(("deviations", "fixed".into())),
                Deviations::HeldNoise(_) => entries.push(("deviations", "held_noise".into())),
                Deviations::Outputs { offset } => entries.extend([
                    ("deviations", "outputs".into()),
                    ("log_std_offset", offset.to_string()),
                    ("log_std_bounds", format!("{},{}", LOG_STD.0, LOG_STD.1)),
                ]),
            }
        }
    }
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).chain(names).collect()
}
