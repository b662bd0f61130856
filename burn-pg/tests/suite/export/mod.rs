//! Exported policies, read back and computed in double precision by other code than that which acts.

mod inputs;
mod interpreter;
mod recorded;

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor, TensorData},
};
use burn_pg::{
    Agent, Decision, Error,
    agent::export::{
        ExportError, Format, bytes,
        onnx::{self, proto::ModelProto},
        write,
    },
    device::{self, Backend, DeviceChoice},
    envs::{
        ActionBuffer, Env, EnvError, EnvRng, EnvSpec, Space, spec,
        wrapper::{ObservationNormalizer, RunningMoments},
    },
    policy::{Activation, ActorCritic, CellKind, Exploration, HeldNoise, NetworkSpec},
};
use prost::Message;
use safetensors::{Dtype, SafeTensors};

use self::interpreter::{Value, interpret};
use crate::component_actions::{Lamps, Panel};

fn device() -> Device {
    device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device
}

/// Adds random numbers to every weight, so that no bias is 0, no deviation 1, and means go beyond their bounds.
struct Stir(EnvRng);

impl ModuleMapper for Stir {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| {
            let shape = old.dims();
            let values: Vec<f32> = old.to_data().try_into_vec().unwrap();
            #[allow(clippy::cast_possible_truncation)]
            let values: Vec<f32> = values.iter().map(|value| value + self.0.uniform(-0.4, 0.4) as f32).collect();
            Tensor::from_data(TensorData::new(values, shape), &old.device())
        })
    }
}

fn agent(spec: &EnvSpec, shape: &NetworkSpec, normalizer: Option<ObservationNormalizer>, masked: bool) -> Agent {
    let policy = ActorCritic::new(spec, shape, &mut EnvRng::new(3), &device()).unwrap();
    Agent::new(policy.map(&mut Stir(EnvRng::new(4))), spec.clone(), normalizer, masked).unwrap()
}

/// Statistics with a mean that is large beside its deviation, and a number that never moved.
fn normalizer(len: usize) -> ObservationNormalizer {
    let mean = (0..len).map(|i| [0.3, 1000.1, -7.0][i % 3]).collect();
    let variance = (0..len).map(|i| [0.04, 1e-4, 0.0][i % 3]).collect();
    ObservationNormalizer { moments: RunningMoments { mean, variance, count: 100.0 }, clip: 5.0 }
}

/// Rows of every size, and the extremes: zeros, denormals, a million, and numbers near the means above.
fn observations(len: usize) -> Vec<f32> {
    let rng = &mut EnvRng::new(9);
    let extremes = [0.0, -0.0, 1e-45, -1e-40, f32::MIN_POSITIVE, 1e6, -1e6, 1.0, -1.0, 1000.1, 1000.107, -7.0];
    let mut rows: Vec<f32> = extremes.iter().flat_map(|&number| vec![number; len]).collect();
    #[allow(clippy::cast_possible_truncation)]
    rows.extend((0..200 * len).map(|_| (rng.normal() * 10.0_f64.powf(rng.uniform(-4.0, 2.0))) as f32));
    rows.extend((0..100 * len).map(|_| extremes[rng.below(12) as usize]));
    rows
}

/// Bounded on one side, on the other, and on both.
fn half_open() -> EnvSpec {
    let (low, high) = (vec![-0.1, f32::NEG_INFINITY, -0.5], vec![f32::INFINITY, 0.2, 2.0]);
    EnvSpec { action_space: Space::Box { low, high, shape: vec![3] }, ..spec("Pendulum-v1").unwrap() }
}

