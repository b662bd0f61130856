//! Export of policies as ONNX graphs.
//!
//! | input | type and shape | |
//! | --- | --- | --- |
//! | `observation` | float `[N, D]` | as the environment gives it |
//! | | uint8 `[N, C, H, W]` | an image of integers, for a policy with an encoder; float if the image is a box of three dimensions |
//! | the name of a part | the same | for a dictionary: one input for each part that the actor sees instead of `observation` |
//! | `action_mask` | bool `[N, L]` | which actions are possible, if the environment masks actions |
//! | `memory` | float `[N, M]` | the recurrent state, if the policy is recurrent: zeros at the start of an episode, then `memory_out` of the previous step |
//!
//! | output | type and shape | |
//! | --- | --- | --- |
//! | `action` | int64 `[N]` | discrete, counted from 0 |
//! | | int64 `[N, K]` | multi-discrete, each component counted from 0 |
//! | | bool `[N, K]` | multi-binary |
//! | | float `[N, K]` | continuous, clipped to the bounds, or rescaled to them if it is squashed or has a Beta distribution |
//! | `logits` | float `[N, L]` | unless actions are continuous; -1e38 for masked actions |
//! | `alpha`, `beta` | float `[N, K]` | if actions are continuous with a Beta distribution: its concentrations |
//! | `mean`, `log_std` | float `[N, K]` | if actions are continuous: of the Gaussian before clipping or squashing; no `log_std` for gSDE noise |
//! | `value` | float `[N]` | if there is a critic, and it sees no part of an observation that the actor does not see |
//! | `memory_out` | float `[N, M]` | the recurrent state after the step, if the policy is recurrent |
//!
//! The graphs use operator set 13 and IR version 7, both of 2020, so old runtimes can read them too. Observations are
//! normalised in double precision, as in training, so that no precision is lost if the mean is much larger than the
//! standard deviation.

mod builder;
pub mod proto;

use burn::tensor::DType;
use burn_pg_envs::wrapper::ActionTransform;

use self::{
    builder::Builder,
    proto::{DataType, ModelProto, OperatorSetIdProto, StringStringEntryProto},
};
use super::{
    Dense, PlainActions, PlainCell, PlainConv, PlainEncoder, PlainInput, PlainNetwork, PlainPolicy, StandardDeviations,
    metadata::metadata,
};
use crate::{
    distribution::impossible_logit,
    policy::{Activation, CellKind, LOG_STD},
};

/// Version of the operator set.
pub const OPSET: i64 = 13;
/// Version of the format.
pub const IR_VERSION: i64 = 7;

/// Names without a dot that a graph may use itself.
const RESERVED: [&str; 16] = [
    "action",
    "action_mask",
    "alpha",
    "beta",
    "concentrations",
    "half",
    "impossible",
    "log_std",
    "logits",
    "mean",
    "memory",
    "memory_out",
    "one",
    "squashed",
    "value",
    "zero",
];

/// Returns a policy as a model from observations to actions.
#[must_use]
pub fn model(policy: &PlainPolicy) -> ModelProto {
    let mut graph = Graph { builder: Builder::default(), activation: policy.network.activation };
    graph.policy(policy);
    let entries = metadata(policy).into_iter();
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "burn-pg".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph.builder.finish("policy", &format!("A policy for {}", policy.env))),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: entries.map(|(key, value)| StringStringEntryProto { key, value }).collect(),
    }
}

/// A graph under construction. Its methods take the names of their inputs and return the names of their outputs.
struct Graph {
    builder: Builder,
    activation: Activation,
}

