//! Exports with images and several inputs: their names and types, and networks of a user's own.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    nn::{
        Linear, LinearConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor},
};
use burn_pg::{
    Agent, Error,
    agent::export::{
        Dense, Format, Layers, PlainConv, PlainEncoder, PlainNetwork, bytes,
        onnx::proto::{DataType, GraphProto, ModelProto},
    },
    distribution::Categorical,
    envs::{
        EnvRng, EnvSpec, Space, spec,
        wrapper::{ObservationNormalizer, RunningMoments},
    },
    policy::{Activation, ActorCritic, CellKind, EncoderSpec, NetworkSpec, Observation, Policy, Prediction},
};
use prost::Message;

use super::{
    assert_rows,
    interpreter::{Value, interpret},
    state_dict,
};
use crate::helpers::{AddNoise, flex};

const ROWS: usize = 7;

pub fn seeing(observation_space: Space) -> EnvSpec {
    EnvSpec { observation_space, ..spec("CartPole-v1").unwrap() }
}

fn agent(space: Space, normalizer: Option<ObservationNormalizer>) -> Agent {
    let spec = seeing(space);
    let network = NetworkSpec { encoder: EncoderSpec::minatar(), hidden_sizes: vec![6], ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(3), &flex()).unwrap();
    Agent::new(policy.map(&mut AddNoise(EnvRng::new(4))), spec, normalizer).unwrap()
}

fn model<P: Layers>(agent: &Agent<P>) -> ModelProto {
    ModelProto::decode(&*bytes(agent, Format::Onnx).unwrap()).unwrap()
}

/// Returns name, type and shape (without the rows) of each input.
fn inputs(graph: &GraphProto) -> Vec<(&str, DataType, Vec<i64>)> {
    let input = |value: &burn_pg::agent::export::onnx::proto::ValueInfoProto| {
        let tensor = value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
        let shape = tensor.shape.as_ref().unwrap().dim.iter().filter_map(|dimension| dimension.dim_value).collect();
        (DataType::try_from(tensor.elem_type).unwrap(), shape)
    };
    let named = |value| {
        let (of, shape) = input(value);
        (value.name.as_str(), of, shape)
    };
    graph.input.iter().map(named).collect()
}

/// Integers from 0 to 255.
fn pixels(len: usize) -> Vec<f32> {
    let rng = &mut EnvRng::new(7);
    #[allow(clippy::cast_precision_loss)]
    (0..len).map(|_| rng.below(256) as f32).collect()
}

fn image(shape: [usize; 3], pixels: &[f32]) -> Value {
    let len = shape.iter().product();
    Value { shape: [&[pixels.len() / len], &shape[..]].concat(), ..Value::floats(pixels, len) }
}

#[track_caller]
fn assert_decides<P: Layers>(agent: &Agent<P>, seen: &[f32], inputs: BTreeMap<&str, Value>) {
    let outputs = interpret(&model(agent), inputs);
    let ours = agent.decide(seen, &[], None).unwrap();
    assert_rows(&ours.parameters, &outputs["logits"].numbers, None, ROWS, "logits");
    assert_rows(ours.values.as_ref().unwrap(), &outputs["value"].numbers, None, ROWS, "values");
}

#[test]
fn an_image_is_an_input_of_bytes_in_its_own_shape() {
    let agent = agent(Space::Image { shape: [2, 5, 4], high: 255 }, None);
    let graph = model(&agent).graph.unwrap();
    assert_eq!(inputs(&graph), [("observation", DataType::Uint8, vec![2, 5, 4])]);
    let seen = pixels(ROWS * 40);
    assert_decides(&agent, &seen, BTreeMap::from([("observation", image([2, 5, 4], &seen))]));

    let tensors = state_dict(&bytes(&agent, Format::Safetensors).unwrap());
    let shapes: Vec<(&str, &[usize])> = tensors
        .iter()
        .filter(|(name, _)| name.contains("encoder") || name.starts_with("policy.0"))
        .map(|(name, (shape, _))| (name.as_str(), &shape[..]))
        .collect();
    assert_eq!(
        shapes,
        [
            ("encoder.observation.0.bias", &[16][..]),
            ("encoder.observation.0.weight", &[16, 2, 3, 3]),
            ("policy.0.bias", &[6]),
            ("policy.0.weight", &[6, 96]),
            ("value_encoder.observation.0.bias", &[16]),
            ("value_encoder.observation.0.weight", &[16, 2, 3, 3]),
        ]
    );
}

