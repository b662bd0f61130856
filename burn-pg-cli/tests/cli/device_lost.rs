//! Devices that fail in the middle of a run: the software Vulkan driver, below a layer that loses its device.
#![cfg(all(feature = "wgpu", target_os = "linux"))]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{command, metrics, success, text};

/// Updates of a run. Each of them is saved and evaluated.
const UPDATES: usize = 4;

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
    "eval_episodes=3",
    "checkpoint={interval=1,keep=9,eval_episodes=1}",
];

/// The layer, compiled and described to the loader.
struct Layer {
    folder: PathBuf,
}

impl Layer {
    fn compiled_into(folder: &Path) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/device_lost/layer.c");
        let library = folder.join("liblayer.so");
        // Where there is Rust, there is a C compiler: it links.
        let compiler = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).status();
        assert!(compiler.unwrap().success());
        let description = serde_json::json!({"file_format_version": "1.1.0", "layer": {
            "name": "VK_LAYER_lost", "type": "GLOBAL", "library_path": library, "api_version": "1.3.0",
            "implementation_version": "1", "description": "loses the device"
        }});
        fs::write(folder.join("layer.json"), description.to_string()).unwrap();
        Self { folder: folder.into() }
    }

    /// The run, into `out`, below this layer.
    fn run(&self, out: &str) -> Command {
        let mut command = command(&self.folder, RUN.into_iter().chain(["--out", out]));
        command.env("VK_LAYER_PATH", &self.folder).env("VK_INSTANCE_LAYERS", "VK_LAYER_lost");
        command
    }

    /// How often a run calls each of the functions that may lose the device.
    fn calls(&self) -> BTreeMap<String, u64> {
        let path = self.folder.join("calls");
        success(&self.run("counted").env("CALLS_TO", &path).output().unwrap());
        let calls = fs::read_to_string(path).unwrap();
        let calls = calls.lines().map(|line| line.split_once(' ').unwrap());
        calls.map(|(function, calls)| (function.into(), calls.parse().unwrap())).filter(|&(_, calls)| calls > 0).collect()
    }

    /// A run whose device is lost at a call of a function.
    fn run_and_lose(&self, out: &str, function: &str, call: u64) -> Output {
        let mut command = self.run(out);
        command.env("LOSE_IN", function).env("LOSE_AT_CALL", call.to_string());
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

#[test]
fn scan() {
    let folder = tempfile::tempdir().unwrap();
    let layer = Layer::compiled_into(folder.path());
    let calls = layer.calls();
    eprintln!("{calls:?}");
    let points: u64 = env::var("POINTS").map_or(8, |points| points.parse().unwrap());
    for (function, &calls) in &calls {
        for point in 0..points {
            let call = 1 + point * calls / points;
            let out = format!("{function}-{call}");
            let output = layer.run_and_lose(&out, function, call);
            eprintln!("=== {out}: {:?}\n{}", output.status.code(), text(&output.stderr));
            let _ = metrics;
            let _ = UPDATES;
        }
    }
}