impl Graph {
    fn policy(&mut self, policy: &PlainPolicy) {
        let network = &*policy.network.without_privileged_critic();
        let seen = |place: &usize| network.actor_inputs.is_empty() || network.actor_inputs.contains(place);
        let places: Vec<usize> = (0..policy.inputs.len()).filter(seen).collect();
        let inputs = places.iter().map(|&place| self.input(&policy.inputs[place])).collect();
        let inputs: Vec<(usize, String)> = places.into_iter().zip(self.normalize(inputs, policy)).collect();
        let actor = self.encode(&inputs, &[], &network.encoder, "encoder");
        let critic = match network.value_encoder.is_empty() {
            true => actor.clone(),
            false => self.encode(&inputs, &network.critic_inputs, &network.value_encoder, "value_encoder"),
        };
        let (actor, critic) = self.recur(actor, critic, network);
        let actor = self.layers(actor, &network.trunk, "trunk", true);
        // Without a trunk, actor and critic keep their own inputs.
        let critic = if network.trunk.is_empty() { critic } else { actor.clone() };

        let outputs = self.layers(actor, &network.policy, "policy", false);
        match (&network.actions, &policy.transform) {
            (PlainActions::Continuous { len, squash, deviations }, Some(transform)) => {
                self.continuous(&outputs, *len, *squash, transform, deviations);
            }
            (PlainActions::Beta { len }, Some(transform)) => self.beta(&outputs, *len, transform),
            (actions, _) => self.finite(&outputs, actions, policy),
        }
        if let Some(layers) = &network.value {
            let column = self.layers(critic, layers, "value", false);
            let axis = self.builder.integers("value.axis", &[1]);
            let value = self.builder.node("Squeeze", &[&column, &axis], &[], "value");
            self.builder.output(&value, DataType::Float, None, "estimated return, of rewards as in training");
        }
    }

    /// Declares a part of an observation as an input, and converts bytes to floats. If the graph may use the name of
    /// the part itself, the prefix `observation.` is added.
    fn input(&mut self, PlainInput { name, shape, bytes }: &PlainInput) -> String {
        let taken = name.contains('.') || RESERVED.contains(&name.as_str());
        let name = if taken { format!("observation.{name}") } else { name.clone() };
        let of = if *bytes { DataType::Uint8 } else { DataType::Float };
        let input = self.builder.input(&name, of, shape, "as the environment gives it");
        match bytes {
            true => self.builder.node("Cast", &[&input], &[("to", DataType::Float as i64)], &format!("{name}.floats")),
            false => input,
        }
    }

    /// Applies the convolutions, if there are any, and concatenates the parts of an observation at `places`, or all if there
    /// are none, to one vector.
    fn encode(
        &mut self,
        inputs: &[(usize, String)],
        places: &[usize],
        encoders: &[PlainEncoder],
        name: &str,
    ) -> String {
        let mut parts = Vec::new();
        for (i, input) in inputs.iter().filter(|(i, _)| places.is_empty() || places.contains(i)) {
            let Some(encoder) = encoders.get(*i).filter(|encoder| !encoder.layers.is_empty()) else {
                parts.push(input.clone());
                continue;
            };
            let name = format!("{name}.{i}");
            let scale = self.builder.floats(&format!("{name}.scale"), &[], &[encoder.scale]);
            let mut image = self.builder.node("Mul", &[input, &scale], &[], &format!("{name}.scaled"));
            for (layer, PlainConv { weight, shape, bias, stride }) in encoder.layers.iter().enumerate() {
                let name = format!("{name}.{}", 2 * layer);
                let weight = self.builder.floats(&format!("{name}.weight"), shape, weight);
                let bias = self.builder.floats(&format!("{name}.bias"), &[shape[0]], bias);
                let output = self.builder.convolution(&[&image, &weight, &bias], *stride, &format!("{name}.out"));
                image = self.activate(&output, &name);
            }
            parts.push(self.builder.node("Flatten", &[&image], &[("axis", 1)], &format!("{name}.flat")));
        }
        match &parts[..] {
            [part] => part.clone(),
            parts => {
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.builder.node("Concat", &parts, &[("axis", 1)], &format!("{name}.all"))
            }
        }
    }

