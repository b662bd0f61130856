//! Lists of environments, devices, presets and settings.

use std::fs;

use super::{burn_pg, command, json, success};

#[cfg(unix)]
#[test]
fn a_closed_stdout_is_not_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    for argument in ["envs", "--help", "--version"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command(folder.path(), [argument]).stdout(writer).output().unwrap();
        assert_eq!(super::stderr(&output), "", "{argument}");
    }
}

#[test]
fn environments_and_devices_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(success(&burn_pg(folder.path(), ["envs"])).contains("CartPole-v1"));
    let envs = json(&burn_pg(folder.path(), ["envs", "--json"]));
    assert_eq!(envs[0]["id"], "CartPole-v1");
    assert_eq!(envs[0]["observation_space"]["high"][1], "Infinity");
    let table = burn_pg(folder.path(), ["devices"]);
    let table = success(&table);
    assert_eq!(table.matches("<- auto").count(), 1, "{table}");
    let devices = json(&burn_pg(folder.path(), ["devices", "--json"]));
    let flex = devices["backends"].as_array().unwrap().iter().find(|b| b["backend"] == "flex").unwrap();
    assert_eq!(flex["compiled"], true);
    assert_eq!(flex["adapters"][0]["kind"], "cpu");
}

#[test]
fn the_settings_of_a_run_are_printed_as_a_file_that_trains_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let printed = |arguments: &[&str]| success(&burn_pg(folder.path(), ["config"].iter().chain(arguments))).to_owned();
    let first = printed(&["Pendulum-v1", "--algo", "a2c", "--set", "gamma=0.97", "optimiser.kind=sgd"]);
    for line in [
        "name = \"Pendulum-v1\"  # from: the command line",
        "num_envs = 4  # from: preset pendulum-v1-a2c",
        "# Discount factor, 0 to 1. Default 0.99.",
        "gamma = 0.97  # from: --set",
        "momentum = 0.0  # from: default",
    ] {
        assert!(first.lines().any(|other| other == line), "{line}: {first}");
    }
    fs::write(folder.path().join("my.toml"), &first).unwrap();
    let second = printed(&["--config", "my.toml"]);
    let settings = |text: &str| text.parse::<toml::Table>().unwrap();
    assert_eq!(settings(&second), settings(&first));
    assert!(second.contains("gamma = 0.97  # from: my.toml\n"), "{second}");
    // A plan says how the settings of a file differ from those of the preset.
    fs::write(folder.path().join("other.toml"), "algorithm.kind = 'ppo'\nalgorithm.gamma = 0.5\nenv.num_envs = 8")
        .unwrap();
    let plan = ["plan", "CartPole-v1", "--preset", "ppo-cleanrl", "--config", "other.toml", "--device", "flex"];
    let plan = burn_pg(folder.path(), plan);
    let head = "CartPole-v1, ppo (other.toml, which overrides 1 setting of preset ppo-cleanrl), device flex\n";
    assert!(success(&plan).starts_with(head));
}

#[test]
fn presets_are_listed_with_what_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    let listed = burn_pg(folder.path(), ["presets"]);
    let text = success(&listed);
    let cells: Vec<Vec<&str>> =
        text.lines().map(|line| line.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect()).collect();
    for row in [
        ["preset", "environment", "algorithm", "steps"],
        ["cartpole-v1-ppo-fast", "CartPole-v1", "ppo", "250,000"],
        ["mountaincarcontinuous-v0-trpo", "MountainCarContinuous-v0", "trpo", "30,000"],
        ["ppo-cleanrl", "any", "ppo", "500,000"],
        ["ppo-nature", "any with images", "ppo", "10,000,000"],
    ] {
        assert!(cells.iter().any(|cells| *cells == row), "{row:?}: {text}");
    }
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let presets = json(&burn_pg(folder.path(), ["presets", "--json"]));
    let named = |name: &str| presets.as_array().unwrap().iter().find(|preset| preset["name"] == name).unwrap().clone();
    assert_eq!(named("ppo-cleanrl")["settings"]["algorithm"]["clip_range"], 0.2);
}
