//! ONNX graphs decide as the agent does.

use std::collections::BTreeMap;

use burn_pg::{
    Agent, Decision,
    agent::export::{
        Format, bytes,
        onnx::{self, proto::ModelProto},
    },
    envs::{ActionBuffer, Env, EnvRng, EnvSpec, Space, spec},
    policy::{ActionDistribution, Activation, ActorCritic, CellKind, Exploration, GsdeNoise, NetworkSpec},
};
use prost::Message;

use super::{
    agent, assert_actions, assert_rows, half_open,
    interpreter::{Value, interpret},
    normalizer, observations,
};
use crate::component_actions::{Lamps, Panel};
use crate::helpers::flex;

pub fn shapes() -> Vec<NetworkSpec> {
    let with = |activation, hidden_sizes, shared, critic| NetworkSpec {
        activation,
        hidden_sizes,
        shared,
        critic,
        ..NetworkSpec::default()
    };
    vec![
        with(Activation::Tanh, vec![16, 8], false, true),
        with(Activation::Relu, vec![7, 5, 6], true, true),
        with(Activation::Silu, vec![9], true, true),
        with(Activation::Silu, vec![9], false, false),
        with(Activation::Tanh, vec![], false, true),
    ]
}

pub fn explorations() -> Vec<Exploration> {
    let with = |squash, state_dependent, sde| Exploration {
        squash,
        state_dependent,
        sde,
        log_std: -0.5,
        ..Exploration::default()
    };
    let beta = Exploration { distribution: ActionDistribution::Beta, ..Exploration::default() };
    vec![
        with(false, false, None),
        with(true, false, None),
        with(false, true, None),
        with(true, true, None),
        with(false, false, Some(GsdeNoise::default())),
        with(true, false, Some(GsdeNoise::default())),
        beta,
    ]
}

/// True if actions may be of a space without bounds.
pub fn clips(exploration: &Exploration) -> bool {
    !exploration.squash && exploration.distribution == ActionDistribution::Gaussian
}

/// Returns how far the outputs of a graph move if each element of the observation and each weight moves by two units in the
/// last place of single precision; the largest of eight random draws. Differences of large numbers in single precision are no
/// more accurate than that, and depend on the order of summation.
fn uncertain(
    model: &ModelProto,
    observations: &Value,
    outputs: &BTreeMap<String, Value>,
) -> BTreeMap<String, Vec<f64>> {
    let rng = &mut EnvRng::new(6);
    let mut largest: BTreeMap<String, Vec<f64>> =
        outputs.iter().map(|(name, value)| (name.clone(), vec![0.0; value.numbers.len()])).collect();
    for _ in 0..8 {
        let mut factor = || 1.0 + if rng.below(2) == 0 { 1.0 } else { -1.0 } / f64::from(1 << 22);
        let (mut moved, mut model) = (observations.clone(), model.clone());
        for number in &mut moved.numbers {
            *number *= factor();
        }
        let constants = &mut model.graph.as_mut().unwrap().initializer;
        for weight in constants.iter_mut().filter(|constant| constant.name.ends_with(".weight")) {
            for bytes in weight.raw_data.as_chunks_mut().0 {
                #[allow(clippy::cast_possible_truncation)]
                let moved = (f64::from(f32::from_le_bytes(*bytes)) * factor()) as f32;
                *bytes = moved.to_le_bytes();
            }
        }
        for (name, value) in interpret(&model, BTreeMap::from([("observation", moved)])) {
            for ((largest, moved), number) in
                largest.get_mut(&name).unwrap().iter_mut().zip(&value.numbers).zip(&outputs[&name].numbers)
            {
                *largest = largest.max((moved - number).abs());
            }
        }
    }
    largest
}

/// Reads an ONNX file back.
fn decoded(agent: &Agent) -> ModelProto {
    ModelProto::decode(&*bytes(agent, Format::Onnx).unwrap()).unwrap()
}

