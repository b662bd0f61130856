//! Advantages of the tokens of a batch, from the scores of its completions.

use burn_pg::{Error, advantage::explained_variance, loss::ContextPart};

use super::{
    super::{
        Credit, KlPlace, Sample, TextBatch, TextPolicy,
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
    policy: &TextPolicy,
    mut scores: Vec<f64>,
    weight: f64,
) -> Result<(TextBatch, Option<f64>), Error> {
    let kept: Vec<usize> = (0..scores.len()).filter(|&row| scores[row].is_finite()).collect();
    let all = kept.len() == scores.len();
    if !all && spec.credit.needs_values() {
        scores.retain(|score| score.is_finite());
        batch = batch.of(kept.iter().copied());
    }
    let explained_variance = give_credit(spec, &mut batch, policy, &scores, weight)?;
    if !all && !spec.credit.needs_values() {
        batch = batch.of(kept);
    }
    if spec.whiten_advantages
        && let Some(advantages) = batch.columns.get_mut(ContextPart::Advantages)
    {
        whiten(advantages, true);
    }
    Ok((batch, explained_variance))
}

/// Sets the advantages, and what else follows from the scores, with this weight of the KL divergence. Returns the share of the returns that a critic explains.
fn give_credit(
    spec: &TextSourceSpec,
    batch: &mut TextBatch,
    policy: &TextPolicy,
    scores: &[f64],
    weight: f64,
) -> Result<Option<f64>, Error> {
    let &TextSourceSpec { credit, kl_place, sample, group_size, .. } = spec;
    let divergences = divergences(batch);
    if let Credit::Gae(gae) = credit {
        let of_part = |part: &TextBatch| policy.values(part.hidden(policy.model())).expect("checked before training");
        let values = batch.by_parts(spec.rows_at_once, policy.model().is_computed_in_parts(), of_part)?;
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
        batch.columns.set(ContextPart::OldValues, values);
        batch.columns.set(ContextPart::Returns, narrow(&targets.returns));
        batch.columns.set(ContextPart::Advantages, narrow(&advantages));
        return Ok(explained);
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
    Ok(None)
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