fn shapes() -> Vec<NetworkSpec> {
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

fn explorations() -> Vec<Exploration> {
    let with = |squash, state_dependent, sde| Exploration { squash, state_dependent, sde, log_std: -0.5 };
    vec![
        with(false, false, None),
        with(true, false, None),
        with(false, true, None),
        with(true, true, None),
        with(false, false, Some(HeldNoise::default())),
        with(true, false, Some(HeldNoise::default())),
    ]
}

/// Numbers of one output agree to 1e-5, relative to the larger of 1 and the largest number of their row. Where that is less
/// than what is `uncertain` of one in fifty rows at most, they agree to that.
#[track_caller]
fn assert_rows(ours: &[f32], expected: &[f64], uncertain: Option<&[f64]>, rows: usize, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    let (width, mut beyond) = (ours.len() / rows, 0);
    for row in 0..rows {
        let columns = row * width..(row + 1) * width;
        let (ours, expected) = (&ours[columns.clone()], &expected[columns.clone()]);
        let finite = expected.iter().filter(|number| number.is_finite());
        let scale = finite.fold(1.0_f64, |most, number| most.max(number.abs()));
        let difference = |(&ours, &expected): (&f32, &f64)| {
            if f64::from(ours) == expected { 0.0 } else { (f64::from(ours) - expected).abs() }
        };
        let difference = ours.iter().zip(expected).map(difference).fold(0.0, f64::max);
        if difference.is_nan() || difference > 1e-5 * scale {
            beyond += 1;
            let uncertain = uncertain.map_or(0.0, |uncertain| uncertain[columns].iter().copied().fold(0.0, f64::max));
            assert!(difference <= uncertain, "{what}, row {row}: {ours:?} instead of {expected:?}, {uncertain:e}");
        }
    }
    assert!(beyond * 50 <= rows, "{what}: {beyond} of {rows} rows differ");
}

/// How far the outputs of a graph move if each number of the observation and each weight moves by two units in the last place
/// of single precision. What single precision makes of differences of large numbers is no more certain than that, and depends
/// on the order of the sum. (Of eight draws the largest.)
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

/// The actions are those expected, but where two logits of one component are so near that rounding decides.
#[track_caller]
fn assert_actions(
    agent: &Agent,
    ours: &Decision,
    expected: &[f64],
    uncertain: Option<&[f64]>,
    rows: usize,
    what: &str,
) {
    let numbers: Vec<f32> = match &ours.actions {
        ActionBuffer::Continuous(actions) => return assert_rows(actions, expected, uncertain, rows, what),
        ActionBuffer::Discrete(actions) | ActionBuffer::MultiDiscrete(actions) => {
            actions.iter().map(|&action| action as f32).collect()
        }
        ActionBuffer::MultiBinary(flags) => flags.iter().map(|&flag| f32::from(u8::from(flag))).collect(),
    };
    let sizes = match &agent.spec().action_space {
        Space::Discrete { n, .. } => vec![*n as usize],
        Space::MultiDiscrete { sizes } => sizes.iter().map(|&size| size as usize).collect(),
        Space::MultiBinary { n } => vec![1; *n as usize],
        Space::Box { .. } | Space::Image { .. } | Space::Dict { .. } => unreachable!(),
    };
    let width: usize = sizes.iter().sum();
    let mut clear = 0;
    for row in 0..rows {
        let mut logits = &ours.parameters[row * width..(row + 1) * width];
        // Of those that are not masked.
        let scale = logits.iter().filter(|logit| logit.abs() < 1e37).fold(1.0_f32, |most, logit| most.max(logit.abs()));
        for (component, &size) in sizes.iter().enumerate() {
            let (of_component, rest) = logits.split_at(size);
            logits = rest;
            let mut sorted = if size == 1 { vec![0.0, of_component[0]] } else { of_component.to_vec() };
            sorted.sort_by(f32::total_cmp);
            let [second, first] = sorted[sorted.len() - 2..] else { unreachable!() };
            if first - second > 2e-5 * scale {
                clear += 1;
                let at = row * sizes.len() + component;
                assert_eq!(f64::from(numbers[at]), expected[at], "{what}, row {row}, component {component}");
            }
        }
    }
    assert!(clear * 10 > rows * sizes.len() * 9, "{what}: rounding decides too often, {clear}");
}

/// Reads an ONNX file back.
fn decoded(agent: &Agent) -> ModelProto {
    ModelProto::decode(&*bytes(agent, Format::Onnx).unwrap()).unwrap()
}

/// What a graph gives is what the agent decides.
#[track_caller]
fn check_onnx(agent: &Agent, observations: &[f32], masks: &[bool], what: &str) -> Decision {
    let len = agent.spec().observation_space.flat_len();
    let rows = observations.len() / len;
    let mut memory = vec![0.0; rows * agent.memory_len()];
    let mut before = None;
    let (mut decision, model) = (None, decoded(agent));
    // Of policies that remember, three steps.
    for step in 0..if memory.is_empty() { 1 } else { 3 } {
        let mut inputs = BTreeMap::from([("observation", Value::floats(observations, len))]);
        if !masks.is_empty() {
            inputs.insert("action_mask", Value::flags(masks, masks.len() / rows));
        }
        if !memory.is_empty() {
            inputs.insert("memory", Value::floats(&memory, agent.memory_len()));
        }
        let outputs = interpret(&model, inputs);
        let ours = agent.decide(observations, masks, before.as_deref()).unwrap();
        let what = format!("{what}, step {step}");
        // (What is normalised is small and exact, and what is remembered is small.)
        let plain =
            memory.is_empty() && masks.is_empty() && !model.metadata_props.iter().any(|e| e.key == "normalizer_clip");
        let uncertain = match plain {
            true => uncertain(&model, &Value::floats(observations, len), &outputs),
            false => BTreeMap::new(),
        };
        let uncertain = |name: &str| uncertain.get(name).map(Vec::as_slice);
        assert_actions(agent, &ours, &outputs["action"].numbers, uncertain("action"), rows, &what);
        if let Space::Box { low, .. } = &agent.spec().action_space {
            let all = ours.parameters.chunks_exact(ours.parameters.len() / rows);
            let mean: Vec<f32> = all.clone().flat_map(|row| &row[..low.len()]).copied().collect();
            assert_rows(&mean, &outputs["mean"].numbers, uncertain("mean"), rows, &what);
            if let Some(expected) = outputs.get("log_std") {
                let log_std: Vec<f32> = all.flat_map(|row| &row[low.len()..2 * low.len()]).copied().collect();
                assert_rows(&log_std, &expected.numbers, uncertain("log_std"), rows, &what);
            }
        } else {
            assert_rows(&ours.parameters, &outputs["logits"].numbers, uncertain("logits"), rows, &what);
        }
        assert_eq!(ours.values.is_some(), outputs.contains_key("value"), "{what}");
        if let Some(values) = &ours.values {
            assert_rows(values, &outputs["value"].numbers, uncertain("value"), rows, &what);
        }
        if let Some(ours) = &ours.memory {
            assert_rows(ours, &outputs["memory_out"].numbers, uncertain("memory_out"), rows, &what);
            memory.clone_from(ours);
        }
        before.clone_from(&ours.memory);
        decision = Some(ours);
    }
    decision.unwrap()
}

#[test]
fn a_graph_gives_what_the_agent_decides_whatever_the_space_and_the_network() {
    for spec in [spec("CartPole-v1").unwrap(), Lamps::default().spec(), Panel::default().spec()] {
        let len = spec.observation_space.flat_len();
        for (shape, statistics) in shapes().iter().flat_map(|shape| [(shape, None), (shape, Some(normalizer(len)))]) {
            let what = format!("{} {shape:?} {}", spec.id, statistics.is_some());
            check_onnx(&agent(&spec, shape, statistics, false), &observations(len), &[], &what);
        }
    }
}

#[test]
fn continuous_actions_stay_within_their_bounds_as_they_do_here() {
    for (spec, bounded) in [(spec("Pendulum-v1").unwrap(), true), (half_open(), false)] {
        for exploration in explorations().into_iter().filter(|exploration| bounded || !exploration.squash) {
            for shape in shapes() {
                // Held noise needs features, and these are there without hidden layers too.
                let shape = NetworkSpec { exploration, ..shape };
                for statistics in [None, Some(normalizer(3))] {
                    let what = format!("{} {shape:?} {}", spec.id, statistics.is_some());
                    let decision = check_onnx(&agent(&spec, &shape, statistics, false), &observations(3), &[], &what);
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
fn policies_that_remember_are_given_what_they_put_out() {
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
                check_onnx(&agent(&spec, &shape, statistics, false), &observations(len), &[], &what);
            }
        }
    }
}

#[test]
fn what_is_masked_is_never_chosen() {
    let spec = Panel::default().spec();
    let agent = agent(&spec, &NetworkSpec::default(), None, true);
    let observations = observations(4);
    let rng = &mut EnvRng::new(1);
    // Of each component at least one is possible.
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
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(3), &device()).unwrap();
    // All observations are 0, and so are the biases: each logit is 0.
    let agent = Agent::new(policy, spec, None, false).unwrap();
    let outputs = interpret(&decoded(&agent), BTreeMap::from([("observation", Value::floats(&[0.0; 8], 4))]));
    assert_eq!((&outputs["logits"].numbers, &outputs["action"].numbers), (&vec![0.0; 8], &vec![0.0; 2]));
}

#[test]
fn a_graph_says_what_it_is() {
    let spec = spec("Pendulum-v1").unwrap();
    let model = decoded(&agent(&spec, &NetworkSpec::default(), Some(normalizer(3)), false));
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
        let written = || bytes(&agent(&spec, &NetworkSpec::default(), Some(normalizer(3)), false), format).unwrap();
        assert_eq!(written(), written(), "{format}");
    }
}

/// The tensors of a state dict as rows of double precision, by name: shape and numbers.
fn state_dict(file: &[u8]) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let file = SafeTensors::deserialize(file).unwrap();
    let numbers = |view: &safetensors::tensor::TensorView<'_>| match view.dtype() {
        Dtype::F32 => view.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
        Dtype::F64 => view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        other => panic!("{other:?}"),
    };
    file.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), numbers(&view)))).collect()
}

