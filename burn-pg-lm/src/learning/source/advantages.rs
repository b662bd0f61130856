//! Advantages of the tokens of a batch, from the scores of its completions.

use burn_pg::{advantage::explained_variance, loss::ContextPart, ranks::Ranks};

use super::{
    super::{
        Credit, KlPlace, Sample, TextBatch,
        batch::whiten,
        credit::{token_advantages, token_rewards},
    },
    TextSourceSpec,
};

/// Returns the samples of a batch with their advantages, and the share of the returns that a critic explains. What cannot be scored is not
/// learned from. Without a critic, the others of its group are compared with each other.
pub(super) fn credited(
    spec: &TextSourceSpec,
    mut batch: TextBatch,
    mut scores: Vec<f64>,
    weight: f64,
) -> (TextBatch, Option<f64>) {
    let kept: Vec<usize> = (0..scores.len()).filter(|&row| scores[row].is_finite()).collect();
    let all = kept.len() == scores.len();
    if !all && spec.credit.needs_values() {
        scores.retain(|score| score.is_finite());
        batch = batch.of(kept.iter().copied());
    }
    let explained_variance = give_credit(spec, &mut batch, &scores, weight);
    if !all && !spec.credit.needs_values() {
        batch = batch.of(kept);
    }
    if spec.whiten_advantages {
        batch.whiten_advantages(&Ranks::default());
    }
    (batch, explained_variance)
}

/// Sets the advantages, and what else follows from the scores, with this weight of the KL divergence. Returns the share of the returns that a critic explains.
fn give_credit(spec: &TextSourceSpec, batch: &mut TextBatch, scores: &[f64], weight: f64) -> Option<f64> {
    let &TextSourceSpec { credit, kl_place, sample, group_size, .. } = spec;
    let divergences = divergences(batch);
    let weight = if kl_place == KlPlace::TermAlone { 0.0 } else { weight };
    if let Credit::Gae(gae) = credit {
        let values = batch.columns.get(ContextPart::OldValues).expect("the batch has old values").to_vec();
        let mut rewards = narrow(&token_rewards(scores, &divergences, &batch.lengths, weight));
        if spec.whiten_rewards {
            whiten(&mut rewards, false);
        }
        let targets = token_advantages(gae, &rewards, &values, &batch.lengths);
        let mut advantages = targets.advantages;
        if kl_place == KlPlace::Term {
            advantages.iter_mut().zip(&divergences).for_each(|(advantage, own)| *advantage += weight * own);
        }
        let explained = explained_variance(&values, &targets.returns);
        batch.columns.set(ContextPart::Returns, narrow(&targets.returns));
        batch.columns.set(ContextPart::Advantages, narrow(&advantages));
        return explained;
    }
    // A term for whole completions has the whole divergence already.
    let of_whole = kl_place == KlPlace::Term && sample != Sample::Token;
    let in_reward = if of_whole { 0.0 } else { weight };
    let penalties = batch.tokens().map(|tokens| in_reward * divergences[tokens].iter().sum::<f64>());
    let penalties: Vec<f64> = penalties.collect();
    let advantages = credit.of_completions(scores, &penalties, group_size).expect("there is no critic");
    let mut of_tokens = Vec::with_capacity(divergences.len());
    for (tokens, advantage) in batch.tokens().zip(advantages) {
        let mut past = 0.0;
        for own in &divergences[tokens] {
            // What a term for each token sees, and what came before it, is not for the advantage.
            past += if kl_place == KlPlace::Term { in_reward * own } else { 0.0 };
            of_tokens.push(advantage + past);
        }
    }
    batch.columns.set(ContextPart::Advantages, narrow(&of_tokens));
    None
}

/// Returns the differences of the log-probabilities of tokens under the policy that wrote them and under the reference; 0 without one.
pub(super) fn divergences(batch: &TextBatch) -> Vec<f64> {
    let column = |part| batch.columns.get(part);
    let ours = column(ContextPart::OldLogProbs).unwrap_or_default();
    match column(ContextPart::ReferenceLogProbs) {
        None => vec![0.0; ours.len()],
        Some(theirs) => ours.iter().zip(theirs).map(|(&ours, &theirs)| f64::from(ours) - f64::from(theirs)).collect(),
    }
}

#[allow(clippy::cast_possible_truncation)] // to single precision
fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&number| number as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate::Limit, learning::Columns};

    /// Two completions of a prompt, of one and of three tokens.
    fn batch(sample: Sample) -> TextBatch {
        let mut columns = Columns::default();
        columns.set(ContextPart::OldLogProbs, vec![-1.0, -1.0, -2.0, -3.0]);
        columns.set(ContextPart::ReferenceLogProbs, vec![-1.5, -2.0, -2.0, -2.0]);
        let texts = [&[0_u32, 1][..], &[0, 1, 2, 3]].into_iter().collect();
        TextBatch { texts, lengths: vec![1, 3], columns, sample, ..TextBatch::default() }
    }

    fn advantages(change: impl Fn(&mut TextSourceSpec)) -> Vec<f32> {
        let limit = Limit { tokens: 3, ends: Vec::new() };
        let mut spec = TextSourceSpec::new(1, 2, limit, Credit::Rloo { normalize: false });
        change(&mut spec);
        let (batch, _) = credited(&spec, batch(spec.sample), vec![3.0, 1.0], 0.5);
        batch.columns.get(ContextPart::Advantages).unwrap().to_vec()
    }

    #[test]
    fn a_term_leaves_to_advantages_what_it_does_not_know() {
        // The KL divergences of the tokens are 0.5; 1, 0, -1, whose sums are 0.5 and 0.
        assert_eq!(advantages(|spec| spec.kl_place = KlPlace::Reward), [1.75, -1.75, -1.75, -1.75]);
        // A token does not pay for itself and for earlier ones.
        assert_eq!(advantages(|spec| spec.kl_place = KlPlace::Term), [2.0, -1.25, -1.25, -1.75]);
        assert_eq!(advantages(|spec| spec.kl_place = KlPlace::TermAlone), [2.0, -2.0, -2.0, -2.0]);
    }

    #[test]
    fn completions_that_are_samples_are_whitened_once_each() {
        let whitened = |sample| {
            advantages(|spec| {
                (spec.sample, spec.whiten_advantages, spec.kl_place) = (sample, true, KlPlace::TermAlone);
            })
        };
        let found = whitened(Sample::Completion);
        assert!(found[0] > 0.5 && found[1..].iter().all(|other| (other + found[0]).abs() < 1e-5), "{found:?}");
        let found = whitened(Sample::Token);
        assert!((found[0] + 3.0 * found[1]).abs() < 1e-5, "{found:?}");
    }
}
