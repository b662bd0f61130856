//! The results of a sweep as text: Markdown whose tables are aligned, so that they are also read in a terminal.

use super::{
    results::{Comparison, Results},
    standing::Standing,
};
use crate::numbers::grouped;

/// The columns before and after those of the settings.
const BEFORE: [&str; 2] = ["rank", "trial"];
const AFTER: [&str; 7] = ["seeds", "failed", "mean", "IQM", "95 % interval", "worst", "steps/s"];
/// Columns that a table without room leaves out, the least important one first.
const OPTIONAL: [&str; 6] = ["steps/s", "seeds", "failed", "worst", "mean", "rank"];
/// The width of paragraphs.
const TEXT: usize = 80;
/// Trials that are named in a sentence at most.
const NAMED: usize = 8;

const LEGEND: &str = "mean, IQM: mean and interquartile mean over seeds of the return of the final evaluation, ranked by IQM; \
                      the interval is that of the IQM, from a bootstrap over seeds.";

/// Returns all tables and notes. Tables and commands that are wider than `width` are made narrower where they can be.
pub fn render(results: &Results, width: Option<usize>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut is_narrowed = false;
    for comparison in &results.comparisons {
        let (table, left_out) = table(results, comparison, width);
        is_narrowed |= left_out;
        parts.push(table);
        parts.extend(tie(results, comparison).map(|text| wrapped(&text)));
    }
    parts.push(wrapped(&match is_narrowed {
        true => format!("{LEGEND} All columns are in {}/results.md.", results.folder),
        false => format!("{LEGEND} worst: the lowest return of a seed."),
    }));
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
        let commands: Vec<String> = best.iter().map(|command| indented(command, width)).collect();
        let title = match best.len() {
            1 => "This repeats a run of the first trial:",
            _ => "These repeat a run of the first trial of each table:",
        };
        parts.push(format!("{title}\n\n{}", commands.join("\n")));
    }
    parts.extend(results.note().map(wrapped));
    parts.join("\n\n")
}

/// Says which trials are not clearly worse than the first one, if there are any.
fn tie(results: &Results, comparison: &Comparison) -> Option<String> {
    let first = comparison.standings.first()?;
    if !results.is_last(comparison) || comparison.standings.len() < 2 || first.summed.is_none() {
        return None;
    }
    if first.seeds.len() == 1 {
        return Some("With one seed, there are no intervals, and the order may be chance. Give more `seeds`.".into());
    }
    let ties = comparison.ties();
    let others = comparison.standings.len() - 1;
    let named = match &ties[..] {
        [] => return None,
        [one] => format!("trial {one}"),
        several if several.len() == others => "all other trials".into(),
        several if several.len() > NAMED => {
            let named: Vec<String> = several[..NAMED].iter().map(ToString::to_string).collect();
            format!("trials {} and {} more", named.join(", "), several.len() - NAMED)
        }
        [several @ .., last] => {
            let several: Vec<String> = several.iter().map(ToString::to_string).collect();
            format!("trials {} and {last}", several.join(", "))
        }
    };
    Some(format!(
        "Trial {} is not clearly better than {named}: their 95 % intervals overlap. More `seeds` make intervals narrower.",
        first.trial
    ))
}

/// Returns a table, and whether columns were left out to make it fit.
fn table(results: &Results, comparison: &Comparison, width: Option<usize>) -> (String, bool) {
    let (head, settings) = results.columns(comparison);
    let largest = comparison.standings.iter().flat_map(|standing| standing.scores.iter().flatten());
    let digits = digits(largest.fold(0.0, |largest, score| score.abs().max(largest)));
    let mut rows = vec![BEFORE.map(String::from).into_iter().chain(head).chain(AFTER.map(String::from)).collect()];
    for (place, (standing, settings)) in comparison.standings.iter().zip(settings).enumerate() {
        let settings = settings.into_iter().map(|value| value.replace('|', "\\|"));
        let before = [place + 1, standing.trial].map(|number| number.to_string());
        rows.push(before.into_iter().chain(settings).chain(numbers(standing, digits)).collect());
    }
    let is_narrowed = width.is_some_and(|width| narrow(&mut rows, width));
    (format!("## {}\n\n{}", title(results, comparison), aligned(&rows)), is_narrowed)
}

/// Leaves out columns of a table that is too wide. Returns whether it has left out any. The number of failed runs stays if there
/// are failed runs.
fn narrow(rows: &mut [Vec<String>], width: usize) -> bool {
    let mut is_narrowed = false;
    for name in OPTIONAL {
        if aligned(rows).lines().next().is_none_or(|line| line.chars().count() <= width) {
            break;
        }
        // Settings have other names.
        let column = rows[0].iter().rposition(|head| head == name);
        if let Some(column) =
            column.filter(|&column| name != "failed" || rows[1..].iter().all(|row| row[column] == "0"))
        {
            for row in &mut *rows {
                row.remove(column);
            }
            is_narrowed = true;
        }
    }
    is_narrowed
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

/// Returns a command as a paragraph of its own. One that is too wide goes on in a next line, as shells read it.
fn indented(command: &str, width: Option<usize>) -> String {
    const INDENT: &str = "    ";
    let whole = format!("{INDENT}{command}");
    // The shells of Windows do not agree on how a line goes on.
    let Some(width) = width.filter(|width| whole.chars().count() > *width && !cfg!(windows)) else { return whole };
    let mut parts = command.split(" --");
    let mut lines = vec![format!("{INDENT}{}", parts.next().unwrap_or_default())];
    for part in parts {
        let line = lines.last_mut().expect("there is a line");
        match line.chars().count() + part.chars().count() + " -- \\".len() <= width {
            true => *line = format!("{line} --{part}"),
            false => {
                line.push_str(" \\");
                lines.push(format!("{INDENT}{INDENT}--{part}"));
            }
        }
    }
    lines.join("\n")
}

/// Breaks a paragraph into lines.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= TEXT {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.into());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(windows))]
    fn a_long_command_goes_on_in_a_next_line() {
        let command =
            "burn-pg train CartPole-v1 --set learning_rate=0.001 --set gamma=0.98 --set num_envs=16 --seed 1000";
        assert_eq!(indented(command, None), format!("    {command}"));
        let lines = "    burn-pg train CartPole-v1 --set learning_rate=0.001 --set gamma=0.98 \\\n        --set num_envs=16 --seed 1000";
        assert_eq!(indented(command, Some(80)), lines);
    }

    #[test]
    fn a_table_that_is_too_wide_leaves_out_columns() {
        let row = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let rows = || vec![row("rank trial gamma seeds failed mean steps/s"), row("1 3 0.98 10 0 5.0 30000")];
        let mut wide = rows();
        assert!(!narrow(&mut wide, 80) && wide == rows());
        let mut narrowed = rows();
        assert!(narrow(&mut narrowed, 36));
        assert_eq!(narrowed[0], row("rank trial gamma mean"));
        let mut failed = rows();
        failed[1][4] = "2".into();
        narrow(&mut failed, 1);
        assert_eq!(failed[0], row("trial gamma failed"));
    }
}
