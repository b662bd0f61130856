//! Policies of Stable-Baselines3.

use std::{collections::BTreeMap, path::PathBuf};

use burn_pg::{
    Agent, Error,
    agent::import::{ImportError, Imported, PolicyFile},
    envs::{ActionBuffer, EnvRng, Space, spec},
    policy::Activation,
    storage::weights::{TensorsError, WeightsError},
};
use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use crate::helpers::flex;

/// Shape and values by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Returns a state dict in the form of Stable-Baselines3.
fn state_dict(observed: usize, hidden: &[usize], outputs: usize, continuous: bool) -> Tensors {
    let rng = &mut EnvRng::new(2);
    let mut tensors = Tensors::new();
    #[allow(clippy::cast_possible_truncation)]
    let mut add = |name: String, shape: Vec<usize>| {
        let numbers = (0..shape.iter().product()).map(|_| rng.uniform(-0.7, 0.7) as f32).collect();
        tensors.insert(name, (shape, numbers));
    };
    let mut linear = |name: &str, inputs: usize, outputs: usize| {
        add(format!("{name}.weight"), vec![outputs, inputs]);
        add(format!("{name}.bias"), vec![outputs]);
    };
    for net in ["policy_net", "value_net"] {
        for (i, (&inputs, &outputs)) in [observed].iter().chain(hidden).zip(hidden).enumerate() {
            linear(&format!("mlp_extractor.{net}.{}", 2 * i), inputs, outputs);
        }
    }
    let features = hidden.last().copied().unwrap_or(observed);
    linear("action_net", features, outputs);
    linear("value_net", features, 1);
    if continuous {
        add("log_std".into(), vec![outputs]);
    }
    tensors
}

fn saved(tensors: &Tensors) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, numbers))| (name, numbers.iter().flat_map(|number| number.to_le_bytes()).collect()))
        .collect();
    let views = tensors
        .iter()
        .map(|(name, (shape, _))| (name, TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap()));
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

fn import(tensors: &Tensors, env: &str, activation: Activation) -> Result<Imported, Error> {
    let (_folder, path) = saved(tensors);
    PolicyFile::read(&path)?.import(&spec(env).unwrap(), Some(activation), &flex())
}

#[test]
fn an_imported_policy_acts_as_it_did() {
    for (env, hidden, activation) in [
        ("CartPole-v1", &[7, 5][..], Activation::Tanh),
        ("Pendulum-v1", &[6][..], Activation::Relu),
        ("Pendulum-v1", &[][..], Activation::Tanh),
    ] {
        let spec = spec(env).unwrap();
        let observed = spec.observation_space.flat_len();
        let (outputs, continuous) = match &spec.action_space {
            Space::Discrete { n, .. } => (*n as usize, false),
            space => (space.flat_len(), true),
        };
        let tensors = state_dict(observed, hidden, outputs, continuous);
        let Imported { policy, network, normalizer } = import(&tensors, env, activation).unwrap();
        assert_eq!((network.hidden_sizes, network.activation), (hidden.to_vec(), activation));
        assert_eq!(normalizer, None);
        let agent = Agent::new(policy, spec, None).unwrap();
        let rng = &mut EnvRng::new(7);
        #[allow(clippy::cast_possible_truncation)]
        let observations: Vec<f32> = (0..50 * observed).map(|_| (3.0 * rng.normal()) as f32).collect();
        let decision = agent.decide(&observations, &[], None).unwrap();
        let linear = |input: &[f64], name: &str| -> Vec<f64> {
            let (weight, bias) = (&tensors[&format!("{name}.weight")].1, &tensors[&format!("{name}.bias")].1);
            let sum = |row: &[f32]| row.iter().zip(input).map(|(&w, x)| f64::from(w) * x).sum::<f64>();
            weight.chunks_exact(input.len()).zip(bias).map(|(row, &bias)| sum(row) + f64::from(bias)).collect()
        };
        let hidden_of = |input: &[f32], net: &str| {
            let input: Vec<f64> = input.iter().map(|&number| number.into()).collect();
            let follow = |x: f64| if activation == Activation::Tanh { x.tanh() } else { x.max(0.0) };
            let names = (0..hidden.len()).map(|i| format!("mlp_extractor.{net}.{}", 2 * i));
            names.fold(input, |input, name| linear(&input, &name).into_iter().map(follow).collect())
        };
        let near = |ours: f32, expected: f64| (f64::from(ours) - expected).abs() <= 1e-5 * expected.abs().max(1.0);
        for (row, observation) in observations.chunks_exact(observed).enumerate() {
            let value = linear(&hidden_of(observation, "value_net"), "value_net")[0];
            assert!(near(decision.values.as_ref().unwrap()[row], value), "{env} {row}");
            let expected = linear(&hidden_of(observation, "policy_net"), "action_net");
            let width = decision.parameters.len() / 50;
            let parameters = &decision.parameters[row * width..][..width];
            assert!(parameters.iter().zip(&expected).all(|(&ours, &expected)| near(ours, expected)), "{env} {row}");
            if let ActionBuffer::Continuous(actions) = &decision.actions {
                assert!(near(actions[row], expected[0].clamp(-2.0, 2.0)), "{env} {row}");
                assert_eq!(parameters[1], tensors["log_std"].1[0]);
            }
        }
    }
}

