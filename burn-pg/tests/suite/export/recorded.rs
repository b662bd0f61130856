//! Outputs of onnxruntime and PyTorch for exports, compared with the decisions of the agents, for 10,000 observations (500
//! images) each.
//!
//! `benches/check_exports.py --record` has written `tests/recorded/exports`: agents, the files that the two programs were given,
//! and their outputs.

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn_pg::{
    Agent,
    agent::export::{Format, bytes, onnx::proto::ModelProto},
    envs::{ActionBuffer, Space},
    run::directory::RunDir,
};
use prost::Message;
use safetensors::SafeTensors;

use super::assert_rows;
use crate::helpers::flex;

const CASES: [&str; 6] = ["discrete", "discrete-normalised", "clipped", "squashed-normalised", "lstm", "images"];
const ROWS: usize = 10_000;
const IMAGES: usize = 500;
/// Elements of a recorded observation; an environment takes as many of the first as it needs.
const WIDTH: usize = 6;
/// Steps of the episodes of recurrent policies.
const EPISODE: usize = 100;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/exports")
}

fn recorded(name: &str) -> (Agent, PathBuf) {
    let path = folder().join(name);
    (Agent::open(&RunDir::open(&path), &flex()).unwrap(), path)
}

/// Returns the values of a recorded array, if there is one.
fn numbers(tensors: &SafeTensors, name: &str) -> Option<Vec<f32>> {
    let tensor = tensors.tensor(name).ok()?;
    let bytes = tensor.data();
    Some(match tensor.dtype() {
        safetensors::Dtype::U8 => bytes.iter().map(|&byte| byte.into()).collect(),
        safetensors::Dtype::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
        other => panic!("{name}: {other:?}"),
    })
}

/// Returns the decision for each row: actions, logits or means, and values. Recurrent policies take rows as steps of episodes.
fn decided(agent: &Agent, rows: &[f32]) -> [Vec<f32>; 3] {
    let len = agent.spec().observation_space.flat_len();
    let (count, steps) = (rows.len() / len, if agent.state_len() > 0 { EPISODE } else { 1 });
    let mut found = [vec![Vec::new(); count], vec![Vec::new(); count], vec![Vec::new(); count]];
    let mut state: Option<Vec<f32>> = None;
    for step in 0..steps {
        let at: Vec<usize> = (step..count).step_by(steps).collect();
        let seen: Vec<f32> = at.iter().flat_map(|row| &rows[row * len..(row + 1) * len]).copied().collect();
        let decision = agent.decide(&seen, &[], state.as_deref()).unwrap();
        let actions: Vec<f32> = match &decision.actions {
            ActionBuffer::Discrete(actions) => actions.iter().map(|&action| action as f32).collect(),
            ActionBuffer::Continuous(actions) => actions.clone(),
            other => panic!("{other:?}"),
        };
        let parameters = decision.parameters.len() / at.len();
        // Means come before standard deviations.
        let wanted = match &agent.spec().action_space {
            Space::Box { low, .. } => low.len(),
            _ => parameters,
        };
        for (i, (&row, value)) in at.iter().zip(decision.values.unwrap()).enumerate() {
            let width = actions.len() / at.len();
            found[0][row] = actions[i * width..(i + 1) * width].to_vec();
            found[1][row] = decision.parameters[i * parameters..i * parameters + wanted].to_vec();
            found[2][row] = vec![value];
        }
        state = decision.state;
    }
    found.map(|rows| rows.concat())
}

#[test]
fn onnxruntime_and_pytorch_decide_as_the_agent_does() {
    let observations = |folder: &Path| {
        let file = fs::read(folder.join("observations.safetensors")).unwrap();
        numbers(&SafeTensors::deserialize(&file).unwrap(), "observation").unwrap()
    };
    let all = observations(&folder());
    assert_eq!(all.len(), ROWS * WIDTH);
    for name in CASES {
        let (agent, path) = recorded(name);
        let len = agent.spec().observation_space.flat_len();
        let (rows, count): (Vec<f32>, _) = match name {
            "images" => (observations(&path), IMAGES),
            _ => (all.chunks(WIDTH).flat_map(|row| &row[..len]).copied().collect(), ROWS),
        };
        assert_eq!(rows.len(), count * len);
        let [actions, parameters, values] = decided(&agent, &rows);
        let file = fs::read(path.join("outputs.safetensors")).unwrap();
        let outputs = SafeTensors::deserialize(&file).unwrap();
        let is_continuous = matches!(agent.spec().action_space, Space::Box { .. });
        for program in ["onnxruntime", "pytorch"] {
            let what = format!("{name}, {program}");
            let theirs = |output: &str| numbers(&outputs, &format!("{program}.{output}")).unwrap();
            let wide = |numbers: Vec<f32>| -> Vec<f64> { numbers.into_iter().map(f64::from).collect() };
            let uncertain = |output: &str| numbers(&outputs, &format!("uncertain.{output}")).map(wide);
            // All actions must be equal.
            match is_continuous {
                true => assert_rows(&actions, &wide(theirs("action")), None, count, &what),
                false => assert_eq!(actions, theirs("action"), "{what}"),
            }
            let output = if is_continuous { "mean" } else { "logits" };
            assert_rows(&parameters, &wide(theirs(output)), uncertain(output).as_deref(), count, &what);
            assert_rows(&values, &wide(theirs("value")), uncertain("value").as_deref(), count, &what);
        }
        let (first, among) = (&actions[..1], actions.iter().filter(|&action| *action != actions[0]).count());
        assert!(among > count / 100, "{name}: {first:?} everywhere");
    }
}

/// Today's exports equal the recorded files, except the version that wrote them.
#[test]
fn exports_equal_the_recorded_files() {
    const SINCE: &str =
        "exports have changed: record the outputs of other programs again, with benches/check_exports.py";
    for name in CASES {
        let (agent, path) = recorded(name);
        let onnx = [bytes(&agent, Format::Onnx).unwrap(), fs::read(path.join("exported.onnx")).unwrap()];
        let [ours, theirs] = onnx.map(|bytes| {
            let mut model = ModelProto::decode(&*bytes).unwrap();
            model.producer_version.clear();
            model.metadata_props.retain(|entry| entry.key != "burn_pg_version");
            model
        });
        assert!(ours == theirs && ours.graph.is_some(), "{name}: {SINCE}");

        let dict = [bytes(&agent, Format::Safetensors).unwrap(), fs::read(path.join("exported.safetensors")).unwrap()];
        let [ours, theirs] = dict.map(|bytes| {
            let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
            let about = header.metadata().as_ref().unwrap()["policy"].clone();
            let mut about: serde_json::Value = serde_json::from_str(&about).unwrap();
            about.as_object_mut().unwrap().remove("burn_pg_version").unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let mut tensors: Vec<_> = tensors
                .tensors()
                .into_iter()
                .map(|(name, tensor)| (name, tensor.dtype(), tensor.shape().to_vec(), tensor.data().to_vec()))
                .collect();
            tensors.sort_by(|a, b| a.0.cmp(&b.0));
            (about, tensors)
        });
        assert!(ours == theirs && !ours.1.is_empty(), "{name}: {SINCE}");
    }
}
