//! Damaged and hostile files: they are not loaded wrongly, cause no panic, and allocate no more than their size.

use std::{fs, path::PathBuf};

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};
use burn_pg::{
    Agent, Config, Trainer,
    run::{
        checkpoint::Checkpoint,
        directory::{RunDir, read_metrics},
    },
    storage::weights::{self, TensorsError, WeightsError},
};
use proptest::{collection::vec, prelude::*, sample::select};
use serde::Deserialize;

use crate::helpers::flex;
use crate::settings::valid;
use crate::{
    golden::{Array, golden, golden_path},
    precision::values,
};

#[derive(Deserialize)]
struct Manifest {
    tensors_of_good: std::collections::BTreeMap<String, Array>,
    files: Vec<Fixture>,
}

#[derive(Deserialize)]
struct Fixture {
    file: String,
    bytes: u64,
    expected_of_us: String,
}

/// The network that the recorded files are meant for.
#[derive(Module, Debug)]
struct Recorded {
    actor: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

fn recorded([outputs, inputs]: [usize; 2]) -> Recorded {
    let device = flex();
    let weight = Param::from_tensor(Tensor::zeros([outputs, inputs], &device));
    Recorded { actor: vec![Layer { weight, bias: Param::from_tensor(Tensor::zeros([outputs], &device)) }] }
}

fn path(file: &str) -> PathBuf {
    golden_path("fixtures").join(file)
}

#[test]
#[allow(clippy::cast_possible_truncation)] // they were recorded in single precision
fn recorded_files_are_handled_as_their_manifest_says() {
    let manifest: Manifest = golden("fixtures/manifest.json");
    let [rows, columns] = manifest.tensors_of_good["actor.0.weight"].shape()[..] else { panic!("not a matrix") };
    let (mut loaded, mut malformed) = (0, 0);
    for Fixture { file, bytes, expected_of_us } in &manifest.files {
        assert_eq!(fs::metadata(path(file)).unwrap().len(), *bytes, "{file}");
        let outcome = weights::load(recorded([rows, columns]), &path(file));
        let message = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let refused = |because: fn(&TensorsError) -> bool| match &outcome {
            Err(WeightsError::Content { error, .. }) => assert!(because(error), "{file}: {error}"),
            other => panic!("{file}: {other:?}"),
        };
        match (file.as_str(), expected_of_us.as_str()) {
            ("good.safetensors", "loads") => {
                let layer = &outcome.unwrap().actor[0];
                let expected = |name: &str| manifest.tensors_of_good[name].flat();
                let single = |numbers: Vec<f64>| numbers.into_iter().map(|n| f64::from(n as f32)).collect::<Vec<_>>();
                assert_eq!(values(layer.weight.val()), single(expected("actor.0.weight")));
                assert_eq!(values(layer.bias.val()), single(expected("actor.0.bias")));
                loaded += 1;
            }
            // The file is well-formed, so it loads, with a changed value. Checkpoints have checksums against that.
            ("bit_flip_in_body.safetensors", _) => {
                outcome.unwrap();
            }
            ("nan_weight.safetensors", _) => refused(|error| matches!(error, TensorsError::NonFinite { .. })),
            ("missing_tensor.safetensors", "error naming actor.0.bias") => {
                refused(|error| matches!(error, TensorsError::Names { .. }));
                assert!(message.contains("missing [actor.0.bias], unexpected []"), "{message}");
            }
            ("extra_tensor.safetensors", _) => {
                refused(|error| matches!(error, TensorsError::Names { .. }));
                assert!(message.contains("unexpected [unknown.param]"), "{message}");
            }
            ("float64.safetensors", _) => {
                refused(|error| matches!(error, TensorsError::Tensor { .. }));
                assert!(message.contains("is F64["), "{message}");
            }
            ("transposed_weight.safetensors", "error naming actor.0.weight with both shapes") => {
                refused(|error| matches!(error, TensorsError::Tensor { .. }));
                let shapes = format!("is F32[{columns}, {rows}], but the network needs F32[{rows}, {columns}]");
                assert!(message.contains(&format!("`actor.0.weight` {shapes}")), "{message}");
            }
            (_, "error" | "error, without allocating" | "error; nothing executed") => {
                refused(|error| matches!(error, TensorsError::Format { .. }));
                malformed += 1;
            }
            (file, other) => panic!("{file}: {other}"),
        }
    }
    assert!(loaded > 0 && malformed > 0, "there are valid and invalid files");
}

/// Returns the files of a checkpoint of a run that is as small as possible.
fn files() -> [Vec<u8>; 5] {
    let text = "num_envs = 1\nnum_steps = 2\nnum_minibatches = 1\nhidden_sizes = []\ntotal_steps = 8";
    let config = valid(text);
    let device = flex();
    let mut trainer = burn_pg::Trainer::of(&config, &device).unwrap();
    trainer.update().unwrap();
    let folder = tempfile::tempdir().unwrap();
    trainer.checkpoint().unwrap().write(&folder.path().join("c")).unwrap();
    Checkpoint::FILES.map(|name| fs::read(folder.path().join("c").join(name)).unwrap())
}

/// Reads the files of a checkpoint whose checksums are valid, and continues the run if they make sense. Must not panic.
fn read_and_restore(files: &[Vec<u8>; 5]) -> bool {
    let files = files.each_ref().map(Vec::as_slice);
    let Ok(checkpoint) = Checkpoint::from_files("here".as_ref(), files) else { return false };
    let Ok(config) = checkpoint.config().clone().validate() else { return false };
    // A user would be warned about such sizes, and a test has not enough memory for them.
    if config.env.num_envs > 64
        || config.network.hidden_sizes.iter().sum::<usize>() > 256
        || config.env.name != "CartPole-v1"
    {
        return false;
    }
    let device = flex();
    let Ok(mut trainer) = burn_pg::Trainer::of(&config, &device) else { return false };
    trainer.restore(checkpoint).is_ok() && {
        // Values may be absurd now, so the update may fail, but must not panic.
        let _ = trainer.update();
        true
    }
}

#[test]
fn a_changed_checkpoint_with_valid_checksums_never_panics() {
    let files = files();
    assert!(read_and_restore(&files));
    let (mut refused, mut restored) = (0, 0);
    for (file, bytes) in files.iter().enumerate() {
        for i in 0..bytes.len() {
            let mut changed = files.clone();
            changed[file][i] ^= 1 << (i % 8);
            match read_and_restore(&changed) {
                true => restored += 1,
                false => refused += 1,
            }
        }
    }
    assert!(refused > 500 && restored > 100, "{refused} {restored}");
}

/// Building such networks would take very long.
#[test]
fn enormous_networks_are_refused_if_the_file_has_fewer_weights() {
    let folder = tempfile::tempdir().unwrap();
    let device = flex();
    let config = Config::default().with(|config| {
        config.run.total_steps = 1024;
        config.network.hidden_sizes = vec![8];
    });
    let mut trainer = Trainer::of(&config.clone().validate().unwrap(), &device).unwrap();
    trainer.update().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&config).unwrap();
    trainer.agent().unwrap().save(&dir).unwrap();
    // Without metadata in the file, so that the settings of `config.toml` are used.
    weights::save(&trainer.policy().valid(), &dir.policy_path()).unwrap();
    Agent::open(&dir, &device).unwrap();

