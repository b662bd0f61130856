//! The results of a sweep as text: Markdown whose tables are aligned, so that they are also read in a terminal.

use super::{
    results::{Comparison, Results},
    standing::Standing,
};
use crate::numbers::grouped;

/// The columns before and after those of the settings.
const BEFORE: [&str; 2] = ["rank", "trial"];
const AFTER: [&str; 7] = ["seeds", "failed", "mean", "IQM", "95 % interval", "worst", "steps/s"];

const LEGEND: &str = "mean, IQM: mean and interquartile mean over seeds of the return of the final evaluation, ranked by IQM; \
                      the interval is that of the IQM, from a bootstrap over seeds; worst is the lowest return of a seed.";

/// Returns all tables and notes.
pub fn render(results: &Results) -> String {
    let tables = results.comparisons.iter().map(|comparison| table(results, comparison));
    let mut parts: Vec<String> = tables.collect();
    parts.push(wrapped(LEGEND));
    let failed = || results.comparisons.iter().flat_map(|of| &of.standings).filter(|standing| standing.failed > 0);
    if failed().next().is_some() {
        let has_score = failed().any(|standing| results.trial(standing).base.failure_score.is_some());
        let score = match has_score {
            true => "their `failure_score`, or else the lowest score of the table",
            false => "the lowest score of the table",
        };
        parts.push(wrapped(&format!(
            "Failed runs count with {score}. Why each failed is in its .failed file in {}; remove the file to try again.",
            results.folder
        )));
    }
    let best = results.best();
    if !best.is_empty() {
        let lines = best.into_iter().map(|command| format!("    {command}"));
        parts.push(format!("The first of each table:\n\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
    parts.extend(results.note().map(wrapped));
    parts.join("\n\n")
}

fn table(results: &Results, comparison: &Comparison) -> String {
    let (head, settings) = results.columns(comparison);
    let largest = comparison.standings.iter().flat_map(|standing| standing.scores.iter().flatten());
    let digits = digits(largest.fold(0.0, |largest, score| score.abs().max(largest)));
    let mut rows = vec![BEFORE.map(String::from).into_iter().chain(head).chain(AFTER.map(String::from)).collect()];
    for (place, (standing, settings)) in comparison.standings.iter().zip(settings).enumerate() {
        let settings = settings.into_iter().map(|value| value.replace('|', "\\|"));
        let before = [place + 1, standing.trial].map(|number| number.to_string());
        rows.push(before.into_iter().chain(settings).chain(numbers(standing, digits)).collect());
    }
    format!("## {}\n\n{}", title(results, comparison), aligned(&rows))
}

fn title(results: &Results, comparison: &Comparison) -> String {
    let Comparison { env, rung, total_steps, kept, standings } = comparison;
    let Some(steps) = total_steps else { return env.clone() };
    let kept = match kept {
        Some(1) => format!(", the best of {} goes on", standings.len()),
        Some(kept) => format!(", the best {kept} of {} go on", standings.len()),
        None => String::new(),
    };
    format!("{env}, rung {rung} of {}: {} steps{kept}", results.plan.rungs.len(), grouped(*steps))
}

/// Returns the columns after the settings.
fn numbers(standing: &Standing, digits: usize) -> [String; 7] {
    let none = || "-".to_owned();
    let number = |number: f64| format!("{number:.digits$}");
    let summed = standing.summed.as_ref();
    let interval = summed.and_then(|summed| summed.interval);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a positive number of steps
    let rate = standing.steps_per_second.map(|rate| grouped(rate.round() as u64));
    [
        standing.seeds.len().to_string(),
        standing.failed.to_string(),
        summed.map_or_else(none, |summed| number(summed.mean)),
        summed.map_or_else(none, |summed| number(summed.interquartile_mean)),
        interval.map_or_else(none, |[low, high]| format!("{} to {}", number(low), number(high))),
        summed.map_or_else(none, |summed| number(summed.worst)),
        rate.unwrap_or_else(none),
    ]
}

/// Returns the number of decimals for numbers up to `largest`.
fn digits(largest: f64) -> usize {
    match largest {
        100.0.. => 1,
        10.0.. => 2,
        _ => 3,
    }
}

/// Returns a table of Markdown whose columns are as wide as their widest cell. The first row is its head. Words are aligned to
/// the left, all else to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let [head, body @ ..] = rows else { return String::new() };
    let columns = (0..head.len()).map(|column| {
        let width = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        (width, body.iter().all(|row| row[column].starts_with(char::is_alphabetic)))
    });
    let columns: Vec<(usize, bool)> = columns.collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&columns).map(|(cell, &(width, is_left))| match is_left {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = columns.iter().map(|&(width, is_left)| match is_left {
        true => format!(" {} ", "-".repeat(width)),
        false => format!(" {}: ", "-".repeat(width - 1)),
    });
    let rule = format!("|{}|", rule.collect::<Vec<_>>().join("|"));
    [line(head), rule].into_iter().chain(body.iter().map(line)).collect::<Vec<_>>().join("\n")
}

/// Breaks a paragraph into lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        match line.chars().count() + word.chars().count() {
            _ if line.is_empty() => line.push_str(word),
            0..100 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines.join("\n")
}
