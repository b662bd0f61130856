//! Language models.
#![cfg(feature = "lm")]

use std::{
    io::Write,
    path::Path,
    process::{Output, Stdio},
};

use burn_pg::device::{self, DeviceChoice};
use burn_pg_lm::{
    ModelConfig, Tokenizer,
    model::{LanguageModel, Shape, Transformer},
    reward::{RewardModel, Scorer},
    tokenizer::Training,
};

use super::{assert_contains, burn_pg, command, json, success, text, usage_error};

/// Returns the configuration of a model that reads at most 16 tokens.
fn config(tokenizer: &Tokenizer) -> ModelConfig {
    let config = format!(
        r#"{{"model_type": "llama", "vocab_size": {}, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 16, "hidden_act": "silu"}}"#,
        tokenizer.vocab_size()
    );
    ModelConfig::parse(&config).unwrap()
}

/// Saves a reward model of zeros into a new folder.
fn reward_model(tokenizer: Tokenizer, folder: &Path) {
    let device = device::open(DeviceChoice::Auto).unwrap().device;
    let config = config(&tokenizer);
    let scorer = Scorer::new(Transformer::zeros(&Shape { tied: true, ..Shape::from(&config) }, &device));
    std::fs::create_dir(folder).unwrap();
    RewardModel { config, scorer, tokenizer, template: None }.save(folder).unwrap();
}

/// Saves a model of zeros, under which every token is as probable as any other.
fn model(folder: &Path) {
    let device = device::open(DeviceChoice::Auto).unwrap().device;
    let training = Training {
        vocab_size: 262,
        special_tokens: vec!["<|end|>".into()],
        eos_token: Some("<|end|>".into()),
        starts_with_end: false,
        pad_token: None,
        chat_template: None,
    };
    let tokenizer = Tokenizer::train(["low lower lowest low lower lowest"], &training).unwrap();
    let config = config(&tokenizer);
    let transformer = Transformer::zeros(&Shape::from(&config), &device);
    std::fs::create_dir(folder.join("model")).unwrap();
    LanguageModel { config, transformer, tokenizer, template: None }.save(&folder.join("model")).unwrap();
}

