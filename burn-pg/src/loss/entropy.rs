//! The entropy bonus.

use super::{ClosedForm, ContextPart, LossContext, LossTerm, PerSample};

/// Minus the mean entropy of the policy, in nats: minimising it keeps the policy exploring.
///
/// Reports `entropy_loss`, and `entropy` (the mean itself, not its negative).
///
/// Source: R. Williams, J. Peng, *Function optimization using connectionist reinforcement learning algorithms* (1991).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Entropy;

impl LossTerm for Entropy {
    fn name(&self) -> &'static str {
        "entropy_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        let entropies = context.entropies();
        PerSample::new(entropies.clone().neg()).with_metric("entropy", entropies.inner())
    }

    fn closed_form(&self, _progress: f64) -> Option<ClosedForm> {
        Some(ClosedForm::Entropy)
    }

    fn needs(&self) -> &'static [ContextPart] {
        &[ContextPart::Entropies]
    }
}
