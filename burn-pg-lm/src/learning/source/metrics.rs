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
    let has_spread = |group: &&[f64]| {
        let mut known = group.iter().filter(|score| score.is_finite());
        known.next().is_some_and(|first| known.any(|score| score != first))
    };
    let same = groups.len() as f64 - groups.filter(has_spread).count() as f64;
    [
        ("score", numbers.iter().sum::<f64>() / (numbers.len() as f64).max(1.0)),
        ("unscored", (count - numbers.len() as f64) / count),
        ("completion_length", tokens / count),
        ("truncated_share", cut / count),
        ("groups_without_spread", if spec.group_size > 1 { same / spec.prompts as f64 } else { 0.0 }),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate::Limit, learning::Credit};

    #[test]
    fn groups_have_spread_only_if_two_scores_differ() {
        let completion = Completion { tokens: vec![1, 2], log_probs: vec![0.0; 2], values: Vec::new(), ended: true };
        let limit = Limit { tokens: 2, ends: Vec::new() };
        let spec = TextSourceSpec::new(4, 3, limit, Credit::Rloo { normalize: false });
        let nan = f64::NAN;
        let scores = [3.0, 3.0, nan, nan, nan, nan, 1.0, nan, nan, 1.0, nan, 2.0];
        let metrics = of_completions(&spec, &vec![completion; 12], &scores);
        let metric = |name| metrics.iter().find(|(metric, _)| *metric == name).unwrap().1;
        assert_eq!(metric("groups_without_spread"), 0.75);
        assert_eq!(metric("unscored"), 7.0 / 12.0);
        assert_eq!(metric("score"), 2.0);
    }
}