    /// Normalises observations in double precision, as in training.
    fn normalize(&mut self, inputs: Vec<String>, policy: &PlainPolicy) -> Vec<String> {
        let (Some(normalizer), [observation]) = (&policy.normalizer, &inputs[..]) else { return inputs };
        let Self { builder, .. } = self;
        let shape = &policy.inputs[0].shape;
        let mean = builder.doubles("normalizer.mean", shape, &normalizer.mean);
        let std = builder.doubles("normalizer.std", shape, &normalizer.std);
        let low = builder.doubles("normalizer.low", &[], &[-normalizer.clip]);
        let high = builder.doubles("normalizer.high", &[], &[normalizer.clip]);
        let wide = builder.node("Cast", &[observation], &[("to", DataType::Double as i64)], "normalizer.wide");
        let shifted = builder.node("Sub", &[&wide, &mean], &[], "normalizer.shifted");
        let scaled = builder.node("Div", &[&shifted, &std], &[], "normalizer.scaled");
        let clipped = builder.node("Clip", &[&scaled, &low, &high], &[], "normalizer.clipped");
        vec![builder.node("Cast", &[&clipped], &[("to", DataType::Float as i64)], "normalizer.out")]
    }

    /// Applies the recurrent layers to the inputs of actor and critic, if there are any. Returns the outputs of both.
    fn recur(&mut self, actor: String, critic: String, policy: &PlainNetwork) -> (String, String) {
        let Some(cell) = &policy.memory else { return (actor, critic) };
        let doc = "zeros at the beginning of an episode, then `memory_out` of the step before";
        let memory = self.builder.input("memory", DataType::Float, &[policy.state_len()], doc);
        let mut cells = vec![(cell, "memory")];
        cells.extend(policy.value_memory.iter().map(|cell| (cell, "value_memory")));
        let lengths: Vec<usize> =
            cells.iter().flat_map(|(cell, _)| vec![cell.size; cell.state_len() / cell.size]).collect();
        let mut vectors = self.builder.columns(&memory, &lengths, "memory.before").into_iter();
        let mut after: Vec<Vec<String>> = Vec::new();
        for (cell, name) in cells {
            let before: Vec<String> = vectors.by_ref().take(cell.state_len() / cell.size).collect();
            let input = if after.is_empty() { &actor } else { &critic };
            after.push(self.step(input, &before, cell, name));
        }
        let all = after.concat();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let out = self.builder.node("Concat", &all, &[("axis", 1)], "memory_out");
        self.builder.output(&out, DataType::Float, Some(policy.state_len()), "`memory` of the next step");
        (after[0][0].clone(), after[after.len() - 1][0].clone())
    }

    /// Runs one step of a recurrent layer. Returns the recurrent state after the step; its first vector is the output.
    fn step(&mut self, input: &str, before: &[String], cell: &PlainCell, name: &str) -> Vec<String> {
        let called = |what: &str| format!("{name}.{what}");
        let x = self.dense(input, &cell.input, &called("input"));
        let y = self.dense(&before[0], &cell.hidden, &called("hidden"));
        let builder = &mut self.builder;
        match cell.kind {
            CellKind::Gru => {
                let x = builder.columns(&x, &[cell.size; 3], &called("x"));
                let y = builder.columns(&y, &[cell.size; 3], &called("y"));
                let [reset, update] = [(0, "reset"), (1, "update")].map(|(gate, what)| {
                    let sum = builder.node("Add", &[&x[gate], &y[gate]], &[], &called(&format!("{what}_sum")));
                    builder.node("Sigmoid", &[&sum], &[], &called(what))
                });
                let kept = builder.node("Mul", &[&reset, &y[2]], &[], &called("kept"));
                let sum = builder.node("Add", &[&x[2], &kept], &[], &called("new_sum"));
                let new = builder.node("Tanh", &[&sum], &[], &called("new"));
                let difference = builder.node("Sub", &[&before[0], &new], &[], &called("difference"));
                let part = builder.node("Mul", &[&update, &difference], &[], &called("part"));
                vec![builder.node("Add", &[&new, &part], &[], &called("output"))]
            }
            CellKind::Lstm => {
                let sum = builder.node("Add", &[&x, &y], &[], &called("gates"));
                let gates = builder.columns(&sum, &[cell.size; 4], &called("gate"));
                let [enter, keep, leave] = [(0, "enter"), (1, "keep"), (3, "leave")]
                    .map(|(gate, what)| builder.node("Sigmoid", &[&gates[gate]], &[], &called(what)));
                let new = builder.node("Tanh", &[&gates[2]], &[], &called("new"));
                let kept = builder.node("Mul", &[&keep, &before[1]], &[], &called("kept"));
                let entered = builder.node("Mul", &[&enter, &new], &[], &called("entered"));
                let cell = builder.node("Add", &[&kept, &entered], &[], &called("cell"));
                let seen = builder.node("Tanh", &[&cell], &[], &called("seen"));
                vec![builder.node("Mul", &[&leave, &seen], &[], &called("output")), cell]
            }
        }
    }

