//! Devices that fail during a run: the software Vulkan driver with a layer that loses the device.
#![cfg(all(feature = "wgpu", target_os = "linux"))]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use burn_pg::run::directory::RunDir;

use super::{burn_pg, command, json, metrics, success, text};

/// Updates of a run. A checkpoint is saved and evaluated after each.
const UPDATES: u64 = 4;

const RUN: [&str; 15] = [
    "train",
    "CartPole-v1",
    "--preset",
    "ppo-cleanrl",
    "--device",
    "wgpu",
    "--quiet",
    "--total-steps",
    "128",
    "--set",
    "num_steps=4",
    "num_epochs=2",
    "hidden_sizes=[8]",
    "evaluation.episodes=3",
    "checkpoint={interval=1,keep=9,episodes=1}",
];

/// The compiled layer with its description for the Vulkan loader.
struct Layer {
    folder: PathBuf,
}

impl Layer {
    fn compiled_into(folder: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/device_lost/layer.c");
        let library = folder.join("liblayer.so");
        // Rust needs a C compiler to link, so there is one.
        let compiler = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
        assert!(compiler.unwrap().success());
        let description = serde_json::json!({"file_format_version": "1.1.0", "layer": {
            "name": "VK_LAYER_lost", "type": "GLOBAL", "library_path": library, "api_version": "1.3.0",
            "implementation_version": "1", "description": "loses the device"
        }});
        fs::write(folder.join("layer.json"), description.to_string()).unwrap();
        Self { folder: folder.into() }
    }

    /// Returns the command of a run into `out` with this layer.
    fn run(&self, out: &str) -> Command {
        let mut command = command(&self.folder, RUN.into_iter().chain(["--out", out]));
        command.env("VK_LAYER_PATH", &self.folder).env("VK_INSTANCE_LAYERS", "VK_LAYER_lost");
        command
    }

    /// Returns why the environments of a run are on the host; none if they are on the device.
    fn off_device(&self) -> serde_json::Value {
        let plan = RUN.iter().filter(|argument| !["train", "--quiet"].contains(argument));
        json(&burn_pg(&self.folder, ["plan", "--json"].iter().chain(plan)))["off_device"].clone()
    }

    /// Returns how often a run submits work to its device.
    fn submits(&self) -> u64 {
        let path = self.folder.join("submits");
        success(&self.run("counted").env("SUBMITS_TO", &path).output().unwrap());
        fs::read_to_string(path).unwrap().parse().unwrap()
    }

    /// Runs, and loses the device in `function` after `after` submits.
    fn run_and_lose(&self, out: &str, function: &str, after: u64) -> Output {
        let mut command = self.run(out);
        command.env("LOSE_IN", function).env("LOSE_AFTER", after.to_string());
        // Half of the devices finish at once, and half are slow.
        command.env("WAIT_MS", if after.is_multiple_of(2) { "0" } else { "5" });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > Duration::from_mins(2) {
                child.kill().unwrap();
                panic!("the run hangs: {}", text(&child.wait_with_output().unwrap().stderr));
            }
            thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().unwrap()
    }
}

/// The functions that can report a lost device: submitting work, waiting for it, and asking for its progress.
const FUNCTIONS: [&str; 3] = ["vkQueueSubmit", "vkWaitSemaphores", "vkGetSemaphoreCounterValue"];

/// Loses the device at `points` points of a run, in each of the functions, and resumes from what was saved.
fn lose_and_resume(points: u64) {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::compiled_into(folder.path());
    assert!(layer.off_device().is_null(), "whole rollouts and minibatches are lost with the device");
    let submits = layer.submits();
    let (mut resumed, mut refused, mut late) = (0, 0, 0);
    for function in FUNCTIONS {
        for point in 0..points {
            let after = submits * point / points;
            let out = format!("{function}-{after}");
            let output = layer.run_and_lose(&out, function, after);
            let message = text(&output.stderr);
            match output.status.code() {
                Some(3) => {}
                // The number of submits differs a little from run to run.
                Some(0) if after > submits * 4 / 5 => {
                    late += 1;
                    continue;
                }
                // The device was lost while it was opened.
                Some(2) if message.contains("error: device `wgpu` cannot be opened (the device failed: ") => {
                    refused += 1;
                    assert!(!folder.path().join(&out).exists());
                    continue;
                }
                code => panic!("{out}: {code:?}: {message}"),
            }
            let error = message.lines().find(|line| line.starts_with("error: ")).expect(message);
            assert!(error.contains("the device failed: "), "{out}: {error}");
            let run = folder.path().join(&out);
            let checkpoints = RunDir::open(&run).checkpoints().updates().unwrap();
            match checkpoints.last() {
                Some(update) if error.starts_with("error: training failed ") => {
                    assert!(
                        error.contains(&format!("from the checkpoint of update {update} with: ")),
                        "{out}: {error}"
                    );
                }
                Some(update) => {
                    assert!(error.contains("; the policy is saved, but the outcome is not; "), "{out}: {error}");
                    assert_eq!(*update, UPDATES, "{out}: {error}");
                }
                None => assert!(error.contains("there is no checkpoint yet"), "{out}: {error}"),
            }
            // On a working device the run ends, and no line of its metrics is missing.
            let output = burn_pg(folder.path(), ["train", "--quiet", "--resume", &out]);
            success(&output);
            assert!(!text(&output.stderr).contains("warning"), "{out}: {}", text(&output.stderr));
            assert_eq!(metrics(&run).len() as u64, UPDATES, "{out}");
            resumed += 1;
        }
    }
    println!("{resumed} devices lost in a run, {refused} before it, {late} not at all; {submits} submits");
    assert!(resumed >= 2 * points);
}

#[test]
fn a_lost_device_ends_a_run_that_can_be_resumed() {
    lose_and_resume(3);
}

#[test]
#[ignore = "takes many minutes: the campaign of docs/reliability.md"]
fn a_device_lost_at_any_moment_ends_a_run_that_can_be_resumed() {
    lose_and_resume(40);
}
