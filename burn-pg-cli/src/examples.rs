//! Examples in the help of commands.

use clap::Command;

use crate::program;

/// The words of a command, and examples of it, one a line. `train`, `watch`, `plot` and others define their
/// examples in their own files.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("eval", &["eval runs/CartPole-v1-ppo-seed1", "eval runs/CartPole-v1-ppo-seed1 --at best --episodes 1000 --json"]),
    (
        "export",
        &[
            "export runs/CartPole-v1-ppo-seed1 --format onnx --out policy.onnx",
            "export runs/CartPole-v1-ppo-seed1 --format safetensors --out policy.safetensors --at best",
        ],
    ),
    ("import", &["import sb3.safetensors --env CartPole-v1 --out runs/imported"]),
    (
        "plan",
        &["plan CartPole-v1", "plan CartPole-v1 --set num_envs=4096 hidden_sizes=[1024,1024] total_steps=1e9 --json"],
    ),
    (
        "config",
        &["config CartPole-v1", "config Pendulum-v1 --algo a2c --out my.toml", "train Pendulum-v1 --config my.toml"],
    ),
    ("presets", &["presets", "train CartPole-v1 --preset cartpole-v1-ppo-fast"]),
    ("envs", &["envs", "envs --json"]),
    ("env-trace", &["env-trace Acrobot-v1 --seed 7 --steps 5", "env-trace CartPole-v1 --actions actions.json"]),
    ("devices", &["devices", "train CartPole-v1 --device flex"]),
    ("bench train", &["bench train", "bench train Pendulum-v1 --algo a2c --repeat 5 --json"]),
    ("bench devices", &["bench devices --quick", "bench devices --out report.md --continue"]),
    #[cfg(feature = "lm")]
    ("lm pretrain", &["lm pretrain documents.txt --out runs/base --set updates=2500"]),
    #[cfg(feature = "lm")]
    ("lm sft", &["lm sft SmolLM2-135M demonstrations.jsonl --lora"]),
    #[cfg(feature = "lm")]
    ("lm reward", &["lm reward model preferences.jsonl --out runs/reward"]),
    #[cfg(feature = "lm")]
    ("lm rl", &["lm rl model prompts.jsonl --preset grpo --reward model:runs/reward/model --reward words:20"]),
    #[cfg(feature = "lm")]
    ("lm dpo", &["lm dpo model preferences.jsonl --set train.updates=500"]),
    #[cfg(feature = "lm")]
    ("lm curve", &["lm curve runs/rl-seed1 runs/rl-seed2 --out curve.svg"]),
    #[cfg(feature = "lm")]
    ("lm export", &["lm export runs/rl model", "lm export runs/rl adapters --adapters"]),
    #[cfg(feature = "lm")]
    ("lm import", &["lm import gpt2 model", "lm import SmolLM2-135M-Instruct model --adapters adapters"]),
    #[cfg(feature = "lm")]
    ("lm plan", &["lm plan rl SmolLM2-135M-Instruct prompts.jsonl --lora", "lm plan pretrain --longest 256 --json"]),
    #[cfg(feature = "lm")]
    ("lm presets", &["lm presets", "lm rl model prompts.jsonl --preset grpo --reward words:20"]),
    #[cfg(feature = "lm")]
    ("lm sample", &["lm sample model \"Once upon a time\" --tokens 50", "lm sample model --chat"]),
    #[cfg(feature = "lm")]
    ("lm score", &["lm score reward-model texts.jsonl", "lm score reward-model pairs.jsonl --pairs --json"]),
];

/// Adds the examples to the help of each command.
pub fn with_examples(program: Command) -> Command {
    EXAMPLES.iter().fold(program, |program, (words, examples)| {
        let lines = examples.iter().map(|example| format!("\n  {}", program::command(example)));
        let words: Vec<&str> = words.split(' ').collect();
        below(program, &words, &format!("Examples:{}", lines.collect::<String>()))
    })
}

/// Adds a text below the options of a command, above any text that is there.
fn below(command: Command, words: &[&str], text: &str) -> Command {
    match words.split_first() {
        Some((&word, rest)) => command.mut_subcommand(word, |command| below(command, rest, text)),
        None => match command.get_after_help().map(ToString::to_string) {
            None => command.after_help(text.to_owned()),
            Some(more) => command.after_help(format!("{text}\n\n{more}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::Cli;

    fn check(command: &Command) {
        let shown: Vec<&Command> = command.get_subcommands().filter(|command| !command.is_hide_set()).collect();
        if shown.is_empty() {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Example"), "{}:\n{help}", command.get_name());
        }
        shown.into_iter().for_each(check);
    }

    #[test]
    fn every_command_has_an_example() {
        check(&with_examples(Cli::command()));
    }
}