    fn dense(&mut self, input: &str, layer: &Dense, name: &str) -> String {
        let weight = self.builder.floats(&format!("{name}.weight"), &[layer.inputs(), layer.outputs()], &layer.weight);
        let bias = self.builder.floats(&format!("{name}.bias"), &[layer.outputs()], &layer.bias);
        self.builder.node("Gemm", &[input, &weight, &bias], &[], &format!("{name}.out"))
    }

    fn layers(&mut self, input: String, layers: &[Dense], name: &str, activated: bool) -> String {
        layers.iter().enumerate().fold(input, |input, (i, layer)| {
            let name = format!("{name}.{}", 2 * i);
            let output = self.dense(&input, layer, &name);
            if i + 1 < layers.len() || activated { self.activate(&output, &name) } else { output }
        })
    }

    fn activate(&mut self, input: &str, name: &str) -> String {
        let (Self { builder, activation }, output) = (self, format!("{name}.activated"));
        match activation {
            Activation::Tanh => builder.node("Tanh", &[input], &[], &output),
            Activation::Relu => builder.node("Relu", &[input], &[], &output),
            Activation::Silu => {
                let sigmoid = builder.node("Sigmoid", &[input], &[], &format!("{name}.sigmoid"));
                builder.node("Mul", &[input, &sigmoid], &[], &output)
            }
        }
    }

    /// Adds the outputs for discrete, multi-discrete or multi-binary actions.
    fn finite(&mut self, outputs: &str, actions: &PlainActions, policy: &PlainPolicy) {
        let builder = &mut self.builder;
        let width = policy.network.policy.last().map_or(0, Dense::outputs);
        let logits = if policy.masked {
            let mask = builder.input("action_mask", DataType::Bool, &[width], "which actions are possible");
            let impossible = builder.floats("impossible", &[], &[impossible_logit(DType::F32)]);
            builder.node("Where", &[&mask, outputs, &impossible], &[], "logits")
        } else {
            builder.node("Identity", &[outputs], &[], "logits")
        };
        match actions {
            PlainActions::MultiDiscrete { sizes } => {
                let parts = builder.columns(&logits, sizes, "component");
                let largest = |(i, part): (usize, &String)| {
                    let attributes = [("axis", 1), ("keepdims", 1), ("select_last_index", 0)];
                    builder.node("ArgMax", &[part], &attributes, &format!("choice.{i}"))
                };
                let chosen: Vec<String> = parts.iter().enumerate().map(largest).collect();
                let chosen: Vec<&str> = chosen.iter().map(String::as_str).collect();
                let action = builder.node("Concat", &chosen, &[("axis", 1)], "action");
                let doc = "the most probable ones, each counted from 0";
                builder.output(&action, DataType::Int64, Some(sizes.len()), doc);
            }
            PlainActions::MultiBinary => {
                let zero = builder.floats("zero", &[], &[0.0]);
                let action = builder.node("Greater", &[&logits, &zero], &[], "action");
                builder.output(&action, DataType::Bool, Some(width), "the most probable ones");
            }
            _ => {
                let attributes = [("axis", 1), ("keepdims", 0), ("select_last_index", 0)];
                let action = builder.node("ArgMax", &[&logits], &attributes, "action");
                builder.output(&action, DataType::Int64, None, "the most probable one, counted from 0");
            }
        }
        builder.output(&logits, DataType::Float, Some(width), "of the actions");
    }

