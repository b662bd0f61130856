//! Metadata that says how the tensors of a file are connected.

use std::collections::BTreeMap;

use burn_pg_envs::wrapper::ActionTransform;

use super::{PlainActions, PlainNetwork, PlainPolicy, StandardDeviations};
use crate::policy::{CellKind, LOG_STD};

/// Version of the format: keys, names and layouts.
const VERSION: &str = "1";

/// Returns the metadata. Keys and values are part of the format.
pub(in crate::agent) fn metadata(policy: &PlainPolicy) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    let mut put = |key: &str, value: &str| {
        entries.insert(key.to_owned(), value.to_owned());
    };
    put("format", "burn-pg policy");
    put("format_version", VERSION);
    put("burn_pg_version", env!("CARGO_PKG_VERSION"));
    put("environment", &policy.env);
    put("activation", policy.network.activation.name());
    put("action_mask", &policy.masked.to_string());
    if let Some(normalizer) = &policy.normalizer {
        put("normalizer_clip", &normalizer.clip.to_string());
        put("normalizer_count", &normalizer.count.to_string());
    }
    match policy.network.memory.as_ref().map(|memory| memory.kind) {
        Some(CellKind::Gru) => put("memory", "gru"),
        Some(CellKind::Lstm) => put("memory", "lstm"),
        None => {}
    }
    if !policy.network.encoder.is_empty() || policy.inputs.len() > 1 {
        let parts: Vec<&str> = policy.inputs.iter().map(|input| input.name.as_str()).collect();
        put("observation_parts", &serde_json::to_string(&parts).expect("names can be written as JSON"));
    }
    let PlainNetwork { encoder, value_encoder, actor_inputs, critic_inputs, .. } = &policy.network;
    for (key, places) in [("actor_inputs", actor_inputs), ("critic_inputs", critic_inputs)] {
        if !places.is_empty() {
            let names: Vec<&str> = places.iter().map(|&place| policy.inputs[place].name.as_str()).collect();
            put(key, &serde_json::to_string(&names).expect("names can be written as JSON"));
        }
    }
    for (place, input) in policy.inputs.iter().enumerate() {
        let encoders = [encoder.get(place), value_encoder.get(place)].into_iter().flatten();
        let Some(encoder) = encoders.max_by_key(|encoder| encoder.layers.len()) else { continue };
        let strides: Vec<String> = encoder.layers.iter().map(|layer| layer.stride.to_string()).collect();
        put(&format!("encoder.{}.scale", input.name), &encoder.scale.to_string());
        put(&format!("encoder.{}.strides", input.name), &strides.join(","));
    }
    match &policy.network.actions {
        PlainActions::Discrete => put("actions", "discrete"),
        PlainActions::MultiDiscrete { sizes } => {
            let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
            put("actions", "multi_discrete");
            put("action_sizes", &sizes.join(","));
        }
        PlainActions::MultiBinary => put("actions", "multi_binary"),
        PlainActions::Beta { .. } => {
            put("actions", "continuous");
            put("distribution", "beta");
            put("squash", "none");
            put("transform", "rescale");
        }
        PlainActions::Continuous { squash, deviations, .. } => {
            let rescales = matches!(policy.transform, Some(ActionTransform::Rescale { .. }));
            put("actions", "continuous");
            put("squash", if *squash { "tanh" } else { "none" });
            put("transform", if rescales { "rescale" } else { "clip" });
            match deviations {
                StandardDeviations::Fixed(_) => put("deviations", "fixed"),
                StandardDeviations::Gsde(_) => put("deviations", "held_noise"),
                StandardDeviations::Outputs { offset } => {
                    put("deviations", "outputs");
                    put("log_std_offset", &offset.to_string());
                    put("log_std_bounds", &format!("{},{}", LOG_STD.0, LOG_STD.1));
                }
            }
        }
    }
    entries
}
