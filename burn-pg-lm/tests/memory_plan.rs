//! Measured allocations of runs on texts, compared with their plans.
//!
//! Each run has its own process and one thread: only the allocations of one thread are counted, and Burn may free on one thread what another
//! one has allocated.
#![cfg(feature = "flex")]

use std::{env, fmt::Write, fs, path::Path, process::Command};

use burn_pg::{Trainer, burn::tensor::Device, envs::EnvRng, source::Source};
use burn_pg_lm::{
    plan::TextPlan,
    task::{
        Policy, Ready, Settings,
        figures::{save_policy, save_scorer, save_scorer_adapters},
    },
};
use rayon::ThreadPoolBuilder;

/// Names the settings that the process measures.
const SETTINGS: &str = "BURN_PG_MEASURED_SETTINGS";
/// How far a plan may be from what was measured, relative to it.
const TOLERANCE: f64 = 0.1;

/// Name, and settings in TOML; `FOLDER` stands for the folder with data and models.
const RUNS: [(&str, &str); 13] = [
    (
        "pretraining",
        "task = { kind = 'pretrain', data = 'FOLDER/documents.txt', new = 'NEW' }\ntrain = { micro_batch = 16 }",
    ),
    (
        "pretraining in parts",
        "task = { kind = 'pretrain', data = 'FOLDER/documents.txt', model = 'FOLDER/model' }\ntrain = { micro_batch = 4 }",
    ),
    ("fine-tuning", "task = { kind = 'sft', data = 'FOLDER/demonstrations.jsonl', model = 'FOLDER/model' }"),
    ("reward model", "task = { kind = 'reward', data = 'FOLDER/pairs.jsonl', model = 'FOLDER/model', batch = 8 }"),
    ("preferences", "task = { kind = 'dpo', data = 'FOLDER/pairs.jsonl', model = 'FOLDER/model', batch = 8 }"),
    (
        "RLOO",
        "task = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, rewards = [{ kind = 'words', target = 5.0 }] }\ntrain = { micro_batch = 64 }",
    ),
    (
        "RLOO with a reward model, in parts",
        "task = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, rewards = [{ kind = 'model', folder = 'FOLDER/reward' }] }\ntrain = { micro_batch = 8 }",
    ),
    (
        "PPO with a critic and an exact KL divergence",
        "task = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, algorithm = 'ppo', epochs = 2, kl = { form = 'exact' }, rewards = [{ kind = 'words', target = 5.0 }] }\ntrain = { micro_batch = 32 }",
    ),
    (
        "RLOO with a measured KL divergence",
        "task = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, kl = { weight = 0.0, measure = true }, rewards = [{ kind = 'words', target = 5.0 }] }\ntrain = { micro_batch = 64 }",
    ),
    (
        "RLOO with a reward model on adapters",
        "lora = {}\ntask = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, rewards = [{ kind = 'model', folder = 'FOLDER/adapters' }] }\ntrain = { micro_batch = 32 }",
    ),
    (
        "reward model from ratings of different lengths",
        "task = { kind = 'reward', data = 'FOLDER/ratings.jsonl', model = 'FOLDER/model', batch = 32, pairs = 2000 }\ntrain = { micro_batch = 32 }",
    ),
    (
        "RLOO of prompts of different lengths",
        "task = { kind = 'rl', data = 'FOLDER/different.jsonl', model = 'FOLDER/model', tokens = 16, prompts = 32, group_size = 2, rewards = [{ kind = 'words', target = 5.0 }] }\ntrain = { micro_batch = 64 }",
    ),
    (
        "RLOO with adapters",
        "lora = {}\ntask = { kind = 'rl', data = 'FOLDER/prompts.jsonl', model = 'FOLDER/model', tokens = 16, rewards = [{ kind = 'words', target = 5.0 }] }\ntrain = { micro_batch = 32 }",
    ),
];
const NEW: &str = "{ family = 'llama', vocabulary = 258, context = 128, width = 256, hidden = 704, blocks = 4, heads = 4, groups = 4 }";