/// Asserts that a graph decides as the agent does, and returns the last decision.
#[track_caller]
fn check_onnx(agent: &Agent, observations: &[f32], masks: &[bool], what: &str) -> Decision {
    let len = agent.spec().observation_space.flat_len();
    let rows = observations.len() / len;
    let mut state = vec![0.0; rows * agent.state_len()];
    let mut before = None;
    let (mut decision, model) = (None, decoded(agent));
    // Three steps of a recurrent policy.
    for step in 0..if state.is_empty() { 1 } else { 3 } {
        let mut inputs = BTreeMap::from([("observation", Value::floats(observations, len))]);
        if !masks.is_empty() {
            inputs.insert("action_mask", Value::flags(masks, masks.len() / rows));
        }
        if !state.is_empty() {
            inputs.insert("memory", Value::floats(&state, agent.state_len()));
        }
        let outputs = interpret(&model, inputs);
        let ours = agent.decide(observations, masks, before.as_deref()).unwrap();
        let what = format!("{what}, step {step}");
        // Normalised observations and hidden states are small, so they need no such tolerance.
        let plain =
            state.is_empty() && masks.is_empty() && !model.metadata_props.iter().any(|e| e.key == "normalizer_clip");
        let uncertain = match plain {
            true => uncertain(&model, &Value::floats(observations, len), &outputs),
            false => BTreeMap::new(),
        };
        let uncertain = |name: &str| uncertain.get(name).map(Vec::as_slice);
        assert_actions(agent, &ours, &outputs["action"].numbers, uncertain("action"), rows, &what);
        if let Space::Box { low, .. } = &agent.spec().action_space {
            let all = ours.parameters.chunks_exact(ours.parameters.len() / rows);
            let names = if outputs.contains_key("alpha") { ["alpha", "beta"] } else { ["mean", "log_std"] };
            for (name, start) in names.into_iter().zip([0, low.len()]) {
                if let Some(expected) = outputs.get(name) {
                    let ours: Vec<f32> = all.clone().flat_map(|row| &row[start..start + low.len()]).copied().collect();
                    assert_rows(&ours, &expected.numbers, uncertain(name), rows, &what);
                }
            }
            assert!(outputs.contains_key(names[0]), "{what}");
        } else {
            assert_rows(&ours.parameters, &outputs["logits"].numbers, uncertain("logits"), rows, &what);
        }
        assert_eq!(ours.values.is_some(), outputs.contains_key("value"), "{what}");
        if let Some(values) = &ours.values {
            assert_rows(values, &outputs["value"].numbers, uncertain("value"), rows, &what);
        }
        if let Some(ours) = &ours.state {
            assert_rows(ours, &outputs["memory_out"].numbers, uncertain("memory_out"), rows, &what);
            state.clone_from(ours);
        }
        before.clone_from(&ours.state);
        decision = Some(ours);
    }
    decision.unwrap()
}

#[test]
fn a_graph_decides_as_the_agent_does_for_every_space_and_network() {
    let unmasked = EnvSpec { masks_actions: false, ..Panel::default().spec() };
    for spec in [spec("CartPole-v1").unwrap(), Lamps::default().spec(), unmasked] {
        let len = spec.observation_space.flat_len();
        for (shape, statistics) in shapes().iter().flat_map(|shape| [(shape, None), (shape, Some(normalizer(len)))]) {
            let what = format!("{} {shape:?} {}", spec.id, statistics.is_some());
            check_onnx(&agent(&spec, shape, statistics), &observations(len), &[], &what);
        }
    }
}

#[test]
fn continuous_actions_of_a_graph_stay_within_their_bounds() {
    for (spec, bounded) in [(spec("Pendulum-v1").unwrap(), true), (half_open(), false)] {
        for exploration in explorations().into_iter().filter(|exploration| bounded || clips(exploration)) {
            for shape in shapes() {
                // gSDE noise needs features; without hidden layers the observations are the features.
                let shape = NetworkSpec { exploration, ..shape };
                for statistics in [None, Some(normalizer(3))] {
                    let what = format!("{} {shape:?} {}", spec.id, statistics.is_some());
                    let decision = check_onnx(&agent(&spec, &shape, statistics), &observations(3), &[], &what);
                    let ActionBuffer::Continuous(actions) = &decision.actions else { panic!() };
                    let Space::Box { low, high, .. } = &spec.action_space else { panic!() };
                    let bounds = || low.iter().zip(high).cycle();
                    let within = actions.iter().zip(bounds()).all(|(a, (low, high))| low <= a && a <= high);
                    assert!(within, "{what}");
                    if !bounded {
                        let at_bounds = actions.iter().zip(bounds()).filter(|(a, (low, high))| a == low || a == high);
                        assert!(at_bounds.count() > 10, "{what}: the bounds are not put to the test");
                    }
                }
            }
        }
    }
}

#[test]
fn recurrent_graphs_take_their_output_state_as_input() {
    for (kind, shared, critic) in [
        (CellKind::Gru, false, true),
        (CellKind::Lstm, false, true),
        (CellKind::Lstm, true, true),
        (CellKind::Gru, false, false),
    ] {
        for spec in [spec("CartPole-v1").unwrap(), spec("Pendulum-v1").unwrap()] {
            let len = spec.observation_space.flat_len();
            let recurrence = Some((kind, 5));
            let shape = NetworkSpec { recurrence, shared, critic, hidden_sizes: vec![6], ..NetworkSpec::default() };
            for statistics in [None, Some(normalizer(len))] {
                let what = format!("{} {shape:?} {}", spec.id, statistics.is_some());
                check_onnx(&agent(&spec, &shape, statistics), &observations(len), &[], &what);
            }
        }
    }
}

