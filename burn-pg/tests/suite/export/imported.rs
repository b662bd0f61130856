//! Imports of exports have the same weights and act in the same way.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use burn_pg::{
    Agent, Decision, Error,
    agent::{
        export::{Format, Layers, bytes},
        import::{Imported, PolicyFile},
    },
    envs::{Env, EnvRng, EnvSpec, Space, spec, wrapper::ObservationNormalizer},
    policy::{Activation, CellKind, EncoderSpec, NetworkSpec},
    run::directory::RunDir,
};
use safetensors::{SafeTensors, tensor::TensorView};

use super::{
    agent,
    graph::{clips, explorations, shapes},
    half_open,
    inputs::{Own, seeing},
    normalizer, observations,
};
use crate::component_actions::{Lamps, Panel};
use crate::helpers::flex;

fn import(file: &[u8], spec: &EnvSpec, activation: Option<Activation>) -> Result<Imported, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.safetensors");
    fs::write(&path, file).unwrap();
    PolicyFile::read(&path)?.import(spec, activation, &flex())
}

/// Checks that the import of an export acts as the agent does, and is exported to the same bytes.
#[track_caller]
fn check(agent: &Agent, what: &str) {
    let [ours, again] = decisions(agent, what);
    assert_eq!(ours, again, "{what}");
}

/// Returns the decisions of an agent and of the import of its export, which is exported to the same bytes.
#[track_caller]
fn decisions<P: Layers>(agent: &Agent<P>, what: &str) -> [Decision; 2] {
    let file = bytes(agent, Format::Safetensors).unwrap();
    let Imported { policy, normalizer, .. } = import(&file, agent.spec(), None).unwrap();
    // Squaring a standard deviation rounds.
    match (&normalizer, agent.normalizer()) {
        (Some(found), Some(expected)) => assert_close(found, expected, what),
        (found, expected) => assert_eq!(found.as_ref(), expected, "{what}"),
    }
    let again = Agent::new(policy, agent.spec().clone(), agent.normalizer().cloned()).unwrap();
    assert!(bytes(&again, Format::Safetensors).unwrap() == file, "{what}");
    let space = &agent.spec().observation_space;
    let seen: Vec<f32> = match space {
        Space::Box { .. } => observations(space.flat_len()),
        _ => (0..5 * space.flat_len()).map(|i| (i % 2) as f32).collect(),
    };
    let rows = seen.len() / space.flat_len();
    let masks = vec![true; rows * agent.spec().mask_len()];
    [agent.decide(&seen, &masks, None).unwrap(), again.decide(&seen, &masks, None).unwrap()]
}

#[track_caller]
fn assert_close(found: &ObservationNormalizer, expected: &ObservationNormalizer, what: &str) {
    let moments = [&found.moments, &expected.moments];
    assert_eq!((found.clip, &moments[0].mean, moments[0].count), (expected.clip, &moments[1].mean, moments[1].count));
    let [found, expected] = moments.map(|moments| &moments.variance);
    let is_close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-15 * (b + 1e-8);
    assert!(found.iter().zip(expected).all(is_close), "{what}: {found:?} instead of {expected:?}");
}

#[test]
fn perceptrons_are_imported_for_every_space_and_every_kind_of_exploration() {
    for spec in [spec("CartPole-v1").unwrap(), Lamps::default().spec(), Panel::default().spec()] {
        let len = spec.observation_space.flat_len();
        for (shape, statistics) in shapes().iter().flat_map(|shape| [(shape, None), (shape, Some(normalizer(len)))]) {
            check(&agent(&spec, shape, statistics), &format!("{} {shape:?}", spec.id));
        }
    }
    for (spec, is_bounded) in [(spec("Pendulum-v1").unwrap(), true), (half_open(), false)] {
        for exploration in explorations().into_iter().filter(|exploration| is_bounded || clips(exploration)) {
            for shape in shapes() {
                let shape = NetworkSpec { exploration, ..shape };
                check(&agent(&spec, &shape, None), &format!("{} {shape:?}", spec.id));
            }
        }
    }
}

#[test]
fn recurrent_policies_are_imported() {
    let spec = spec("Pendulum-v1").unwrap();
    for (kind, hidden_sizes, shared, critic) in [
        (CellKind::Gru, vec![6], false, true),
        (CellKind::Lstm, vec![6], true, true),
        (CellKind::Lstm, vec![], true, true),
        (CellKind::Gru, vec![], false, false),
    ] {
        let shape = NetworkSpec { recurrence: Some((kind, 5)), hidden_sizes, shared, critic, ..NetworkSpec::default() };
        check(&agent(&spec, &shape, None), &format!("{shape:?}"));
    }
}

