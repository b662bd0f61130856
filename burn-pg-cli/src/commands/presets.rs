//! `burn-pg presets`

use serde_json::json;

use crate::{failure::Failure, output::print_line, presets, program};

/// List the presets: named hyperparameters, each for an algorithm and some for an environment
#[derive(clap::Args)]
pub struct Args {
    /// Print them as one JSON array, with all their settings
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    if args.json {
        let all =
            presets::all().map(|(name, about, settings)| json!({ "name": name, "about": about, "settings": settings }));
        return print_line(json!(all.collect::<Vec<_>>()));
    }
    let width = presets::all().map(|(name, ..)| name.len()).max().unwrap_or_default();
    for (name, about, _) in presets::all() {
        print_line(format_args!("{name:<width$}  {}", first_sentence(&about)))?;
    }
    print_line(format_args!("\n`{}` shows the settings of one", program::command("config ENV --preset NAME")))
}

/// Returns the first sentence of a text.
fn first_sentence(text: &str) -> &str {
    text.find(". ").map_or(text, |end| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_ends_at_a_full_stop_and_a_space() {
        assert_eq!(first_sentence("CleanRL's ppo.py. Source: a book."), "CleanRL's ppo.py.");
        assert_eq!(first_sentence("One only."), "One only.");
    }
}
