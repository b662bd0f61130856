//! State dicts have the names and the layout of PyTorch.

use std::collections::BTreeMap;

use burn_pg::{
    agent::export::{Format, bytes},
    envs::spec,
    policy::{Activation, CellKind, Exploration, GsdeNoise, NetworkSpec},
};
use safetensors::SafeTensors;

use super::{agent, assert_actions, assert_rows, normalizer, observations, state_dict};

#[test]
fn a_state_dict_has_the_names_and_the_layout_of_pytorch() {
    let spec = spec("Pendulum-v1").unwrap();
    let exploration = Exploration { squash: true, log_std: -0.5, ..Exploration::default() };
    let shape =
        NetworkSpec { exploration, hidden_sizes: vec![6, 5], activation: Activation::Relu, ..NetworkSpec::default() };
    let agent = agent(&spec, &shape, Some(normalizer(3)));
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

    // The forward pass with these tensors.
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
fn a_state_dict_names_recurrent_shared_and_gsde_parameters() {
    let names = |shape: NetworkSpec| -> Vec<(String, Vec<usize>)> {
        let agent = agent(&spec("Pendulum-v1").unwrap(), &shape, None);
        let tensors = state_dict(&bytes(&agent, Format::Safetensors).unwrap());
        let networks = tensors.into_iter().filter(|(name, _)| !name.contains("action.") && !name.ends_with("bias"));
        networks.map(|(name, (shape, _))| (name, shape)).collect()
    };
    let listed = |list: &[(&str, [usize; 2])]| {
        list.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect::<Vec<_>>()
    };
    let shape = NetworkSpec { hidden_sizes: vec![6], shared: true, critic: true, ..NetworkSpec::default() };
    let exploration = Exploration { sde: Some(GsdeNoise::default()), ..Exploration::default() };
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
    let recurrent: Vec<_> = names(NetworkSpec { exploration, recurrence, shared: false, ..shape })
        .into_iter()
        .filter(|(name, _)| !name.contains("bias_"))
        .collect();
    assert_eq!(
        recurrent,
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