/// Runs `lm sample` with lines on stdin.
fn answer_lines(folder: &Path, arguments: &[&str], lines: &str) -> Output {
    let mut child = command(folder, [&["lm", "sample"], arguments].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
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

    let output = answer_lines(folder.path(), &["model", "--tokens", "3"], "low\n\nlowest\n");
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
    // An empty prompt begins with the end token.
    success(&burn_pg(folder.path(), ["lm", "sample", "model", "", "--tokens", "2"]));
    assert_contains(&refused(&["model", "low", "--chat"]), "no chat template: leave out --chat");
    assert_contains(&refused(&["model", "low", "--temperature", "-1"]), "`temperature` is -1; expected 0 or more");
    assert_contains(&refused(&["model", "low", "--top-p", "0"]), "`top_p` is 0; expected more than 0 and at most 1");
    assert_contains(&refused(&["model", &"low ".repeat(40)]), "tokens, but a text has at most 16: shorten it");
}

/// Sentences about a cat and a dog.
fn documents(folder: &Path) {
    let lines: Vec<String> = (0..80)
        .map(|i| {
            let (who, what) =
                (["the cat", "the dog", "a bird"][i % 3], ["sat on the mat", "ate the food", "ran away"][i / 3 % 3]);
            format!("{who} {what} and {}", ["slept well", "was happy", "came back"][i / 9 % 3])
        })
        .collect();
    std::fs::write(folder.join("documents.txt"), lines.join("\n")).unwrap();
    let json_lines = |records: Vec<serde_json::Value>| {
        records.iter().map(|record| record.to_string() + "\n").collect::<Vec<_>>().concat()
    };
    let write = |name: &str, records| std::fs::write(folder.join(name), json_lines(records)).unwrap();
    write("prompts.jsonl", vec![serde_json::json!({ "prompt": "the cat" }), serde_json::json!({ "prompt": "a bird" })]);
    let pairs = lines.iter().take(40).map(|line| {
        serde_json::json!({ "prompt": "the", "chosen": format!("{line} happy"), "rejected": format!("{line} sad") })
    });
    write("pairs.jsonl", pairs.collect());
    let rated = lines.iter().enumerate().take(40);
    write(
        "ratings.jsonl",
        rated.map(|(i, line)| serde_json::json!({ "text": format!("{i} {line}"), "ratings": [i, i + 1] })).collect(),
    );
    let taught = lines.iter().take(30).map(|line| serde_json::json!({ "prompt": "tell me", "completion": line }));
    write("demonstrations.jsonl", taught.collect());
}

const TINY: [&str; 14] = [
    "--set",
    "new.width=16",
    "--set",
    "new.hidden=24",
    "--set",
    "new.blocks=1",
    "--set",
    "new.heads=2",
    "--set",
    "new.groups=1",
    "--set",
    "new.vocabulary=300",
    "--set",
    "new.context=48",
];

/// Pretrains a small model into the folder `base`.
fn base(folder: &Path) {
    documents(folder);
    let arguments = [
        "lm",
        "pretrain",
        "documents.txt",
        "--out",
        "base",
        "--set",
        "updates=15",
        "--set",
        "batch=8",
        "--quiet",
        "--json",
    ];
    let summary = json(&burn_pg(folder, arguments.iter().chain(&TINY)));
    assert_eq!(summary["updates"], 15);
    let perplexity = summary["held_out"]["perplexity"].as_f64().unwrap();
    assert!(perplexity < 250.0, "{summary}");
}

#[test]
fn a_model_is_pretrained_tuned_rewarded_and_improved() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let run = |arguments: &[&str], out: &str| {
        let common = ["--out", out, "--set", "updates=4", "--quiet", "--json"];
        json(&burn_pg(folder, [&["lm"], arguments, &common].concat()))
    };
    let tuned = run(&["sft", "base/model", "demonstrations.jsonl", "--set", "batch=8"], "tuned");
    assert_eq!(tuned["held_out"]["texts"], 2);
    let rewarded =
        run(&["reward", "base/model", "pairs.jsonl", "--set", "batch=8", "--set", "learning_rate=0.01"], "reward");
    assert!(
        rewarded["held_out"]["pairs"].as_u64() == Some(4) && rewarded["held_out"]["calibration"].is_array(),
        "{rewarded}"
    );
    let rated = run(&["reward", "base/model", "ratings.jsonl", "--set", "pairs=64", "--lora"], "rated");
    assert!(rated["held_out"]["pairs"].as_u64() > Some(10), "{rated}");
    let preferred = run(&["dpo", "base/model", "pairs.jsonl", "--set", "batch=8"], "preferred");
    assert_eq!(preferred["held_out"]["pairs"], 4);

    // A reward model scores texts, and rewards them.
    let scores = burn_pg(folder, ["lm", "score", "reward/model", "demonstrations.jsonl"]);
    assert_eq!(success(&scores).lines().filter(|line| line.parse::<f64>().is_ok()).count(), 30);
    let figures = json(&burn_pg(folder, ["lm", "score", "reward/model", "pairs.jsonl", "--pairs", "--json"]));
    assert_eq!(figures["pairs"], 40);
    let rl = ["--set", "tokens=8", "--set", "prompts=2", "--set", "group_size=3"];
    let rewards = ["--reward", "model:reward/model", "--reward", "words:3"];
    let improved = run(&[&["rl", "base/model", "prompts.jsonl"], &rewards[..], &rl].concat(), "improved");
    let last = &improved["last"];
    for metric in ["score", "reward_model", "reward_words", "kl_per_text", "completion_length", "truncated_share"] {
        assert!(last[metric].is_number(), "{metric}: {last}");
    }
    let samples = std::fs::read_to_string(folder.join("improved/samples/000001.jsonl")).unwrap();
    assert_eq!(samples.lines().count(), 4);
    let critic = ["--set", "algorithm=ppo", "--set", "kl.form=exact", "--set", "epochs=2"];
    let with_critic =
        run(&[&["rl", "base/model", "prompts.jsonl", "--reward", "contains:cat"], &critic[..], &rl].concat(), "critic");
    assert!(with_critic["last"]["value_loss"].is_number(), "{with_critic}");
    // The exported model writes what the one in the run does.
    success(&burn_pg(folder, ["lm", "export", "improved", "exported"]));
    let sample = |model: &str| json(&burn_pg(folder, ["lm", "sample", model, "the cat", "--json", "--tokens", "8"]));
    assert_eq!(sample("exported"), sample("improved/model"));
    success(&burn_pg(folder, ["lm", "import", "improved/model", "imported"]));
    assert_eq!(sample("imported"), sample("improved/model"));
}

