//! Language models.
#![cfg(feature = "lm")]

use std::{io::Write, path::Path, process::Stdio};

use burn_pg::device::{self, DeviceChoice};
use burn_pg_lm::{
    ModelConfig, Tokenizer,
    model::{LanguageModel, Shape, Transformer},
    tokenizer::Training,
};

use super::{assert_contains, burn_pg, command, json, success, text, usage_error};

/// Saves a model of zeros, under which every token is as probable as any other.
fn model(folder: &Path) {
    let device = device::open(DeviceChoice::Auto).unwrap().device;
    let training = Training {
        vocab_size: 262,
        special_tokens: vec!["<|end|>".into()],
        eos_token: Some("<|end|>".into()),
        chat_template: None,
    };
    let tokenizer = Tokenizer::train(["low lower lowest low lower lowest"], &training).unwrap();
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 16, "hidden_act": "silu"}}"#,
        tokenizer.vocab_size()
    );
    let config = ModelConfig::parse(&config).unwrap();
    let transformer = Transformer::zeros(&Shape::from(&config), &device);
    std::fs::create_dir(folder.join("model")).unwrap();
    LanguageModel { config, transformer, tokenizer, template: None }.save(&folder.join("model")).unwrap();
}

#[test]
fn a_model_continues_a_prompt_and_lines_of_stdin() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path());
    let sample = |more: &[&str]| burn_pg(folder.path(), [&["lm", "sample", "model", "low low"], more].concat());
    let written = json(&sample(&["--json", "--tokens", "6"]));
    let tokens = written["tokens"].as_f64().unwrap();
    assert!((1.0..=6.0).contains(&tokens), "{written}");
    let each = written["log_prob"].as_f64().unwrap() / tokens;
    assert!((each + f64::ln(262.0)).abs() < 0.1, "{written}");
    assert_eq!(json(&sample(&["--json", "--tokens", "6"])), written);
    assert_ne!(json(&sample(&["--json", "--tokens", "6", "--seed", "2"]))["text"], written["text"]);
    assert_eq!(success(&sample(&["--tokens", "6"])), format!("{}\n", written["text"].as_str().unwrap()));
    // Until the context is full.
    let most = json(&sample(&["--json", "--seed", "3", "--tokens", "100"]));
    assert!(most["tokens"].as_u64().unwrap() < 16 && most["ended"] == false, "{most}");
    // The first of equally probable tokens is the end.
    let first = json(&sample(&["--json", "--temperature", "0"]));
    assert_eq!((&first["text"], &first["tokens"], &first["ended"]), (&"".into(), &1.into(), &true.into()));

    let mut child = command(folder.path(), ["lm", "sample", "model", "--tokens", "3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"low\n\nlowest\n").unwrap();
    let output = child.wait_with_output().unwrap();
    success(&output);
    assert_contains(text(&output.stderr), "each line is continued on its own; end it with Ctrl-D");
}

#[test]
fn unusable_models_and_requests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    model(folder.path());
    let refused = |arguments: &[&str]| {
        let output = burn_pg(folder.path(), [&["lm", "sample"], arguments].concat());
        usage_error(&output).to_owned()
    };
    assert_contains(&refused(&["nowhere", "a"]), "config.json cannot be read");
    assert_contains(&refused(&["model", ""]), "the prompt is empty");
    assert_contains(&refused(&["model", "low", "--chat"]), "no chat template: leave out --chat");
    assert_contains(&refused(&["model", "low", "--temperature", "-1"]), "`temperature` is -1; expected 0 or more");
    assert_contains(&refused(&["model", "low", "--top-p", "0"]), "`top_p` is 0; expected more than 0 and at most 1");
    assert_contains(&refused(&["model", &"low ".repeat(40)]), "tokens, but a text has at most 16: shorten it");
    assert_contains(&refused(&["model", "--json"]), "PROMPT");
}