#[test]
fn a_state_dict_of_another_network_is_refused_with_the_reason() {
    let sound = || state_dict(4, &[7, 5], 2, false);
    assert!(import(&sound(), "CartPole-v1", Activation::Tanh).is_ok());
    let refused = |change: &dyn Fn(&mut Tensors), env: &str, part: &str| {
        let mut tensors = sound();
        change(&mut tensors);
        let error = import(&tensors, env, Activation::Tanh).unwrap_err();
        assert!(error.to_string().contains(part), "`{part}` is missing in: {error}");
        error
    };
    let missing = refused(
        &|tensors| drop(tensors.remove("action_net.bias")),
        "CartPole-v1",
        "missing [action_net.bias], unexpected []",
    );
    let import_error = |error| match error {
        Error::Import(error) => *error,
        other => panic!("{other}"),
    };
    assert!(matches!(import_error(missing), ImportError::Names { .. }));
    let cnn = |tensors: &mut Tensors| {
        tensors.insert("features_extractor.cnn.0.weight".into(), (vec![1], vec![0.0]));
    };
    refused(&cnn, "CartPole-v1", "unexpected [features_extractor.cnn.0.weight]");
    refused(&|_| (), "Pendulum-v1", "missing [log_std]");
    let misfit = refused(
        &|_| (),
        "Acrobot-v1",
        "`mlp_extractor.policy_net.0.weight` is F32[7, 4]; it must be F32[7, 6] for Acrobot-v1",
    );
    assert!(matches!(import_error(misfit), ImportError::Tensor { .. }));
    let actions = |tensors: &mut Tensors| {
        tensors.insert("action_net.weight".into(), (vec![3, 5], vec![0.0; 15]));
    };
    refused(&actions, "CartPole-v1", "`action_net.weight` is F32[3, 5]; it must be F32[2, 5]");
    let widths = |tensors: &mut Tensors| {
        let other = state_dict(4, &[7, 6], 2, false);
        for name in ["mlp_extractor.value_net.2.weight", "mlp_extractor.value_net.2.bias"] {
            tensors.insert(name.into(), other[name].clone());
        }
    };
    let widths = refused(&widths, "CartPole-v1", "policy_net are [7, 5] wide, those of value_net [7, 6]");
    assert!(matches!(import_error(widths), ImportError::Widths { .. }));
    let nan = |tensors: &mut Tensors| tensors.get_mut("value_net.weight").unwrap().1[3] = f32::NAN;
    let nan = refused(&nan, "CartPole-v1", "`value_net.weight` holds NaN");
    assert!(matches!(nan, Error::Weights(WeightsError::Content { error: TensorsError::NonFinite { .. }, .. })));
    let empty = |tensors: &mut Tensors| {
        tensors.insert("mlp_extractor.policy_net.0.weight".into(), (vec![0, 4], vec![]));
    };
    refused(&empty, "CartPole-v1", "policy_net are [0, 5] wide");
}

#[test]
fn an_invalid_file_is_refused() {
    let (_folder, path) = saved(&state_dict(4, &[7], 2, false));
    let read = |path: &PathBuf| PolicyFile::read(path).unwrap_err();
    let error = read(&path.with_extension("none"));
    assert!(matches!(error, Error::Import(error) if matches!(*error, ImportError::Read { .. })));
    std::fs::write(&path, "pickled").unwrap();
    let error = read(&path);
    assert!(matches!(error, Error::Weights(WeightsError::Content { error: TensorsError::Format { .. }, .. })));
}