#[test]
fn a_state_dict_has_the_names_and_the_layout_of_pytorch() {
    let spec = spec("Pendulum-v1").unwrap();
    let exploration = Exploration { squash: true, log_std: -0.5, ..Exploration::default() };
    let shape =
        NetworkSpec { exploration, hidden_sizes: vec![6, 5], activation: Activation::Relu, ..NetworkSpec::default() };
    let agent = agent(&spec, &shape, Some(normalizer(3)), false);
    let file = bytes(&agent, Format::Safetensors).unwrap();
    let tensors = state_dict(&file);
    let expected: BTreeMap<&str, Vec<usize>> = BTreeMap::from([
        ("normalizer.mean", vec![3]),
        ("normalizer.std", vec![3]),
        ("policy.0.weight", vec![6, 3]),
        ("policy.0.bias", vec![6]),
        ("policy.2.weight", vec![5, 6]),
        ("policy.2.bias", vec![5]),
        ("policy.4.weight", vec![1, 5]),
        ("policy.4.bias", vec![1]),
        ("value.0.weight", vec![6, 3]),
        ("value.0.bias", vec![6]),
        ("value.2.weight", vec![5, 6]),
        ("value.2.bias", vec![5]),
        ("value.4.weight", vec![1, 5]),
        ("value.4.bias", vec![1]),
        ("action.low", vec![1]),
        ("action.high", vec![1]),
        ("log_std", vec![1]),
    ]);
    let found: BTreeMap<&str, Vec<usize>> =
        tensors.iter().map(|(name, (shape, _))| (name.as_str(), shape.clone())).collect();
    assert_eq!(found, expected);
    let (_, metadata) = SafeTensors::read_metadata(&file).unwrap();
    let about = &metadata.metadata().as_ref().unwrap()["policy"];
    let about: BTreeMap<String, String> = serde_json::from_str(about).unwrap();
    assert_eq!((&*about["activation"], &*about["squash"], &*about["transform"]), ("relu", "tanh", "rescale"));
    let clip: f64 = about["normalizer_clip"].parse().unwrap();

    // The forward pass that these names mean.
    let linear = |input: &[f64], name: &str| -> Vec<f64> {
        let (weight, bias) = (&tensors[&format!("{name}.weight")].1, &tensors[&format!("{name}.bias")].1);
        let row = |(row, bias): (&[f64], &f64)| row.iter().zip(input).map(|(w, x)| w * x).sum::<f64>() + bias;
        weight.chunks_exact(input.len()).zip(bias).map(row).collect()
    };
    let network = |input: &[f64], name: &str| {
        let relu = |numbers: Vec<f64>| numbers.into_iter().map(|number| number.max(0.0)).collect::<Vec<_>>();
        let hidden = relu(linear(&relu(linear(input, &format!("{name}.0"))), &format!("{name}.2")));
        linear(&hidden, &format!("{name}.4"))[0]
    };
    let observations = observations(3);
    let rows = observations.len() / 3;
    let (mean, std) = (&tensors["normalizer.mean"].1, &tensors["normalizer.std"].1);
    let normal = |row: &[f32]| -> Vec<f64> {
        let of = |i: usize| ((f64::from(row[i]) - mean[i]) / std[i]).clamp(-clip, clip);
        (0..3).map(of).collect()
    };
    let inputs: Vec<Vec<f64>> = observations.chunks_exact(3).map(normal).collect();
    let (low, high) = (tensors["action.low"].1[0], tensors["action.high"].1[0]);
    let action = |input: &Vec<f64>| low + (network(input, "policy").tanh() + 1.0) * 0.5 * (high - low);
    let decision = agent.decide(&observations, &[], None).unwrap();
    let actions: Vec<f64> = inputs.iter().map(action).collect();
    let values: Vec<f64> = inputs.iter().map(|input| network(input, "value")).collect();
    assert_actions(&agent, &decision, &actions, None, rows, "action");
    assert_rows(decision.values.as_ref().unwrap(), &values, None, rows, "value");
}

