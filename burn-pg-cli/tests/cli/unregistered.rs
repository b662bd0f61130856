//! Runs in environments that are not registered.

use burn_pg::{
    Agent, Config,
    device::{self, Backend, DeviceChoice},
    envs::{EnvRng, EnvSpec, Space},
    policy::{ActorCritic, NetworkSpec},
    run::directory::RunDir,
};

use super::{acted, assert_contains, burn_pg, success, usage_error};

#[test]
fn a_policy_of_an_unknown_environment_acts_and_is_exported_but_not_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let spec = EnvSpec::new("Elsewhere-v0", Space::symmetric(&[1.0, 1.0]), Space::symmetric(&[0.5]));
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &device).unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&Config::default().with(|config| config.env.name = spec.id.clone())).unwrap();
    Agent::new(policy, spec, None).unwrap().save(&dir).unwrap();

    let output = acted(folder.path(), &[], "[0.5, -0.5]\n");
    assert!(success(&output).starts_with(r#"{"action":["#));
    success(&burn_pg(folder.path(), ["export", "run", "--format", "onnx", "--out", "policy.onnx"]));

    let evaluated = burn_pg(folder.path(), ["eval", "run", "--device", "flex"]);
    assert_contains(usage_error(&evaluated), "environment `Elsewhere-v0` is not registered in this program");
}