#[test]
fn convolutions_and_dictionaries_are_imported() {
    let picture = || Space::Image { shape: [2, 5, 4], high: 3 };
    let vector = |name| (name, Space::symmetric(&[1.0; 2]));
    let layers = "kind = 'cnn'\nlayers = [{ channels = 3, kernel = 2, stride = 2 }, { channels = 4, kernel = 2 }]";
    let encoder: EncoderSpec = toml::from_str(layers).unwrap();
    for (space, encoder) in [
        (picture(), encoder.clone()),
        (Space::dict([vector("memory"), ("b.0", picture()), ("a", picture())]), encoder),
        (Space::dict([vector("b"), vector("a")]), EncoderSpec::default()),
    ] {
        for (shared, critic) in [(false, true), (true, true), (false, false)] {
            let shape = NetworkSpec { encoder: encoder.clone(), shared, critic, ..NetworkSpec::default() };
            check(&agent(&seeing(space.clone()), &shape, None), &format!("{space} {shape:?}"));
        }
    }
}

#[test]
fn networks_that_see_parts_of_an_observation_are_imported() {
    let layers = "kind = 'cnn'\nlayers = [{ channels = 3, kernel = 2 }]";
    let cnn: EncoderSpec = toml::from_str(layers).unwrap();
    let picture = Space::Image { shape: [2, 5, 4], high: 3 };
    let space =
        Space::dict([("a", Space::symmetric(&[1.0; 2])), ("picture", picture), ("b", Space::symmetric(&[1.0; 3]))]);
    for (actor, critic, encoder) in [
        (&["b"][..], &["a", "b"][..], EncoderSpec::default()),
        (&["b"], &["a", "picture"], cnn.clone()),
        (&["picture"], &["a"], cnn.clone()),
        (&["picture", "b"], &[], cnn.clone()),
        (&[], &["a"], cnn),
    ] {
        for recurrence in [None, Some((CellKind::Gru, 3))] {
            let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            let shape = NetworkSpec {
                encoder: encoder.clone(),
                actor_inputs: names(actor),
                critic_inputs: names(critic),
                recurrence,
                hidden_sizes: vec![4],
                ..NetworkSpec::default()
            };
            check(&agent(&seeing(space.clone()), &shape, None), &format!("{shape:?}"));
        }
    }
}

#[test]
fn a_users_own_network_is_imported_if_actor_critic_can_represent_it() {
    let spec = seeing(Space::Image { shape: [2, 5, 6], high: 255 });
    let [own, ours] = decisions(&Agent::new(Own::new(&flex()), spec, None).unwrap(), "own");
    // One divides by 255, the other multiplies by 1/255.
    let is_close = |(own, ours): (&f32, &f32)| (own - ours).abs() < 1e-6;
    assert!(own.parameters.iter().zip(&ours.parameters).all(is_close), "{own:?} instead of {ours:?}");
    // Our encoder scales by the largest value.
    let other = seeing(Space::Image { shape: [2, 5, 6], high: 3 });
    let file = bytes(&Agent::new(Own::new(&flex()), other.clone(), None).unwrap(), Format::Safetensors).unwrap();
    let error = import(&file, &other, None).unwrap_err().to_string();
    assert!(error.contains("`encoder.observation.scale` is 0.003921569; it must be 0.33333334"), "{error}");
}

#[test]
fn recorded_exports_are_imported() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/exports");
    for name in ["discrete", "discrete-normalised", "clipped", "squashed-normalised", "lstm", "images"] {
        let path = folder.join(name);
        let agent = Agent::open(&RunDir::open(&path), &flex()).unwrap();
        let imported = PolicyFile::read(&path.join("exported.safetensors")).unwrap();
        let imported = imported.import(agent.spec(), None, &flex()).unwrap();
        let again = Agent::new(imported.policy, agent.spec().clone(), imported.normalizer).unwrap();
        let seen: Vec<f32> = (0..3 * agent.spec().observation_space.flat_len()).map(|i| (i % 2) as f32).collect();
        let decisions = [&agent, &again].map(|agent| agent.decide(&seen, &[], None).unwrap());
        assert_eq!(decisions[0], decisions[1], "{name}");
    }
}

/// The metadata and the tensors of a file.
fn changed(
    file: &[u8],
    change: impl FnOnce(&mut BTreeMap<String, String>, &mut BTreeMap<String, TensorView>),
) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(file).unwrap();
    let mut about = serde_json::from_str(&header.metadata().as_ref().unwrap()["policy"]).unwrap();
    let mut tensors = SafeTensors::deserialize(file).unwrap().tensors().into_iter().collect();
    change(&mut about, &mut tensors);
    let about = HashMap::from([("policy".to_owned(), serde_json::to_string(&about).unwrap())]);
    safetensors::serialize(tensors, Some(about)).unwrap()
}

