//! Named settings of runs on texts, compiled in, and `burn-pg lm presets`.

use anyhow::{Error, Result};
use burn_pg::envs::UnknownName;
use serde_json::json;
use toml::Table;

use crate::{failure::Failure, output::print_line, program};

/// Name and TOML text of every preset.
const PRESETS: [(&str, &str); 6] = [
    ("dapo", include_str!("../../../presets/lm/dapo.toml")),
    ("dr-grpo", include_str!("../../../presets/lm/dr-grpo.toml")),
    ("grpo", include_str!("../../../presets/lm/grpo.toml")),
    ("gspo", include_str!("../../../presets/lm/gspo.toml")),
    ("ppo", include_str!("../../../presets/lm/ppo.toml")),
    ("rloo", include_str!("../../../presets/lm/rloo.toml")),
];

/// List the presets for `lm rl`: published algorithms, with what sets them apart
#[derive(clap::Args)]
pub struct Args {
    /// Print one line of JSON for each preset, and nothing else, on stdout
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    for (name, text) in PRESETS {
        match args.json {
            true => print_line(json!({ "name": name, "about": about(text), "settings": parse(text) }))?,
            false => print_line(format_args!("{name:<8}  {}", wrapped(&about(text), 68).join("\n          ")))?,
        }
    }
    Ok(())
}

/// Returns the settings of a preset.
pub fn named(name: &str) -> Result<Table> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| parse(text)).ok_or_else(|| {
        let unknown = UnknownName::new("preset", name, PRESETS.map(|(name, _)| name));
        Error::msg(unknown.listed_by(&program::command("lm presets")))
    })
}

/// Returns what the file of a preset says about it.
fn about(text: &str) -> String {
    text.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ")
}

/// Returns the lines of a text that are not longer than `width` characters, unless a word is.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => line.extend([" ", word]),
            _ => lines.push(word.into()),
        }
    }
    lines
}

fn parse(text: &str) -> Table {
    text.parse().expect("a preset is valid TOML; a test reads them all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::lm::settings::{Given, SettingsArgs, reward};

    #[test]
    fn lines_are_as_long_as_they_may_be() {
        assert_eq!(wrapped("one two three seventeen", 7), ["one two", "three", "seventeen"]);
    }

    #[test]
    fn every_preset_is_a_valid_run() {
        for (name, text) in PRESETS {
            let named = vec![("task.rewards", vec![reward("words:3").unwrap()].into())];
            let given = Given { kind: "rl", preset: Some(name), from: &SettingsArgs::default(), named, watched: &[] };
            given
                .resolve()
                .and_then(|settings| Ok(settings.validate()?))
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(about(text).ends_with(")."), "{name} names its source");
        }
        assert!(named("grop").unwrap_err().to_string().contains("grpo"));
    }
}
