//! Environments traced step by step.

use std::{fs, path::Path};

use serde_json::Value;

use super::{assert_contains, burn_pg, success, usage_error};

/// Returns the lines of an `env-trace`.
fn trace(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let output = burn_pg(folder, ["env-trace"].iter().chain(arguments));
    success(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_environment_is_traced_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let lines = trace(folder.path(), &["Pendulum-v1", "--seed", "3", "--steps", "4", "--policy", "random"]);
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[0]["reward"], Value::Null);
    for (step, line) in lines.iter().enumerate() {
        assert_eq!(line["step"], step);
        assert_eq!(line["observation"].as_array().unwrap().len(), 3);
        assert_eq!(line["state"].as_array().unwrap().len(), 2);
        assert_eq!(line["terminated"], false);
    }
    assert_eq!(lines, trace(folder.path(), &["Pendulum-v1", "--seed", "3", "--steps", "4"]), "a seed repeats");

    // The end of an episode ends the trace, with the final observation.
    fs::write(folder.path().join("left.json"), "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]").unwrap();
    let lines = trace(folder.path(), &["CartPole-v1", "--actions", "left.json"]);
    assert!(lines.len() < 14);
    let last = lines.last().unwrap();
    assert_eq!((&last["terminated"], &last["truncated"]), (&Value::from(true), &Value::from(false)));
    assert!(last["observation"][2].as_f64().unwrap().abs() > 0.2);
}

#[test]
fn invalid_actions_end_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    for (env, actions, message) in [
        ("CartPole-v1", "[0, 2]", "action 2 is outside Discrete(2)"),
        ("CartPole-v1", "[-1]", "step 1: action -1 is outside Discrete(2)"),
        ("MountainCar-v0", "[0, -1]", "step 2: action -1 is outside Discrete(3)"),
        ("Acrobot-v1", "[-1]", "action -1 is outside Discrete(3)"),
        ("Acrobot-v1", "[-4]", "action -4 is outside Discrete(3)"),
        ("Pendulum-v1", "[[0.5, 0.5]]", "2 numbers were given as actions of 1 environments, which take 1 each"),
        ("Pendulum-v1", "[\"NaN\"]", "action \"NaN\" is outside Box[1]"),
        (
            "Pendulum-v1",
            "{}",
            "actions.json is not a JSON array; expected an array with an action for each step, such as [0, 1, 1]\n",
        ),
        ("CartPole-v1", "[0,\n1] 2", "actions.json is not valid JSON at line 2, column 4; expected an array"),
        ("CartPole-v1", "[0,", "actions.json is not valid JSON at line 1, column 3; expected an array"),
    ] {
        fs::write(folder.path().join("actions.json"), actions).unwrap();
        let output = burn_pg(folder.path(), ["env-trace", env, "--actions", "actions.json"]);
        assert_contains(usage_error(&output), message);
    }
}
