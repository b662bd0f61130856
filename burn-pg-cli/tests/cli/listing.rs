//! Lists of environments and devices.

use super::{burn_pg, command, json, success, text};

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(folder.path(), ["envs"]).stdout(writer).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
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
