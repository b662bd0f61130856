//! Runs on a GPU, and without one.
#![cfg(feature = "wgpu")]

use std::fs;

use super::{assert_contains, burn_pg, command, json, metrics, small, success, text, usage_error};

/// The arguments of [`small`], on another device.
fn small_on(device: &str, more: &[&str]) -> Vec<String> {
    let mut arguments = small(more);
    *arguments.iter_mut().find(|argument| *argument == "flex").unwrap() = device.into();
    arguments
}

#[test]
fn a_missing_gpu_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), small_on("wgpu", &[]))
        // Hides all drivers of Vulkan and OpenGL.
        .envs([("VK_DRIVER_FILES", "/nowhere"), ("VK_ICD_FILENAMES", "/nowhere")])
        .env("__EGL_VENDOR_LIBRARY_FILENAMES", "/nowhere")
        .output()
        .unwrap();
    let expected = "device `wgpu` finds no adapter on this machine; this build can use: flex";
    assert_contains(usage_error(&output), expected);
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_short_run_trains_on_the_gpu() {
    let folder = tempfile::tempdir().unwrap();
    let devices = json(&burn_pg(folder.path(), ["devices", "--json"]));
    let backends = devices["backends"].as_array().unwrap();
    let wgpu = backends.iter().find(|b| b["backend"] == "wgpu").unwrap();
    let adapters = wgpu["adapters"].as_array().unwrap();
    assert!(!adapters.is_empty(), "this test needs an adapter; a software one is enough");
    let arguments = small_on("wgpu", &["--out", "run", "--json"]);
    assert_eq!(json(&burn_pg(folder.path(), arguments))["device"], "wgpu");
    assert_eq!(metrics(&folder.path().join("run")).len(), 2);
    // Nothing is left to train, and so the run stays one of that device.
    let config = || fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    let before = config();
    success(&burn_pg(folder.path(), ["train", "--resume", "run", "--device", "flex"]));
    assert_eq!(config(), before);
    let more = ["train", "--resume", "run", "--device", "flex", "--total-steps", "128"];
    let output = burn_pg(folder.path(), more);
    success(&output);
    assert_contains(text(&output.stderr), "the run was on wgpu before: ");
    assert!(config().contains("device = \"flex\""), "{}", config());
    // The policy can be evaluated on another device.
    assert_eq!(json(&burn_pg(folder.path(), ["eval", "run", "--device", "flex", "--json"]))["device"], "flex");
}