/// Writes data. Of ratings and of `different.jsonl`, the texts have different lengths; of the others, all have the same.
fn write_data(folder: &Path) {
    let mut rng = EnvRng::new(1);
    let mut letters = |count: usize| -> String {
        (0..count).map(|_| char::from(b'a' + u8::try_from(rng.below(26)).unwrap())).collect()
    };
    let (mut documents, mut demonstrations, mut pairs, mut prompts, mut ratings, mut different) = Default::default();
    for i in 0..200 {
        // A token is a letter. A document has two rows, with the tokens around it.
        let [prompt, answer, other, document] = [100, 20, 20, 254].map(&mut letters);
        let write = |to: &mut String, line: String| writeln!(to, "{line}").unwrap();
        write(&mut documents, document);
        write(&mut demonstrations, format!(r#"{{"prompt": "{prompt}", "completion": "{answer}"}}"#));
        write(&mut pairs, format!(r#"{{"prompt": "{prompt}", "chosen": "{answer}", "rejected": "{other}"}}"#));
        write(&mut prompts, format!(r#"{{"prompt": "{prompt}"}}"#));
        let part = &prompt[..70 + i % 5 * 5];
        write(&mut ratings, format!(r#"{{"text": "{part}", "ratings": [{}]}}"#, i % 7));
        write(&mut different, format!(r#"{{"prompt": "{part}"}}"#));
    }
    let files: [(&str, String); 6] = [
        ("ratings.jsonl", ratings),
        ("different.jsonl", different),
        ("documents.txt", documents),
        ("demonstrations.jsonl", demonstrations),
        ("pairs.jsonl", pairs),
        ("prompts.jsonl", prompts),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
}

fn settings(text: &str, folder: &Path) -> Settings {
    let text = text.replace("'NEW'", NEW).replace("FOLDER", folder.to_str().unwrap());
    let mut settings: Settings = toml::from_str(&text).unwrap();
    settings.train.updates = 2;
    settings.train.threads = 1;
    settings
}

/// Trains, and then does what a run does at its end.
fn run<P: burn_pg::policy::Policy, S: Source<P>>(mut trainer: Trainer<P, S>, save: impl FnOnce(&P)) {
    let checkpoint = env::temp_dir().join(format!("burn-pg-memory-{}", std::process::id()));
    for _ in 0..2 {
        trainer.update().unwrap();
    }
    trainer.checkpoint().unwrap().write(&checkpoint).unwrap();
    fs::remove_dir_all(&checkpoint).or_else(|_| fs::remove_file(&checkpoint)).unwrap();
    save(trainer.policy());
}

/// Runs everything on this thread.
fn train(settings: &Settings, out: &Path) {
    match settings.build(&Device::flex(), None).unwrap() {
        Ready::Texts { trainer, around, .. } => run(trainer, |policy| save_policy(policy, &around, out).unwrap()),
        Ready::Pairs { trainer, around, .. } => run(trainer, |policy| save_policy(policy, &around, out).unwrap()),
        Ready::Reward { trainer, around, .. } => run(trainer, |scorer| save_scorer(scorer, &around, out).unwrap()),
        Ready::Rl { trainer, around } => run(trainer, |policy| save_policy(policy, &around, out).unwrap()),
    }
}

/// Saves a reward model that is adapters of the model, not yet trained.
fn save_reward_adapters(folder: &Path) {
    let text = "lora = {}\ntask = { kind = 'reward', data = 'FOLDER/pairs.jsonl', model = 'FOLDER/model' }";
    let settings = settings(text, folder);
    let (Policy::Scorer(scorer), _) = settings.policy(&Device::flex()).unwrap() else { unreachable!() };
    save_scorer_adapters(&scorer, &settings.lora.unwrap(), "model".as_ref(), &folder.join("adapters")).unwrap();
}

/// Completions are short, so that few of them end before they are as long as they may be.
#[test]
fn plans_match_measurements() {
    let folder = tempfile::tempdir().unwrap();
    write_data(folder.path());
    train(&settings(RUNS[0].1, folder.path()), &folder.path().join("model"));
    train(&settings(RUNS[3].1, folder.path()), &folder.path().join("reward"));
    save_reward_adapters(folder.path());
    let mut far = Vec::new();
    for (name, text) in RUNS {
        let settings = settings(text, folder.path());
        let plan = TextPlan::of(&settings, &settings.shapes().unwrap());
        let mut process = Command::new(env::current_exe().unwrap());
        process.args(["--exact", "measures_the_settings_of_the_environment_variable", "--nocapture"]);
        let output = process.env(SETTINGS, text).env("FOLDER", folder.path()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let measured = printed.lines().find_map(|line| line.strip_prefix("measured: ")).expect(&printed);
        let (planned, measured) = (plan.peak().total().0 as f64, measured.parse::<f64>().unwrap());
        let off = planned / measured - 1.0;
        println!("| {name} | {} | {planned} | {measured} | {:+.1} % |", plan.peak().name, 100.0 * off);
        if off.abs() > TOLERANCE {
            far.push(name);
        }
    }
    assert!(far.is_empty(), "{far:?}");
}

/// Does nothing unless the environment variable has settings.
#[test]
fn measures_the_settings_of_the_environment_variable() {
    let Ok(text) = env::var(SETTINGS) else { return };
    let folder = env::var("FOLDER").unwrap();
    let settings = settings(&text, folder.as_ref());
    let one = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let out = tempfile::tempdir().unwrap();
    let counted = one.install(|| allocation_counter::measure(|| train(&settings, &out.path().join("model"))));
    println!("\nmeasured: {}", counted.bytes_max);
}