#[test]
fn a_file_that_does_not_fit_is_refused_with_the_reason() {
    let pendulum = spec("Pendulum-v1").unwrap();
    let shape = NetworkSpec { hidden_sizes: vec![8], ..NetworkSpec::default() };
    let file = bytes(&agent(&pendulum, &shape, Some(normalizer(3))), Format::Safetensors).unwrap();
    let refused = |file: &[u8], spec: &EnvSpec, part: &str| {
        let error = import(file, spec, None).unwrap_err().to_string();
        assert!(error.contains(part), "`{part}` is missing in: {error}");
        assert!(error.contains("p.safetensors"), "{error}");
    };
    for (key, value, part) in [
        ("format_version", Some("2"), "`format_version` is 2; it must be 1 for Pendulum-v1"),
        ("activation", Some("gelu"), "`activation` is gelu; it must be unknown variant"),
        ("squash", Some("tanh"), "`transform` is clip; it must be rescale for Pendulum-v1"),
        ("deviations", None, "`deviations` is absent; it must be fixed for Pendulum-v1"),
        ("normalizer_count", None, "`normalizer_count` is absent; it must be a number"),
        ("normalizer_clip", None, "`normalizer_count` is 100; it must be absent for Pendulum-v1"),
        ("memory", Some("gru"), "missing [memory.weight_hh]"),
        ("sparsity", Some("0.9"), "`sparsity` is 0.9; it must be absent for Pendulum-v1"),
    ] {
        let changed = changed(&file, |about, _| match value {
            Some(value) => drop(about.insert(key.into(), value.into())),
            None => drop(about.remove(key)),
        });
        refused(&changed, &pendulum, part);
    }
    let without = changed(&file, |_, tensors| drop(tensors.remove("value.2.bias")));
    refused(&without, &pendulum, "missing [value.2.bias], unexpected []");
    let of_bias = changed(&file, |_, tensors| drop(tensors.insert("log_std".into(), tensors["policy.0.bias"].clone())));
    refused(&of_bias, &pendulum, "tensor `log_std` is F32[8]; it must be F32[1] for Pendulum-v1");
    let swapped =
        changed(&file, |_, tensors| drop(tensors.insert("action.low".into(), tensors["action.high"].clone())));
    refused(&swapped, &pendulum, "`action.low` is [2.0]; it must be [-2.0] for Pendulum-v1");

    let cartpole = spec("CartPole-v1").unwrap();
    refused(&file, &cartpole, "tensor `normalizer.mean` is F64[3]; it must be F64[4] for CartPole-v1");
    let twice = changed(&file, |_, tensors| drop(tensors.insert("normalizer.std".into(), tensors["log_std"].clone())));
    refused(&twice, &pendulum, "tensor `normalizer.std` is F32[1]; it must be F64[3]");
    let continuous =
        bytes(&agent(&spec("MountainCarContinuous-v0").unwrap(), &shape, None), Format::Safetensors).unwrap();
    let discrete = spec("MountainCar-v0").unwrap();
    refused(&continuous, &discrete, "`actions` is continuous; it must be discrete for MountainCar-v0");
    let file = bytes(&agent(&cartpole, &shape, None), Format::Safetensors).unwrap();
    refused(&file, &spec("MountainCar-v0").unwrap(), "`policy.0.weight` is F32[8, 4]; it must be F32[8, 2]");
    let error = import(&file, &cartpole, Some(Activation::Relu)).unwrap_err().to_string();
    assert!(error.contains("`activation` is relu; it must be tanh, as in the file"), "{error}");
}

#[test]
fn a_damaged_file_is_an_error_not_a_panic() {
    let spec = seeing(Space::Image { shape: [2, 5, 4], high: 3 });
    let recurrence = Some((CellKind::Lstm, 3));
    let shape = NetworkSpec { encoder: EncoderSpec::minatar(), recurrence, ..NetworkSpec::default() };
    let file = bytes(&agent(&spec, &shape, None), Format::Safetensors).unwrap();
    let rng = &mut EnvRng::new(1);
    let header = 8 + u32::try_from(u64::from_le_bytes(*file.first_chunk().unwrap())).unwrap();
    let mut refused = 0;
    for _ in 0..300 {
        let mut file = file.clone();
        for _ in 0..=rng.below(3) {
            file[rng.below(header) as usize] = b"0129,\"[]:x"[rng.below(10) as usize];
        }
        refused += u32::from(import(&file, &spec, None).is_err());
    }
    assert!(refused > 100, "{refused}");
}