#[test]
fn a_reward_model_may_be_adapters_of_the_base_of_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let run = |arguments: &[&str], out: &str| {
        let common = ["--out", out, "--set", "updates=4", "--set", "learning_rate=0.01", "--quiet", "--json"];
        json(&burn_pg(folder, [&["lm"], arguments, &common].concat()))
    };
    run(&["reward", "base/model", "pairs.jsonl", "--set", "batch=8", "--lora"], "reward");
    success(&burn_pg(folder, ["lm", "export", "reward", "adapters", "--adapters"]));
    let rl = ["rl", "base/model", "prompts.jsonl", "--set", "tokens=8", "--set", "prompts=2", "--set", "group_size=3"];
    // Up to rounding, the scores are those of the merged model.
    let first_score = |reward: &str, out: &str, more: &[&str]| {
        run(&[&rl[..], &["--reward", reward], more].concat(), out);
        let metrics = std::fs::read_to_string(folder.join(out).join("metrics.jsonl")).unwrap();
        let first: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
        first["score"].as_f64().expect(&metrics)
    };
    let own = first_score("model:reward/model", "own", &[]);
    for (out, more) in [("all", &[][..]), ("alone", &["--set", "kl.weight=0"]), ("adapted", &["--lora"])] {
        let shared = first_score("model:adapters", out, more);
        assert!(own != 0.0 && (shared - own).abs() < 1e-4 * own.abs(), "{out}: {shared}, {own}");
    }
    let planned = |reward: &str| {
        let plan = json(&burn_pg(folder, [&["lm", "plan"][..], &rl, &["--reward", reward, "--json"][..]].concat()));
        plan["plan"]["phases"][1]["parts"]["reward_model"].as_u64().unwrap_or_else(|| panic!("{plan}"))
    };
    assert!(4 * planned("model:adapters") < planned("model:reward/model"));

    run(&["sft", "base/model", "demonstrations.jsonl", "--set", "batch=8"], "tuned");
    let other = ["--reward", "model:adapters", "--set", "tokens=8", "--out", "refused"];
    let other = burn_pg(folder, ["lm", "rl", "tuned/model", "prompts.jsonl"].iter().chain(&other));
    assert_contains(usage_error(&other), "the adapters were trained on another model");
    let score = burn_pg(folder, ["lm", "score", "adapters", "demonstrations.jsonl"]);
    assert_contains(usage_error(&score), "there are adapters without the model that they belong to");
    // Added to the weights of their base, they are the reward model of the run.
    success(&burn_pg(folder, ["lm", "import", "base/model", "merged", "--adapters", "adapters"]));
    let weights = |model: &str| std::fs::read(folder.join(model).join("model.safetensors")).unwrap();
    assert!(weights("merged") == weights("reward/model"));
}

#[test]
fn a_reward_model_has_the_padding_token_of_the_tokenizer_if_its_base_names_none() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let read = |model: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(folder.join(model).join("config.json")).unwrap()).unwrap()
    };
    let mut config = read("base/model");
    let pad = config.as_object_mut().unwrap().remove("pad_token_id").unwrap();
    std::fs::write(folder.join("base/model/config.json"), config.to_string()).unwrap();
    let reward = ["lm", "reward", "base/model", "pairs.jsonl", "--out", "reward", "--set", "updates=1", "--quiet"];
    success(&burn_pg(folder, reward));
    assert!(pad.is_u64() && read("reward/model")["pad_token_id"] == pad, "{pad}");
}

