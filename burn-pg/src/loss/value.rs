//! The squared error of the values.

use super::{LossContext, LossTerm, TermOutput};

/// Half the mean squared error between values and returns,
///
/// ```text
/// L = 0.5 mean((V - R)^2)
/// ```
///
/// With a clip range c each sample instead takes the larger of that error and the error of a value that has moved by at
/// most c since the rollout, `V_old + clip(V - V_old, -c, c)`; this is the form of CleanRL and of OpenAI's baselines.
///
/// Reports `value_loss`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Value {
    /// How far values may move from those of the rollout, if that is limited; positive.
    pub clip_range: Option<f64>,
}

impl LossTerm for Value {
    fn compute(&self, context: &LossContext) -> TermOutput {
        let (values, returns) = (context.values.clone(), context.returns.clone());
        let error = (values.clone() - returns.clone()).square();
        let error = match self.clip_range {
            None => error,
            Some(range) => {
                let old = context.old_values.clone();
                let clipped = old.clone() + (values - old).clamp(-range, range);
                error.max_pair((clipped - returns).square())
            }
        };
        let loss = error.mean().mul_scalar(0.5);
        TermOutput { metrics: vec![("value_loss", loss.clone().inner())], loss }
    }
}