    let config = config.with(|config| config.network.hidden_sizes = vec![4096; 64]);
    dir.write_config(&config).unwrap();
    let error = Agent::open(&dir, &device).unwrap_err().to_string();
    assert!(error.contains("does not fit the network: it has 107 elements, but the network has "), "{error}");
    let checkpoint = folder.path().join("checkpoint");
    trainer.checkpoint().unwrap().write(&checkpoint).unwrap();
    let mut files = Checkpoint::FILES.map(|name| fs::read(checkpoint.join(name)).unwrap());
    files[4] = config.to_toml().into_bytes();
    let checkpoint = Checkpoint::from_files(&checkpoint, files.each_ref().map(Vec::as_slice)).unwrap();
    let error = Agent::of_checkpoint(&checkpoint, &device).unwrap_err().to_string();
    assert!(error.contains("does not fit the network: it has 107 elements"), "{error}");
}

fn any_text(longest: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..longest).prop_map(|letters| letters.into_iter().collect())
}

/// Random text of characters that occur in JSON and TOML.
fn like_json(longest: usize) -> impl Strategy<Value = String> {
    let letters: Vec<char> = "[]{}\",:-+.0123456789eEtrufalsn \n=".chars().collect();
    vec(select(letters), 0..longest).prop_map(|letters| letters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_checkpoint_panic(
        tensors in vec(any::<u8>(), 0..200),
        state in vec(any::<u8>(), 0..200),
        config in any_text(100),
        json in like_json(80),
    ) {
        let (json, config) = (json.as_bytes(), config.as_bytes());
        let _ = Checkpoint::from_files("here".as_ref(), [&tensors, &state, &state, &state, config]);
        let _ = Checkpoint::from_files("here".as_ref(), [&tensors, json, json, json, config]);
        let header = [&(json.len() as u64).to_le_bytes()[..], json, &tensors].concat();
        let _ = Checkpoint::from_files("here".as_ref(), [&header, &state, json, &state, config]);
    }

    #[test]
    fn missing_or_doubled_parts_of_a_checkpoint_never_panic(
        file in 0..5_usize, from in 0.0..1.0_f64, len in 0.0..0.3_f64, double in any::<bool>(),
    ) {
        let mut files = files();
        let bytes = &mut files[file];
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let at = |share: f64| (share.min(1.0) * bytes.len() as f64) as usize;
        let (start, end) = (at(from), at(from + len));
        let part = bytes[start..end].to_vec();
        bytes.splice(start..end, if double { [&part[..], &part].concat() } else { Vec::new() });
        read_and_restore(&files);
    }

    #[test]
    fn no_text_makes_a_configuration_panic(text in any_text(200), key in 0..40_usize, value in any_text(30)) {
        const KEYS: [&str; 6] = ["gamma", "learning_rate", "network.kind", "hidden_sizes", "algorithm", "algorithm.loss"];
        let line = format!("{} = {value}", KEYS[key % KEYS.len()]);
        for text in [text, line] {
            if let Ok(config) = text.parse().map_err(drop).and_then(|table| Config::from_table(table).map_err(drop)) {
                let _ = config.validate();
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_metrics_panic(bytes in vec(any::<u8>(), 0..300), json in like_json(200)) {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bytes in [bytes, json.into_bytes()] {
            fs::write(file.path(), bytes).unwrap();
            let _ = read_metrics(file.path());
        }
    }
}