#[test]
fn an_image_of_floats_may_be_normalised() {
    let len = 18;
    let mean = (0..len).map(|i| f64::from(i) - 4.0).collect();
    let variance = (0..len).map(|i| 0.5 + f64::from(i)).collect();
    let normalizer = ObservationNormalizer { moments: RunningMoments { mean, variance, count: 100.0 }, clip: 5.0 };
    let (low, high) = (vec![f32::NEG_INFINITY; 18], vec![f32::INFINITY; 18]);
    let agent = agent(Space::Box { low, high, shape: vec![2, 3, 3] }, Some(normalizer));
    assert_eq!(inputs(&model(&agent).graph.unwrap()), [("observation", DataType::Float, vec![2, 3, 3])]);
    let seen: Vec<f32> = pixels(ROWS * 18).iter().map(|pixel| pixel / 10.0 - 9.0).collect();
    assert_decides(&agent, &seen, BTreeMap::from([("observation", image([2, 3, 3], &seen))]));
}

#[test]
fn parts_of_a_dictionary_are_inputs_whose_names_do_not_clash() {
    let part = || Space::symmetric(&[255.0]);
    let picture = Space::Image { shape: [1, 3, 3], high: 255 };
    let agent =
        agent(Space::dict([("value", part()), ("picture", picture), ("memory", part()), ("encoder.0", part())]), None);
    let floats = DataType::Float;
    assert_eq!(
        inputs(&model(&agent).graph.unwrap()),
        [
            ("observation.value", floats, vec![1]),
            ("picture", DataType::Uint8, vec![1, 3, 3]),
            ("observation.memory", floats, vec![1]),
            ("observation.encoder.0", floats, vec![1]),
        ]
    );
    let seen = pixels(ROWS * 12);
    let columns = |from: usize, len: usize| -> Vec<f32> {
        seen.chunks_exact(12).flat_map(|row| &row[from..from + len]).copied().collect()
    };
    let given = BTreeMap::from([
        ("observation.value", Value::floats(&columns(0, 1), 1)),
        ("picture", image([1, 3, 3], &columns(1, 9))),
        ("observation.memory", Value::floats(&columns(10, 1), 1)),
        ("observation.encoder.0", Value::floats(&columns(11, 1), 1)),
    ]);
    assert_decides(&agent, &seen, given);
    let entries = model(&agent).metadata_props;
    let parts = entries.iter().find(|entry| entry.key == "observation_parts").unwrap();
    assert_eq!(parts.value, r#"["value","picture","memory","encoder.0"]"#);
}

#[test]
fn dictionaries_of_vectors_need_no_encoder() {
    let spec =
        seeing(Space::dict([("position", Space::symmetric(&[255.0; 2])), ("speed", Space::symmetric(&[255.0]))]));
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(3), &flex()).unwrap();
    assert!(policy.on_host().is_some(), "rollouts need no tensors");
    let agent = Agent::new(policy.map(&mut AddNoise(EnvRng::new(4))), spec, None).unwrap();
    let seen: Vec<f32> = pixels(ROWS * 3).iter().map(|number| number / 100.0).collect();
    let columns = |from: usize, len: usize| -> Vec<f32> {
        seen.chunks_exact(3).flat_map(|row| &row[from..from + len]).copied().collect()
    };
    let given =
        BTreeMap::from([("position", Value::floats(&columns(0, 2), 2)), ("speed", Value::floats(&columns(2, 1), 1))]);
    assert_decides(&agent, &seen, given);
}

/// An agent whose actor and critic see these parts of `a`, `b` and `picture`.
fn seeing_parts(actor: &[&str], critic: &[&str], recurrence: Option<(CellKind, usize)>) -> Agent {
    let vector = |len| Space::symmetric(&vec![255.0; len]);
    let picture = Space::Image { shape: [1, 3, 3], high: 255 };
    let spec = seeing(Space::dict([("a", vector(1)), ("picture", picture), ("b", vector(2))]));
    let has_picture = actor.contains(&"picture") || critic.contains(&"picture");
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let network = NetworkSpec {
        encoder: if has_picture { EncoderSpec::minatar() } else { EncoderSpec::default() },
        actor_inputs: names(actor),
        critic_inputs: names(critic),
        recurrence,
        hidden_sizes: vec![6],
        ..NetworkSpec::default()
    };
    let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(3), &flex()).unwrap();
    Agent::new(policy.map(&mut AddNoise(EnvRng::new(4))), spec, None).unwrap()
}

