//! Policies that are exported, imported, and act.

use std::{fs, path::Path, process::Output};

use serde_json::Value;

use super::{acted, assert_contains, burn_pg, content, json, refused, success, train_small, usage_error};

#[test]
fn an_agent_acts_on_what_it_reads_and_is_exported_to_both_formats() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path();
    train_small(run, "run", &["--set", "normalize_observations=true"]);
    for format in ["onnx", "safetensors"] {
        let out = format!("policy.{format}");
        let said = burn_pg(run, ["export", "run", "--format", format, "--out", &out]);
        let bytes = fs::metadata(run.join(&out)).unwrap().len();
        assert_eq!(success(&said), format!("saved in {out} ({format}, {bytes} bytes)\n"));
    }
    let exported = fs::read(run.join("policy.onnx")).unwrap();
    let again = ["export", "run", "--format", "onnx", "--out", "policy.onnx"];
    let refused = burn_pg(run, again);
    assert_contains(usage_error(&refused), "policy.onnx exists already");
    fs::write(run.join("policy.onnx"), "something else").unwrap();
    success(&burn_pg(run, again.into_iter().chain(["--force"])));
    assert_eq!(fs::read(run.join("policy.onnx")).unwrap(), exported);

    let before = content(run);
    for own in ["run/policy.safetensors", "./run/../run/config.toml"] {
        let refused = burn_pg(run, ["export", "run", "--format", "safetensors", "--force", "--out", own]);
        assert_contains(usage_error(&refused), "belongs to the run itself");
    }
    #[cfg(unix)]
    {
        super::make_pipe(run.join("pipe"));
        let refused = burn_pg(run, ["export", "run", "--format", "onnx", "--force", "--out", "pipe"]);
        let message = "error: pipe exists and is not a regular file, so it is not replaced; name another file\n";
        assert_eq!(usage_error(&refused), message);
        fs::remove_file(run.join("pipe")).unwrap();
    }
    let nowhere = burn_pg(run, ["export", "run", "--format", "onnx", "--out", "nowhere/policy.onnx"]);
    assert_contains(usage_error(&nowhere), "nowhere/policy.onnx cannot be written");
    assert_eq!(content(run), before);

    let answers = |input: &str| acted(run, &[], input);
    let output = answers("[0, 0, 0, 0]\n\n[1e6, -1e6, 0.5, 1e-40]\n");
    let lines: Vec<Value> = success(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let logits: Vec<f64> = line["logits"].as_array().unwrap().iter().map(|logit| logit.as_f64().unwrap()).collect();
        assert_eq!(line["action"].as_u64().unwrap(), u64::from(logits[1] > logits[0]));
        assert!(line["value"].is_number());
    }
    for (input, message) in [
        ("[0, 0, 0]", "line 1: 3 numbers, but an observation of CartPole-v1 has 4"),
        ("[0, 0, 0, 0]\n[0, 0, 1e39, 0]", "line 2: 1000000000000000000000000000000000000000 is too large"),
        ("{}", "line 1: {} is not an array; expected a JSON array of 4 numbers, such as [0, 0, 0, 0]\n"),
        ("[0, 0, \"x\", 0]", "line 1: element 3 is \"x\", not a number; expected a JSON array of 4 numbers"),
        ("[0, 0, 0, 0] 1", "line 1: not valid JSON at column 14; expected a JSON array of 4 numbers"),
    ] {
        let output = answers(input);
        assert_contains(usage_error(&output), message);
    }
}

