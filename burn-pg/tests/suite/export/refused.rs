//! Agents whose parts do not fit together, invalid observations, and existing files are refused.

use burn_pg::{
    Agent, Error,
    agent::export::{ExportError, write},
    envs::{EnvError, EnvRng, EnvSpec, Space, spec},
    policy::{ActionDistribution, ActorCritic, Exploration, NetworkSpec},
};

use super::{agent, half_open, normalizer};
use crate::helpers::flex;

#[test]
fn mismatched_policies_environments_and_normalisers_are_refused() {
    let pendulum = spec("Pendulum-v1").unwrap();
    let squash =
        NetworkSpec { exploration: Exploration { squash: true, ..Exploration::default() }, ..NetworkSpec::default() };
    let made = |of: &EnvSpec, shape: &NetworkSpec, spec: EnvSpec, statistics| {
        let policy = ActorCritic::new(of, shape, &mut EnvRng::new(3), &flex()).unwrap();
        Agent::new(policy, spec, statistics).map(|_| ())
    };
    let plain = NetworkSpec::default();
    assert!(made(&pendulum, &plain, pendulum.clone(), Some(normalizer(3))).is_ok());
    assert!(matches!(
        made(&pendulum, &plain, pendulum.clone(), Some(normalizer(2))),
        Err(Error::Env(EnvError::State { .. }))
    ));
    let exploration = Exploration { distribution: ActionDistribution::Beta, ..Exploration::default() };
    for bounded in [squash, NetworkSpec { exploration, ..NetworkSpec::default() }] {
        let refused = made(&half_open(), &bounded, half_open(), None);
        assert!(matches!(refused, Err(Error::Env(EnvError::Unsuited { .. }))));
    }
    assert!(matches!(made(&half_open(), &plain, pendulum.clone(), None), Err(Error::ActionMisfit(_))));
    let discrete = EnvSpec { action_space: Space::discrete(3), ..pendulum.clone() };
    assert!(matches!(made(&discrete, &plain, pendulum, None), Err(Error::ActionMisfit(_))));
}

#[test]
fn an_observation_that_is_not_finite_is_refused() {
    let agent = agent(&spec("Pendulum-v1").unwrap(), &NetworkSpec::default(), None);
    let error = agent.decide(&[0.0, 0.0, 0.0, 1.0, f32::NAN, 0.0], &[], None).unwrap_err();
    assert!(matches!(error, Error::Observation { env: 1, index: 1, .. }), "{error}");
}

#[test]
fn a_file_is_replaced_only_on_request() {
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