#[test]
fn masked_actions_are_never_chosen() {
    let spec = Panel::default().spec();
    let agent = agent(&spec, &NetworkSpec::default(), None);
    let observations = observations(4);
    let rng = &mut EnvRng::new(1);
    // At least one action of each component is possible.
    let row = |rng: &mut EnvRng| {
        let (dial, switch) = (rng.below(3) as usize, 3 + rng.below(2) as usize);
        (0..5).map(|at| at == dial || at == switch || rng.below(2) == 1).collect::<Vec<bool>>()
    };
    let masks: Vec<bool> = (0..observations.len() / 4).flat_map(|_| row(rng)).collect();
    let decision = check_onnx(&agent, &observations, &masks, "Panel");
    let ActionBuffer::MultiDiscrete(actions) = decision.actions else { panic!() };
    for (row, action) in actions.chunks_exact(2).enumerate() {
        assert!(masks[5 * row + action[0] as usize] && masks[5 * row + 3 + action[1] as usize]);
    }
}

#[test]
fn a_tie_goes_to_the_first_action() {
    let spec = EnvSpec { action_space: Space::discrete(4), ..spec("CartPole-v1").unwrap() };
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(3), &flex()).unwrap();
    // All observations are 0, and so are the biases: each logit is 0.
    let agent = Agent::new(policy, spec, None).unwrap();
    let outputs = interpret(&decoded(&agent), BTreeMap::from([("observation", Value::floats(&[0.0; 8], 4))]));
    assert_eq!((&outputs["logits"].numbers, &outputs["action"].numbers), (&vec![0.0; 8], &vec![0.0; 2]));
}

#[test]
fn a_graph_has_metadata() {
    let spec = spec("Pendulum-v1").unwrap();
    let model = decoded(&agent(&spec, &NetworkSpec::default(), Some(normalizer(3))));
    assert_eq!((model.ir_version, model.opset_import[0].version), (onnx::IR_VERSION, onnx::OPSET));
    let about: BTreeMap<&str, &str> =
        model.metadata_props.iter().map(|entry| (entry.key.as_str(), entry.value.as_str())).collect();
    assert_eq!((about["environment"], about["transform"], about["normalizer_clip"]), ("Pendulum-v1", "clip", "5"));
    let graph = model.graph.unwrap();
    let names = |values: &[onnx::proto::ValueInfoProto]| values.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&graph.input), ["observation"]);
    assert_eq!(names(&graph.output), ["action", "mean", "log_std", "value"]);
    // The same policy gives the same bytes.
    for format in Format::ALL {
        let written = || bytes(&agent(&spec, &NetworkSpec::default(), Some(normalizer(3))), format).unwrap();
        assert_eq!(written(), written(), "{format}");
    }
}

/// The export of an agent that sees a dictionary of an image of 10x10x4 and a number acts as the agent does.
pub fn check_parts(agent: &Agent) {
    let model = decoded(agent);
    let names: Vec<&str> = model.graph.as_ref().unwrap().input.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names[..2], ["image", "turned"]);
    let (rows, rng) = (9, &mut EnvRng::new(2));
    let pixels: Vec<f32> = (0..rows * 400).map(|_| f32::from(u8::from(rng.below(3) == 0))).collect();
    #[allow(clippy::cast_possible_truncation)]
    let numbers: Vec<f32> = (0..rows).map(|_| rng.normal() as f32).collect();
    let flat = |row: usize| pixels[400 * row..400 * (row + 1)].iter().chain(&numbers[row..=row]).copied();
    let observations: Vec<f32> = (0..rows).flat_map(flat).collect();
    let ours = agent.decide(&observations, &[], None).unwrap();
    let image = Value { shape: vec![rows, 4, 10, 10], ..Value::floats(&pixels, 400) };
    let mut inputs = BTreeMap::from([("image", image), ("turned", Value::floats(&numbers, 1))]);
    if agent.state_len() > 0 {
        inputs.insert("memory", Value::floats(&vec![0.0; rows * agent.state_len()], agent.state_len()));
    }
    let outputs = interpret(&model, inputs);
    assert_rows(&ours.values.clone().unwrap(), &outputs["value"].numbers, None, rows, "values");
    assert_actions(agent, &ours, &outputs["action"].numbers, None, rows, "actions");
}