#[test]
fn lines_are_steps_of_an_episode_for_a_recurrent_agent() {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "run", &["--set", r#"recurrence={cell="gru",size=4}"#]);
    let line = "[0.5, -0.5, 0.1, 0.2]\n";
    let output = acted(folder.path(), &[], format!("{line}{line}\n{line}{line}"));
    let lines: Vec<&str> = success(&output).lines().collect();
    assert_ne!(lines[0], lines[1], "the second step has the recurrent state of the first");
    assert_eq!(lines[..2], lines[2..], "an empty line begins an episode");
}

#[test]
fn an_unknown_format_is_refused() {
    refused(
        &["export", "nowhere", "--format", "onix", "--out", "policy.onnx"],
        &["unknown format `onix` (did you mean `onnx`?)"],
    );
    refused(
        &["export", "nowhere", "--format", "onnx", "--out", "-"],
        &["`-`: a policy is not written to stdout; name a file, such as policy.onnx"],
    );
}

/// Writes a state dict in the form of Stable-Baselines3, with one hidden layer of two units and `outputs` actions.
pub fn save_state_dict(path: &Path, observed: usize, outputs: usize) {
    let linear = |name: &str, inputs: usize, outputs: usize| {
        [(format!("{name}.weight"), vec![outputs, inputs]), (format!("{name}.bias"), vec![outputs])]
    };
    let layers = [
        linear("mlp_extractor.policy_net.0", observed, 2),
        linear("mlp_extractor.value_net.0", observed, 2),
        linear("action_net", 2, outputs),
        linear("value_net", 2, 1),
    ];
    // The format is the length of the header, a JSON header, and the values.
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::<u8>::new());
    for (name, shape) in layers.into_iter().flatten() {
        let begin = numbers.len();
        let count = shape.iter().product::<usize>();
        numbers.extend((0..count).flat_map(|i| (0.1 * i as f32 - 0.3).to_le_bytes()));
        let offsets = [begin, numbers.len()];
        header.insert(name, serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": offsets }));
    }
    let header = serde_json::to_string(&header).unwrap();
    let length = u64::try_from(header.len()).unwrap().to_le_bytes();
    fs::write(path, [&length[..], header.as_bytes(), &numbers[..]].concat()).unwrap();
}

#[test]
fn an_imported_policy_is_a_run_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    save_state_dict(&path.join("sb3.safetensors"), 4, 2);
    let statistics = r#"{"moments":{"mean":[0,0,0,0],"variance":[1,1,1,4],"count":10},"clip":10}"#;
    fs::write(path.join("statistics.json"), statistics).unwrap();
    let import = ["import", "sb3.safetensors", "--env", "CartPole-v1", "--out"];
    let with = |more: &[&'static str]| burn_pg(path, import.iter().chain(more));
    assert_eq!(success(&with(&["run"])), "CartPole-v1, hidden layers [2], in run\n");
    assert_eq!(json(&burn_pg(path, ["eval", "run", "--episodes", "3", "--json"]))["eval_episodes"], 3);
    success(&burn_pg(path, ["export", "run", "--format", "onnx", "--out", "policy.onnx"]));

    let value = |of: &Output| serde_json::from_str::<Value>(success(of)).unwrap()["value"].as_f64().unwrap();
    let plain = value(&acted(path, &[], "[0.1, 0.2, 0.3, 0.8]"));
    success(&with(&["other", "--activation", "relu"]));
    fs::rename(path.join("run"), path.join("plain")).unwrap();
    fs::rename(path.join("other"), path.join("run")).unwrap();
    let rectified = value(&acted(path, &[], "[0.1, 0.2, 0.3, 0.8]"));
    assert_ne!(plain, rectified);
    fs::remove_dir_all(path.join("run")).unwrap();
    success(&with(&["run", "--normalizer", "statistics.json"]));
    let normalized = value(&acted(path, &[], "[0.1, 0.2, 0.3, 1.6]"));
    assert!((normalized - plain).abs() < 1e-6, "{normalized} {plain}");

    // A refused import writes nothing.
    fs::write(path.join("of_three.json"), statistics.replace("[0,0,0,0]", "[0,0,0]")).unwrap();
    fs::write(path.join("of_text.json"), statistics.replacen("[0,", "[\"zero\",", 1)).unwrap();
    let before = content(path);
    for (arguments, message) in [
        (vec!["import", "sb3.safetensors", "--env", "Acrobot-v1", "--out", "new"], "must be F32[2, 6] for Acrobot-v1"),
        (vec!["import", "sb3.safetensors", "--env", "Pendulum-v1", "--out", "new"], "missing [log_std]"),
        (vec!["import", "sb3.safetensors", "--env", "CartPole", "--out", "new"], "did you mean `CartPole-v1`"),
        (vec!["import", "sb3.zip", "--env", "CartPole-v1", "--out", "new"], "sb3.zip cannot be read"),
        (vec!["import", "statistics.json", "--env", "CartPole-v1", "--out", "new"], "not a valid safetensors file"),
        (vec!["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "run"], "run is already used"),
        (
            vec!["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "new", "--normalizer", "of_three.json"],
            "must have finite statistics of 4 numbers; it has 3",
        ),
        (
            vec!["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "new", "--normalizer", "of_text.json"],
            "of_text.json is not a normaliser: found string \"zero\", expected a number at line 1 column 26; a valid one is {",
        ),
    ] {
        let output = burn_pg(path, &arguments);
        assert_contains(usage_error(&output), message);
        assert_eq!(content(path), before, "{arguments:?}");
    }
}