#[test]
fn a_state_dict_names_what_remembers_is_shared_or_holds_its_noise() {
    let names = |shape: NetworkSpec| -> Vec<(String, Vec<usize>)> {
        let agent = agent(&spec("Pendulum-v1").unwrap(), &shape, None, false);
        let tensors = state_dict(&bytes(&agent, Format::Safetensors).unwrap());
        let networks = tensors.into_iter().filter(|(name, _)| !name.contains("action.") && !name.ends_with("bias"));
        networks.map(|(name, (shape, _))| (name, shape)).collect()
    };
    let listed = |list: &[(&str, [usize; 2])]| {
        list.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect::<Vec<_>>()
    };
    let shape = NetworkSpec { hidden_sizes: vec![6], shared: true, critic: true, ..NetworkSpec::default() };
    let exploration = Exploration { sde: Some(HeldNoise::default()), ..Exploration::default() };
    assert_eq!(
        names(NetworkSpec { exploration, ..shape.clone() }),
        listed(&[
            ("log_std", [6, 1]),
            ("policy.0.weight", [1, 6]),
            ("trunk.0.weight", [6, 3]),
            ("value.0.weight", [1, 6])
        ])
    );
    let exploration = Exploration { state_dependent: true, ..Exploration::default() };
    let recurrence = Some((CellKind::Lstm, 5));
    let remembering: Vec<_> = names(NetworkSpec { exploration, recurrence, shared: false, ..shape })
        .into_iter()
        .filter(|(name, _)| !name.contains("bias_"))
        .collect();
    assert_eq!(
        remembering,
        listed(&[
            ("memory.weight_hh", [20, 5]),
            ("memory.weight_ih", [20, 3]),
            ("policy.0.weight", [6, 5]),
            ("policy.2.weight", [2, 6]),
            ("value.0.weight", [6, 5]),
            ("value.2.weight", [1, 6]),
            ("value_memory.weight_hh", [20, 5]),
            ("value_memory.weight_ih", [20, 3]),
        ])
    );
}