#[test]
fn a_graph_has_the_inputs_of_the_actor_alone_and_no_value_of_a_critic_that_sees_more() {
    let seen = pixels(ROWS * 12);
    let columns = |from: usize, len: usize| -> Vec<f32> {
        seen.chunks_exact(12).flat_map(|row| &row[from..from + len]).copied().collect()
    };
    let all = || {
        BTreeMap::from([
            ("a", Value::floats(&columns(0, 1), 1)),
            ("picture", image([1, 3, 3], &columns(1, 9))),
            ("b", Value::floats(&columns(10, 2), 2)),
        ])
    };
    for (actor, critic, has_value) in [
        (&["b"][..], &["a", "b"][..], false),
        (&["b", "picture"], &["a"], false),
        (&["a"], &["b", "picture"], false),
        (&["a", "b"], &["b"], true),
        (&["b", "picture"], &["picture"], true),
        (&["a", "picture", "b"], &["b", "a"], true),
        (&["b", "a"], &["a", "b"], true),
    ] {
        for recurrence in [None, Some((CellKind::Lstm, 3))] {
            let agent = seeing_parts(actor, critic, recurrence);
            let model = model(&agent);
            let graph = model.graph.as_ref().unwrap();
            let what = format!("{actor:?} {critic:?} {recurrence:?}");
            let names: Vec<&str> =
                inputs(graph).into_iter().map(|(name, ..)| name).filter(|name| *name != "memory").collect();
            let expected: Vec<&str> = ["a", "picture", "b"].into_iter().filter(|name| actor.contains(name)).collect();
            assert_eq!(names, expected, "{what}");
            let mut given = all();
            given.retain(|name, _| actor.contains(name));
            if recurrence.is_some() {
                let len = if has_value { 12 } else { 6 };
                given.insert("memory", Value::floats(&[0.0].repeat(ROWS * len), len));
            }
            let outputs = interpret(&model, given);
            let ours = agent.decide(&seen, &[], None).unwrap();
            assert_rows(&ours.parameters, &outputs["logits"].numbers, None, ROWS, &what);
            assert_eq!(outputs.contains_key("value"), has_value, "{what}");
            if has_value {
                assert_rows(ours.values.as_ref().unwrap(), &outputs["value"].numbers, None, ROWS, &what);
            }
        }
    }
}

/// A network of a user's own: a convolution with Burn's initial weights, and linear layers.
#[derive(Module, Debug)]
pub struct Own {
    convolution: Conv2d,
    hidden: Linear,
    actor: Linear,
    critic: Linear,
}

impl Own {
    pub fn new(device: &Device) -> Self {
        Self {
            convolution: Conv2dConfig::new([2, 3], [2, 2]).with_stride([2, 2]).init(device),
            hidden: LinearConfig::new(3 * 2 * 3, 5).init(device),
            actor: LinearConfig::new(5, 2).init(device),
            critic: LinearConfig::new(5, 1).init(device),
        }
    }
}

impl Policy for Own {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let pixels = observation.vector() / 255.0;
        let image = pixels.reshape([observation.len(), 2, 5, 6]);
        let seen: Tensor<2> = Activation::Silu.apply(self.convolution.forward(image)).flatten(1, 3);
        let features = Activation::Silu.apply(self.hidden.forward(seen));
        let values = self.critic.forward(features.clone()).squeeze_dim(1);
        Prediction::new(Categorical::new(self.actor.forward(features))).with_values(values)
    }
}

impl Layers for Own {
    fn layers(&self) -> Result<PlainNetwork, Error> {
        let image = PlainEncoder { scale: 1.0 / 255.0, layers: vec![PlainConv::new(&self.convolution)?] };
        Ok(PlainNetwork {
            activation: Activation::Silu,
            encoder: vec![image],
            trunk: vec![Dense::new(&self.hidden)?],
            policy: vec![Dense::new(&self.actor)?],
            value: Some(vec![Dense::new(&self.critic)?]),
            ..PlainNetwork::default()
        })
    }
}

#[test]
fn a_users_own_network_is_exported_by_its_layers() {
    let spec = seeing(Space::Image { shape: [2, 5, 6], high: 255 });
    let agent = Agent::new(Own::new(&flex()), spec, None).unwrap();
    let seen = pixels(ROWS * 60);
    assert_decides(&agent, &seen, BTreeMap::from([("observation", image([2, 5, 6], &seen))]));
    let tensors = state_dict(&bytes(&agent, Format::Safetensors).unwrap());
    assert_eq!(tensors["encoder.observation.0.weight"].0, [3, 2, 2, 2]);
    assert_eq!(tensors["trunk.0.weight"].0, [5, 18]);
}
