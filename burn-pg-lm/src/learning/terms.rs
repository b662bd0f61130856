//! Loss terms for stored examples.

use burn::tensor::activation::log_sigmoid;
use serde::{Deserialize, Serialize};

use burn_pg::loss::{ContextPart, LossContext, LossTerm, ObjectiveError, PerSample};

/// The negative log-likelihood of what is learned from: `-log pi`. With the tokens of stored texts this is pretraining and supervised
/// fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likelihood;

impl LossTerm for Likelihood {
    fn name(&self) -> &'static str {
        "likelihood_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(-context.log_probs())
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs]
    }
}

/// How the logit of a preference becomes a loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreferenceLoss {
    /// `-p log sigmoid(beta d) - (1 - p) log sigmoid(-beta d)`: the likelihood of a preference after Bradley and Terry. For a reward
    /// model, d is the difference of the scores; for a policy it is DPO.
    #[default]
    Sigmoid,
    /// `max(0, 1 - beta d)`, as in SLiC.
    Hinge,
    /// `(d - 1 / (2 beta))^2`: identity preference optimisation.
    Squared,
}

/// Learns from pairs of texts, of which one was preferred. The samples are pairs, with
///
/// ```text
/// d = log_probs - reference_log_probs
/// ```
///
/// For a policy, `log_probs` are the differences of the log-probabilities of chosen and rejected completions, and `reference_log_probs`
/// the same under a reference; `beta d` is then the difference of the rewards that the policy stands for. For a reward model, they are
/// the differences of the scores, and the margins. [`Returns`](ContextPart::Returns) are the probabilities p that the chosen one is
/// better: 1, or 1/2 for a tie (only with [`PreferenceLoss::Sigmoid`]).
///
/// Reports `preference_loss`, `accuracy` (the share of pairs with d > 0; a tie counts as a half) and `margin` (the mean of `beta d`). For a reward model,
/// d is there the difference of the scores, without the margin.
///
/// Sources: R. Rafailov et al., *Direct preference optimization* (2023); Y. Zhao et al., *SLiC-HF* (2023); M. Azar et al., *A general
/// theoretical paradigm to understand learning from human preferences* (2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Preference {
    /// The loss.
    pub loss: PreferenceLoss,
    /// The weight of the KL divergence from the reference that the loss stands for, more than 0; 1 for a reward model.
    pub beta: f64,
    /// True for a reward model.
    pub of_scores: bool,
}

impl LossTerm for Preference {
    fn name(&self) -> &'static str {
        "preference_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let difference = context.log_probs() - context.reference_log_probs();
        let logit = difference.clone() * self.beta;
        let loss = match self.loss {
            // -log sigmoid(-x) = x - log sigmoid(x)
            PreferenceLoss::Sigmoid => logit.clone() * (-context.returns() + 1.0) - log_sigmoid(logit.clone()),
            PreferenceLoss::Hinge => (-logit.clone() + 1.0).clamp_min(0.0),
            PreferenceLoss::Squared => (difference.clone() - 0.5 / self.beta).square(),
        };
        let reported = if self.of_scores { context.log_probs() } else { difference }.inner();
        // 1 or 0, and a half for a tie.
        let is_tie = context.returns().inner().lower_elem(1.0).float();
        let right = reported.clone().greater_elem(0.0).float();
        let right = right.clone() + is_tie * (-right + 0.5);
        PerSample::new(loss).with_metric("accuracy", right).with_metric("margin", reported * self.beta)
    }

    fn validate(&self) -> Result<(), ObjectiveError> {
        let holds = self.beta.is_finite() && self.beta > 0.0;
        let (term, name, value) = (self.name(), "beta", self.beta.into());
        if holds { Ok(()) } else { Err(ObjectiveError::OutOfRange { term, name, value, range: "more than 0" }) }
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::LogProbs, ContextPart::ReferenceLogProbs, ContextPart::Returns]
    }
}

/// Keeps the scores of a reward model near 0: the square of the sum of both scores of a pair, which a preference does not determine.
///
/// Source: J. Eisenstein et al., *Helping or herding?* (2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Centring;

impl LossTerm for Centring {
    fn name(&self) -> &'static str {
        "centring_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.values().square())
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::Values]
    }
}