/// A model reads more than the file says: its texts begin with the end token.
#[test]
#[cfg(unix)]
fn programs_get_the_prompts_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let program = r#"while read -r line; do case "$line" in
        *'"prompt":"the cat"'* | *'"prompt":"a bird"'*) echo 1 ;;
        *) echo 0 ;;
    esac; done"#;
    std::fs::write(folder.join("score.sh"), program).unwrap();
    let rl = ["lm", "rl", "base/model", "prompts.jsonl", "--reward", "script:sh score.sh", "--out", "run", "--json"];
    let settings =
        ["--set", "tokens=4", "--set", "prompts=2", "--set", "group_size=2", "--set", "updates=1", "--quiet"];
    assert_eq!(json(&burn_pg(folder, rl.iter().chain(&settings)))["last"]["score"], 1.0);
}

#[test]
#[cfg(unix)]
fn a_run_that_is_killed_while_it_writes_resumes_to_the_bit_with_adapters_too() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    for lora in [false, true] {
        let arguments = |out: &str, updates: &str| {
            let mut all: Vec<String> = ["lm", "rl", "base/model", "prompts.jsonl", "--reward", "words:6", "--out", out]
                .map(String::from)
                .into();
            let settings =
                ["tokens=12", "prompts=2", "group_size=4", "learning_rate=0.001", "checkpoint_interval=1", updates];
            all.extend(settings.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]));
            all.extend(["--quiet", "--json"].map(String::from));
            all.extend(lora.then(|| "--lora".to_owned()));
            all
        };
        let name = |run: &str| format!("{run}-{lora}");
        let whole = json(&burn_pg(folder, arguments(&name("whole"), "updates=12")));
        let mut killed = 0;
        let mut child =
            command(folder, arguments(&name("killed"), "updates=12")).stdout(Stdio::null()).spawn().unwrap();
        for i in 0..5 {
            std::thread::sleep(std::time::Duration::from_millis(60 + 20 * i));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            if !folder.join(name("killed")).join("config.toml").exists() {
                // It was killed before it had begun.
                let _ = std::fs::remove_dir_all(folder.join(name("killed")));
                child =
                    command(folder, arguments(&name("killed"), "updates=12")).stdout(Stdio::null()).spawn().unwrap();
                continue;
            }
            let threads = if i % 2 == 0 { "threads=1" } else { "threads=2" };
            child = command(folder, ["lm", "rl", "--resume", &name("killed"), "--set", threads, "--quiet"])
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
        }
        assert!(child.wait().unwrap().success());
        let path = |run: &str, file: &str| folder.join(name(run)).join(file);
        let bytes = |run: &str, file: &str| std::fs::read(path(run, file)).unwrap();
        // (`policy.safetensors` names the number of threads.)
        let file = "model/model.safetensors";
        assert!(bytes("whole", file) == bytes("killed", file), "the weights differ, lora {lora}");
        println!("killed {killed} times, score {}", whole["last"]["score"]);
        if lora {
            let saved = bytes("whole", "policy.safetensors").len();
            let model = bytes("whole", "model/model.safetensors").len();
            assert!(4 * saved < model, "a run with adapters saves them alone: {saved} of {model} bytes");
            success(&burn_pg(folder, ["lm", "export", &name("whole"), "adapters", "--adapters"]));
            success(&burn_pg(folder, ["lm", "import", "base/model", "merged", "--adapters", "adapters"]));
            let merged = std::fs::read(folder.join("merged/model.safetensors")).unwrap();
            assert!(merged == bytes("whole", "model/model.safetensors"));
            // The settings of a run serve for another model.
            let again = [
                "lm",
                "rl",
                "merged",
                "prompts.jsonl",
                "--config",
                "whole-true/lm.toml",
                "--out",
                "again",
                "--set",
                "updates=1",
            ];
            success(&burn_pg(folder, again));
            // Adapters are not put on other weights.
            let import = burn_pg(folder, ["lm", "import", "merged", "imported", "--adapters", "adapters"]);
            assert_contains(usage_error(&import), "the adapters were trained on another model");
            std::fs::copy(folder.join("merged/model.safetensors"), folder.join("base/model/model.safetensors"))
                .unwrap();
            let message = "its weights have changed since the run began";
            let resume = burn_pg(folder, ["lm", "rl", "--resume", &name("whole"), "--set", "updates=13"]);
            assert_contains(usage_error(&resume), message);
            let export = burn_pg(folder, ["lm", "export", &name("whole"), "other"]);
            assert!(!export.status.success() && !folder.join("other").exists());
            assert_contains(super::text(&export.stderr), message);
        }
    }
}

