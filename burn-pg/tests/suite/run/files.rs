//! Files of weights, and run directories.

use burn_pg::{
    device::Backend,
    run::directory::{RunDir, RunDirError},
    storage::weights::{self, TensorsError, WeightsError},
};

use super::trainer;
use crate::helpers::{parameters, small};

#[test]
fn weights_survive_a_file_and_refuse_another_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.safetensors");
    let config = small();
    let policy = trainer(config.clone(), Backend::Flex).policy().clone();
    weights::save(&policy, &path).unwrap();

    let other = trainer(config.clone().with(|config| config.run.seed = 9), Backend::Flex).policy().clone();
    assert_ne!(parameters(&other), parameters(&policy));
    let loaded = weights::load(other, &path).unwrap();
    assert_eq!(parameters(&loaded), parameters(&policy));

    let wider =
        trainer(config.clone().with(|config| config.network.hidden_sizes = vec![16]), Backend::Flex).policy().clone();
    let error = weights::load(wider, &path).unwrap_err();
    assert!(matches!(error, WeightsError::Content { error: TensorsError::Tensor { .. }, .. }), "{error}");
    let deeper =
        trainer(config.with(|config| config.network.hidden_sizes = vec![8, 8]), Backend::Flex).policy().clone();
    let error = weights::load(deeper.clone(), &path).unwrap_err();
    assert!(error.to_string().contains("missing [actor.layers.2.bias, "), "{error}");

    let whole = std::fs::read(&path).unwrap();
    let mut poisoned = whole.clone();
    let last = poisoned.len() - 4;
    poisoned[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &poisoned).unwrap();
    let content = |error| match error {
        WeightsError::Content { error, .. } => error,
        other => panic!("{other}"),
    };
    assert!(matches!(content(weights::load(policy, &path).unwrap_err()), TensorsError::NonFinite { .. }));
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(content(weights::load(deeper.clone(), &path).unwrap_err()), TensorsError::Format { .. }));
    assert!(matches!(weights::load(deeper, &folder.path().join("none")), Err(WeightsError::Io { .. })));
}

#[test]
fn a_run_directory_is_never_shared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let dir = RunDir::create(&path).unwrap();
    dir.write_config(&small()).unwrap();
    assert_eq!(dir.config().unwrap(), small());
    assert!(matches!(RunDir::create(&path), Err(RunDirError::Used(_))));
    assert_eq!(dir.config().unwrap(), small(), "untouched");

    let names: Vec<_> = (0..3)
        .map(|_| RunDir::create_numbered(folder.path(), "a").unwrap().path().file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["a", "a-2", "a-3"]);

    let below_a_file = folder.path().join("run/config.toml/below");
    assert!(matches!(RunDir::create(&below_a_file), Err(RunDirError::Write { .. })));
    std::fs::write(path.join("config.toml"), "gamma = ").unwrap();
    assert!(matches!(dir.config(), Err(RunDirError::ConfigFile(_))));
    std::fs::write(path.join("config.toml"), "env.name = 'CartPole-v1'\ngama = 1").unwrap();
    assert!(matches!(dir.config(), Err(RunDirError::Config { version: None, .. })));
    std::fs::write(path.join("config.toml"), "# burn-pg 0.0.7\nenv.name = 'CartPole-v1'\ngama = 1").unwrap();
    let error = dir.config().unwrap_err().to_string();
    assert!(
        error.contains("config.toml, which burn-pg 0.0.7 wrote, cannot be used: there is no setting `gama`"),
        "{error}"
    );
}