    fn continuous(
        &mut self,
        outputs: &str,
        len: usize,
        squash: bool,
        transform: &ActionTransform,
        deviations: &StandardDeviations,
    ) {
        let builder = &mut self.builder;
        let moments = if matches!(deviations, StandardDeviations::Outputs { .. }) { vec![len; 2] } else { vec![len] };
        let moments = builder.columns(outputs, &moments, "moments");
        let mean = builder.node("Identity", &[&moments[0]], &[], "mean");
        let log_std = match deviations {
            StandardDeviations::Outputs { offset } => {
                #[allow(clippy::cast_possible_truncation)] // networks use single precision
                let [offset, low, high] = [*offset, LOG_STD.0, LOG_STD.1].map(|number| number as f32);
                let offset = builder.floats("log_std.offset", &[], &[offset]);
                let low = builder.floats("log_std.low", &[], &[low]);
                let high = builder.floats("log_std.high", &[], &[high]);
                let moved = builder.node("Add", &[&moments[1], &offset], &[], "log_std.moved");
                Some(builder.node("Clip", &[&moved, &low, &high], &[], "log_std"))
            }
            StandardDeviations::Fixed(values) => {
                let values = builder.floats("log_std.values", &[len], values);
                let shape = builder.node("Shape", &[&mean], &[], "log_std.shape");
                Some(builder.node("Expand", &[&values, &shape], &[], "log_std"))
            }
            StandardDeviations::Gsde(_) => None,
        };
        let action = if squash { builder.node("Tanh", &[&mean], &[], "squashed") } else { mean.clone() };
        self.transformed(&action, len, transform);
        let builder = &mut self.builder;
        builder.output(&mean, DataType::Float, Some(len), "of the Gaussian");
        if let Some(log_std) = log_std {
            builder.output(&log_std, DataType::Float, Some(len), "of the Gaussian");
        }
    }

    /// Adds the outputs for actions of Beta distributions.
    fn beta(&mut self, outputs: &str, len: usize, transform: &ActionTransform) {
        let builder = &mut self.builder;
        let one = builder.floats("concentrations.one", &[], &[1.0]);
        let softplus = builder.node("Softplus", &[outputs], &[], "concentrations.softplus");
        let both = builder.node("Add", &[&softplus, &one], &[], "concentrations");
        let parts = builder.columns(&both, &[len; 2], "concentration");
        let alpha = builder.node("Identity", &[&parts[0]], &[], "alpha");
        let beta = builder.node("Identity", &[&parts[1]], &[], "beta");
        let sum = builder.node("Add", &[&alpha, &beta], &[], "mean.sum");
        let mean = builder.node("Div", &[&alpha, &sum], &[], "mean.share");
        let two = builder.floats("mean.two", &[], &[2.0]);
        let twice = builder.node("Mul", &[&mean, &two], &[], "mean.twice");
        let action = builder.node("Sub", &[&twice, &one], &[], "mean.action");
        self.transformed(&action, len, transform);
        for concentration in [alpha, beta] {
            self.builder.output(&concentration, DataType::Float, Some(len), "a concentration of the Beta distribution");
        }
    }

    /// Adds the output `action`: an action within the bounds of the environment.
    fn transformed(&mut self, action: &str, len: usize, transform: &ActionTransform) {
        let builder = &mut self.builder;
        let (ActionTransform::Clip { low, high } | ActionTransform::Rescale { low, high }) = transform;
        let bottom = builder.floats("action.low", &[len], low);
        let action = match transform {
            ActionTransform::Clip { .. } => {
                let top = builder.floats("action.high", &[len], high);
                let below = builder.node("Min", &[action, &top], &[], "action.below");
                builder.node("Max", &[&below, &bottom], &[], "action")
            }
            ActionTransform::Rescale { .. } => {
                // In the same order as in the environment's wrapper, so that rounding is the same.
                let one = builder.floats("one", &[], &[1.0]);
                let half = builder.floats("half", &[], &[0.5]);
                let widths: Vec<f32> = low.iter().zip(high).map(|(low, high)| high - low).collect();
                let widths = builder.floats("action.width", &[len], &widths);
                let positive = builder.node("Add", &[action, &one], &[], "action.positive");
                let part = builder.node("Mul", &[&positive, &half], &[], "action.part");
                let offset = builder.node("Mul", &[&part, &widths], &[], "action.offset");
                builder.node("Add", &[&bottom, &offset], &[], "action")
            }
        };
        builder.output(&action, DataType::Float, Some(len), "the mean, within the bounds");
    }
}
