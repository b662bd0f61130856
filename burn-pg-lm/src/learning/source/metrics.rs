//! What is measured of the completions of an update.

use super::TextSourceSpec;
use crate::generate::Completion;

/// Returns metrics of completions, in groups, from their scores, NaN for one that cannot be scored.
pub(super) fn of_completions(
    spec: &TextSourceSpec,
    completions: &[Completion<f32>],
    scores: &[f64],
) -> [(&'static str, f64); 5] {
    let count = completions.len() as f64;
    let numbers: Vec<f64> = scores.iter().copied().filter(|score| score.is_finite()).collect();
    let cut = completions.iter().filter(|completion| !completion.ended).count() as f64;
    let tokens = completions.iter().map(|completion| completion.tokens.len()).sum::<usize>() as f64;
    let groups = scores.chunks(spec.group_size);
    let same = groups.filter(|group| group.iter().all(|score| *score == group[0])).count() as f64;
    [
        ("score", numbers.iter().sum::<f64>() / (numbers.len() as f64).max(1.0)),
        ("unscored", (count - numbers.len() as f64) / count),
        ("completion_length", tokens / count),
        ("truncated_share", cut / count),
        ("groups_without_spread", if spec.group_size > 1 { same / spec.prompts as f64 } else { 0.0 }),
    ]
}