#[test]
fn what_does_not_belong_together_makes_no_agent() {
    let pendulum = spec("Pendulum-v1").unwrap();
    let squash =
        NetworkSpec { exploration: Exploration { squash: true, ..Exploration::default() }, ..NetworkSpec::default() };
    let made = |of: &EnvSpec, shape: &NetworkSpec, spec: EnvSpec, statistics| {
        let policy = ActorCritic::new(of, shape, &mut EnvRng::new(3), &device()).unwrap();
        Agent::new(policy, spec, statistics, false).map(|_| ())
    };
    let plain = NetworkSpec::default();
    assert!(made(&pendulum, &plain, pendulum.clone(), Some(normalizer(3))).is_ok());
    assert!(matches!(
        made(&pendulum, &plain, pendulum.clone(), Some(normalizer(2))),
        Err(Error::Env(EnvError::State { .. }))
    ));
    assert!(matches!(made(&half_open(), &squash, half_open(), None), Err(Error::Env(EnvError::Unsuited { .. }))));
    assert!(matches!(made(&half_open(), &plain, pendulum.clone(), None), Err(Error::ActionMisfit(_))));
    let discrete = EnvSpec { action_space: Space::discrete(3), ..pendulum.clone() };
    assert!(matches!(made(&discrete, &plain, pendulum, None), Err(Error::ActionMisfit(_))));
}

#[test]
fn an_observation_that_is_none_is_refused() {
    let agent = agent(&spec("Pendulum-v1").unwrap(), &NetworkSpec::default(), None, false);
    let error = agent.decide(&[0.0, 0.0, 0.0, 1.0, f32::NAN, 0.0], &[], None).unwrap_err();
    assert!(matches!(error, Error::Observation { env: 1, index: 1, .. }), "{error}");
}

#[test]
fn a_file_is_replaced_only_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.onnx");
    write(b"one", &path, false).unwrap();
    assert!(matches!(write(b"two", &path, false), Err(ExportError::Exists(of)) if of == path));
    assert_eq!(std::fs::read(&path).unwrap(), b"one");
    write(b"two", &path, true).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert!(matches!(write(b"", &path.join("below"), false), Err(ExportError::Write { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
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
    if agent.memory_len() > 0 {
        inputs.insert("memory", Value::floats(&vec![0.0; rows * agent.memory_len()], agent.memory_len()));
    }
    let outputs = interpret(&model, inputs);
    assert_rows(&ours.values.clone().unwrap(), &outputs["value"].numbers, None, rows, "values");
    assert_actions(agent, &ours, &outputs["action"].numbers, None, rows, "actions");
}