/// The conversations of a model with a chat template: trained on, preferred, rewarded, and continued.
#[test]
fn conversations_are_trained_on_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let template = "{% for message in messages %}{{ message.role }}: {{ message.content }}<|endoftext|>{% endfor %}\
                    {% if add_generation_prompt %}assistant: {% endif %}";
    std::fs::write(folder.join("base/model/chat_template.jinja"), template).unwrap();
    let question = r#"{"role": "user", "content": "who sat?"}"#;
    let answer = |text: &str| format!(r#"{{"role": "assistant", "content": "{text}"}}"#);
    let lines = |name: &str, line: &dyn Fn(usize) -> String| {
        std::fs::write(folder.join(name), (0..20).map(|i| line(i) + "\n").collect::<String>()).unwrap();
    };
    lines("taught.jsonl", &|i| format!(r#"{{"messages": [{question}, {}]}}"#, answer(&format!("the cat {i}"))));
    lines("pairs.jsonl", &|i| {
        let [good, bad] = [format!("the cat {i}"), format!("no {i}")].map(|text| answer(&text));
        format!(r#"{{"prompt": [{question}], "chosen": [{good}], "rejected": [{bad}]}}"#)
    });
    lines("questions.jsonl", &|_| format!(r#"{{"prompt": [{question}]}}"#));
    let run = |arguments: &[&str]| {
        let common = ["--out", arguments[0], "--set", "updates=2", "--quiet", "--json"];
        json(&burn_pg(folder, [&["lm"], arguments, &common].concat()))
    };
    assert_eq!(run(&["sft", "base/model", "taught.jsonl", "--set", "batch=4"])["updates"], 2);
    run(&["reward", "base/model", "pairs.jsonl", "--set", "batch=4"]);
    run(&["dpo", "base/model", "pairs.jsonl", "--set", "batch=4"]);
    let small = ["--set", "tokens=8", "--set", "prompts=2", "--set", "group_size=2"];
    run(&[&["rl", "sft/model", "questions.jsonl", "--reward", "model:reward/model"], &small[..]].concat());
    let samples = std::fs::read_to_string(folder.join("rl/samples/000001.jsonl")).unwrap();
    assert_contains(&samples, r#""prompt":"user: who sat?<|endoftext|>assistant: ""#);

    // The template goes with the model, and a conversation grows by question and answer.
    success(&burn_pg(folder, ["lm", "sample", "rl/model", "who sat?", "--chat", "--tokens", "3"]));
    let output = answer_lines(folder, &["rl/model", "--tokens", "2", "--json"], "who?\nand then?\n");
    assert_eq!(success(&output).lines().count(), 2);
}

/// What a run says loudly.
#[test]
fn completions_that_teach_nothing_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let rl = |reward: &str, more: &[&str]| {
        let arguments = ["lm", "rl", "base/model", "prompts.jsonl", "--reward", reward, "--set", "tokens=1"];
        let small = ["--set", "prompts=2", "--set", "group_size=2", "--set", "updates=2"];
        burn_pg(folder, [&arguments, &small[..], more].concat())
    };
    let output = rl("contains:zebra", &[]);
    success(&output);
    assert_contains(text(&output.stderr), "in more than half of the groups all completions have the same score");
    assert_contains(text(&output.stderr), "no completion ends by itself");
    // Every second text cannot be scored, and then none.
    let script = |name: &str, answers: &str| {
        std::fs::write(folder.join(name), format!("while read -r line; do {answers}; done")).unwrap();
        format!("script:sh {name}")
    };
    let half = &script("half.sh", "echo 1; read -r line; echo null");
    let output = rl(half, &[]);
    success(&output);
    assert_contains(text(&output.stderr), "some completions could not be scored");
    let none = &script("none.sh", "echo NaN");
    let output = rl(none, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_contains(text(&output.stderr), "update 1: none of the 4 samples could be scored");
    let output = rl(none, &["--set", "train.faults.numbers='skip'"]);
    success(&output);
    assert_contains(text(&output.stderr), "an update was skipped");
}

#[cfg(feature = "wgpu")]
#[test]
fn a_model_is_trained_on_a_gpu_and_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let run = |out: &str, updates: &str| {
        let arguments =
            ["lm", "rl", "base/model", "prompts.jsonl", "--reward", "words:6", "--device", "wgpu", "--out", out];
        let small = ["tokens=6", "prompts=2", "group_size=2", "checkpoint_interval=1", updates];
        let set = small.iter().flat_map(|setting| ["--set", setting]);
        json(&burn_pg(folder, arguments.into_iter().chain(set).chain(["--json", "--quiet"])))
    };
    assert_eq!(run("whole", "updates=3")["device"], "wgpu");
    run("begun", "updates=1");
    let more = ["--device", "wgpu", "--set", "updates=3", "--json", "--quiet"];
    let resumed = json(&burn_pg(folder, ["lm", "rl", "--resume", "begun"].into_iter().chain(more)));
    assert_eq!(resumed["updates"], 3);
    let weights = |run: &str| std::fs::read(folder.join(run).join("model/model.safetensors")).unwrap();
    assert!(weights("whole") == weights("begun"), "the weights differ");
}

#[test]
fn mistakes_are_refused_before_anything_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    std::fs::write(folder.join("bad.jsonl"), "{\"prompt\": \"a\"}\n{\"prompt\": 5}\n").unwrap();
    std::fs::write(folder.join("equal.jsonl"), "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}\n")
        .unwrap();
    std::fs::write(folder.join("long.jsonl"), format!("{{\"prompt\": \"{}\"}}\n", "cat ".repeat(60))).unwrap();
    std::fs::write(folder.join("chat.jsonl"), "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}\n").unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let output = burn_pg(folder, [&["lm"], arguments, &["--out", "refused"]].concat());
        assert_contains(usage_error(&output), expected);
        assert!(!folder.join("refused").exists(), "{arguments:?}");
    };
    let rl = |prompts: &'static str| ["rl", "base/model", prompts, "--reward", "words:5", "--set", "tokens=8"];
    refused(&rl("bad.jsonl"), "line 2 of ");
    refused(&rl("nowhere.jsonl"), "nowhere.jsonl cannot be read");
    refused(&rl("long.jsonl"), "but the context of the model is 48");
    refused(&rl("chat.jsonl"), "the model has no chat template");
    // Pairs are shuffled, but the number is the one in the file.
    let pair = |chosen: &str| format!("{{\"prompt\": \"a\", \"chosen\": \"{chosen}\", \"rejected\": \"no\"}}\n");
    let pairs = (0..19).map(|i| pair(&i.to_string())).chain([pair(&"cat ".repeat(60))]).collect::<String>();
    std::fs::write(folder.join("long-pairs.jsonl"), pairs).unwrap();
    refused(&["reward", "base/model", "long-pairs.jsonl"], "pair 20 has ");
    refused(&["dpo", "base/model", "long-pairs.jsonl"], "pair 20 has ");
    refused(&["rl", "base/model", "prompts.jsonl"], "`task.rewards` is empty; it must be one reward or more");
    refused(
        &[&rl("prompts.jsonl")[..], &["--set", "sample=completion", "--set", "averaging=sequence"]].concat(),
        "`task.averaging` is sequence; it must be `token`, unless `sample` is `token`",
    );
    refused(
        &["rl", "base/model", "prompts.jsonl", "--watch", "words:5"],
        "`task.rewards.weight` is 0; it must be other than 0 for one reward or more",
    );
    refused(&[&rl("prompts.jsonl")[..], &["--preset", "grop"]].concat(), "grpo");
    refused(
        &[&rl("prompts.jsonl")[..], &["--set", "group_size=1"]].concat(),
        "`task.group_size` is 1; it must be at least 2",
    );
    refused(
        &[&rl("prompts.jsonl")[..], &["--set", "speed=1"]].concat(),
        "there is no setting `speed`; there are task.algorithm",
    );
    refused(
        &[&rl("prompts.jsonl")[..], &["--set", "kl.target=3", "--set", "kl.form=k2"]].concat(),
        "`task.kl.target` is 3; it must be left out",
    );
    refused(
        &["rl", "base/model", "prompts.jsonl", "--set", "tokens=8", "--reward", "model:base/model"],
        "has no `score.weight`: it is not a reward model",
    );
    // Reward models with the tokenizer of the policy and a short context, and with another tokenizer.
    let scored_by =
        |reward: &'static str| ["rl", "base/model", "prompts.jsonl", "--set", "tokens=20", "--reward", reward];
    reward_model(Tokenizer::load(&folder.join("base/model")).unwrap(), &folder.join("short"));
    refused(&scored_by("model:short"), "the reward model reads at most 16 tokens");
    model(folder);
    reward_model(Tokenizer::load(&folder.join("model")).unwrap(), &folder.join("other"));
    refused(&scored_by("model:other"), "has another tokenizer than the policy");
    std::fs::write(folder.join("misspelt.toml"), "[[task.rewards]]\nkind = 'words'\ntarget = 5\nweigth = 0.5\n")
        .unwrap();
    refused(
        &["rl", "base/model", "prompts.jsonl", "--config", "misspelt.toml"],
        "unknown field `weigth`, expected `target`",
    );
    for (setting, expected) in [
        ("normalize=true", "`task.normalize` is true; it must be false with a term for the KL divergence"),
        ("algorithm=ppo", "`task.normalize` is true; it must be false, unless `algorithm` is `rloo`"),
    ] {
        let more = ["--set", "kl.form=k2", "--set", "normalize=true", "--set", setting];
        refused(&[&rl("prompts.jsonl")[..], &more].concat(), expected);
    }
    refused(
        &[&rl("prompts.jsonl")[..], &["--set", "kl.later_tokens=false"]].concat(),
        "`task.kl.later_tokens` is false; it must be true, unless `kl.form` is a term",
    );
    let gpt2 =
        ["--set", "new.family=gpt2", "--set", "new.groups=2", "--set", "updates=1", "--set", "batch=4", "--quiet"];
    let arguments = ["lm", "pretrain", "documents.txt", "--out", "gpt2"];
    success(&burn_pg(folder, arguments.iter().chain(&TINY).chain(&gpt2)));
    let gate = ["--lora", "--set", "lora.targets=['query', 'gate']"];
    refused(
        &[&["rl", "gpt2/model", "prompts.jsonl", "--reward", "words:5", "--set", "tokens=8"], &gate[..]].concat(),
        "a map that GPT-2 does not have",
    );
    refused(&["reward", "base/model", "equal.jsonl"], "line 1 of ");
    refused(&["dpo", "base/model", "pairs.jsonl", "--set", "beta=0"], "`task.beta` is 0; it must be more than 0");
    refused(&["sft", "base/model", "demonstrations.jsonl", "--set", "batch=100"], "at least 100 are needed");
    refused(
        &["pretrain", "documents.txt", "--set", "new.heads=5"],
        "`task.new.width` is 192; it must be a multiple of `heads`",
    );
    refused(&["sft", "nowhere", "demonstrations.jsonl"], "nowhere");
    let output = burn_pg(folder, ["train", "--resume", "base"]);
    assert_contains(usage_error(&output), "texts (pretrain)");
}

#[test]
fn the_memory_of_a_large_model_is_planned_from_its_configuration_alone() {
    const WEIGHTS: u64 = 1_100_048_384;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("large")).unwrap();
    // The sizes of TinyLlama-1.1B.
    let config = r#"{"model_type": "llama", "vocab_size": 32000, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 22,
        "num_attention_heads": 32, "num_key_value_heads": 4, "max_position_embeddings": 2048, "hidden_act": "silu",
        "tie_word_embeddings": false}"#;
    std::fs::write(folder.join("large/config.json"), config).unwrap();
    let plan = |more: &[&str]| {
        let arguments = ["lm", "plan", "rl", "large", "--longest", "512", "--reward", "words:20", "--json"];
        let output = burn_pg(folder, arguments.iter().chain(more));
        // 1 if the run does not fit into the memory of this machine.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let phases = printed["plan"]["phases"].as_array().unwrap().clone();
        let total = |phase: &serde_json::Value| {
            phase["parts"].as_object().unwrap().values().map(|bytes| bytes.as_u64().unwrap()).sum::<u64>()
        };
        (printed["plan"].clone(), phases.iter().map(total).max().unwrap())
    };
    let (whole, peak) = plan(&[]);
    assert_eq!((&whole["parameters"], &whole["trained"]), (&WEIGHTS.into(), &WEIGHTS.into()));
    // Policy, reference, gradient, state, new weights and state.
    assert!((8..14).contains(&(peak / (4 * WEIGHTS))), "{peak}");
    let (adapted, smaller) = plan(&["--lora"]);
    assert!(adapted["trained"].as_u64().unwrap() < WEIGHTS / 100 && smaller < peak / 2, "{smaller} of {peak}");
}

#[test]
fn curves_compare_what_is_optimised_with_what_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    base(folder);
    let rl = |out: &str, more: &[&str]| {
        let settings = ["tokens=6", "prompts=2", "group_size=3", "updates=6", "learning_rate=0.001"];
        let settings = settings.iter().flat_map(|setting| ["--set", setting]);
        let what = ["lm", "rl", "base/model", "prompts.jsonl", "--quiet", "--reward", "contains:cat", "--out", out];
        success(&burn_pg(folder, what.into_iter().chain(settings).chain(more.iter().copied())));
    };
    let watched = ["--watch", "words:3", "--set", "kl.measure=true", "--set", "kl.weight=0"];
    rl("free-1", &watched);
    rl("free-2", &[&watched[..], &["--set", "train.seed=2"]].concat());
    rl("kept-1", &["--watch", "words:3", "--set", "kl.weight=0.2"]);
    let runs = ["lm", "curve", "free-1", "free-2", "kept-1"];
    let best = ["--best-of", "8", "--prompts", "2", "--window", "2", "--out", "curve.svg"];
    let curves = json(&burn_pg(folder, runs.iter().chain(&best).chain(&["--json"])));
    let groups = curves["groups"].as_array().unwrap();
    assert_eq!(groups.iter().map(|group| &group["name"]).collect::<Vec<_>>(), ["free", "kept-1"]);
    assert_eq!(groups[0]["points"].as_array().unwrap().len(), 3);
    let best = groups[0]["best_of"].as_array().unwrap();
    let number = |value: &serde_json::Value| value.as_f64().unwrap();
    assert_eq!(best.iter().map(|best| best["of"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 4, 8]);
    assert!(best.windows(2).all(|pair| number(&pair[0]["proxy"]) <= number(&pair[1]["proxy"])), "{best:?}");
    assert_eq!(curves["runs"].as_array().unwrap().len(), 3);
    let svg = std::fs::read_to_string(folder.join("curve.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("best of n"), "{svg}");
    let shown = burn_pg(folder, runs);
    assert_contains(success(&shown), "while the proxy rose in ");
    assert_contains(success(&shown), "free-2 ");

    let refused = |arguments: &[&str]| usage_error(&burn_pg(folder, [&["lm", "curve"], arguments].concat())).to_owned();
    rl("blind", &[]);
    assert_contains(&refused(&["blind"]), "no reward has weight 0");
    assert_contains(&refused(&["blind", "--gold", "words"]), "there is no reward `words`; there are contains");
    rl("unmeasured", &["--watch", "words:3", "--set", "kl.weight=0"]);
    assert_contains(&refused(&["unmeasured"]), "did not measure its KL divergence");
    assert_contains(&refused(&["base"]), "is a run of `lm pretrain`");
    assert_contains(&refused(&["nowhere"]), "is it a run of `lm`?");
}
