//! Memory plans, and runs that are refused because of them.

use std::fs;

use serde_json::Value;

use super::{burn_pg, json, success, text, usage_error};

/// Settings with a terabyte of activations, too much for any machine. (A policy that is not recurrent keeps none.)
const HUGE: [&str; 8] = [
    "--preset",
    "ppo-cleanrl",
    "--device",
    "flex",
    "--set",
    "hidden_sizes=[4096, 4096]",
    "--set",
    "recurrence={ cell = 'gru', size = 8 }",
];

#[test]
fn a_plan_shows_parts_and_phases_and_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), ["plan", "CartPole-v1", "--preset", "ppo-cleanrl", "--device", "flex"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for part in ["parameters ", "gradients ", "optimiser state ", "rollout buffer ", "activations ", "snapshots "] {
        assert_eq!(shown.lines().filter(|line| line.starts_with(part)).count(), 1, "{part}: {shown}");
    }
    assert!(shown.starts_with("CartPole-v1, ppo (preset ppo-cleanrl), device flex\n"), "{shown}");
    assert!(shown.contains("   the peak\n"), "{shown}");

    let plan = ["plan", "CartPole-v1", "--set", "num_envs=524288", "--total-steps", "1e9", "--json"];
    let output = burn_pg(folder.path(), plan.into_iter().chain(HUGE));
    // On other systems the available memory is unknown.
    assert_eq!(output.status.code(), Some(i32::from(cfg!(target_os = "linux"))), "{}", text(&output.stderr));
    let plan: Value = serde_json::from_str(text(&output.stdout)).unwrap();
    // Two networks with two layers of 4096, a minibatch of 2^24 samples, 4 bytes.
    let activations = 2 * 2 * 4096 * (1_u64 << 24) * 4;
    assert!(plan["parts"]["activations"].as_u64().unwrap() > activations, "{plan}");
    let phases = plan["phases"].as_array().unwrap();
    let largest = phases.iter().map(|phase| phase["bytes"].as_u64().unwrap()).max();
    assert_eq!(plan["bytes"].as_u64(), largest);
    for phase in phases {
        let parts: u64 = phase["parts"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum();
        assert_eq!(phase["bytes"].as_u64(), Some(parts));
    }
    assert_eq!(plan["fits"].as_bool(), cfg!(target_os = "linux").then_some(false), "{plan}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_plan_says_what_it_does_not_check() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), ["plan", "CartPole-v1", "--device", "cuda"]);
    let shown = success(&output);
    assert!(shown.contains("\nthe limits of the device are not checked: device `cuda` "), "{shown}");
    assert!(shown.contains("\nmost on the device "), "{shown}");
    let output = burn_pg(folder.path(), ["plan", "CartPole-v1", "--device", "cuda", "--json"]);
    assert!(json(&output)["unchecked"].as_str().unwrap().starts_with("device `cuda` "));
    let shown = success(&burn_pg(folder.path(), ["plan", "CartPole-v1", "--device", "flex"])).to_owned();
    assert!(!shown.contains("not checked"), "{shown}");
}

#[test]
fn a_network_that_does_not_fit_the_environment_has_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let output = burn_pg(folder.path(), ["plan", "CartPole-v1", "--set", "network.kind=cnn"]);
    let error = usage_error(&output);
    assert!(error.contains("observes Box[4], which has no image"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
#[cfg(target_os = "linux")]
fn a_run_that_does_not_fit_is_refused_with_the_settings_to_lower() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--set", "num_envs=524288", "--total-steps", "1e9"];
    for command in [["train", "CartPole-v1"].as_slice(), &["bench", "train", "CartPole-v1"]] {
        let output = burn_pg(folder.path(), command.iter().copied().chain(settings).chain(HUGE));
        let error = usage_error(&output);
        for part in [
            " are available",
            "activations ",
            "`num_envs` (524288)",
            "`hidden_sizes` ([4096, 4096])",
            "--ignore-memory",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is written");
    // `plan` shows the plan and reports the same with its exit code.
    let output = burn_pg(folder.path(), ["plan", "CartPole-v1"].into_iter().chain(settings).chain(HUGE));
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("\n\nit does not fit: "), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "error: the run does not fit into the available memory\n");
}
