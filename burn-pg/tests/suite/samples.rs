//! Small minibatches of made-up numbers.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use burn_pg::{
    envs::EnvRng,
    loss::{ContextPart, LossContext, LossTerm, PerSample},
};

use crate::precision::{Precision, values};

/// A minibatch of M samples, on the host. Each vector is of length M.
#[derive(Debug, Clone)]
pub struct Samples {
    pub log_probs: Vec<f64>,
    pub entropies: Vec<f64>,
    pub values: Vec<f64>,
    pub old_log_probs: Vec<f64>,
    pub old_values: Vec<f64>,
    pub advantages: Vec<f64>,
    pub returns: Vec<f64>,
    pub reference_log_probs: Vec<f64>,
}

/// The derivatives of a loss with respect to log-probabilities, entropies and values.
#[derive(Debug, Clone, PartialEq)]
pub struct Derivatives {
    pub log_probs: Vec<f64>,
    pub entropies: Vec<f64>,
    pub values: Vec<f64>,
}

impl Samples {
    /// Samples whose ratios and values are on both sides of every clip.
    pub fn random(samples: usize, rng: &mut EnvRng) -> Self {
        let mut draw = |low: f64, high: f64| (0..samples).map(|_| rng.uniform(low, high)).collect();
        Self {
            log_probs: draw(-2.0, -0.1),
            entropies: draw(0.1, 2.0),
            values: draw(-1.0, 1.0),
            old_log_probs: draw(-2.0, -0.1),
            old_values: draw(-1.0, 1.0),
            advantages: draw(-2.0, 2.0),
            returns: draw(-1.0, 1.0),
            reference_log_probs: draw(-2.0, -0.1),
        }
    }

    /// Samples with these log-ratios and advantages; everything else is 0.
    pub fn with_log_ratios(log_ratios: &[f64], advantages: &[f64]) -> Self {
        let zeros = vec![0.0; log_ratios.len()];
        Self {
            log_probs: log_ratios.to_vec(),
            entropies: zeros.clone(),
            values: zeros.clone(),
            old_log_probs: zeros.clone(),
            old_values: zeros.clone(),
            advantages: advantages.to_vec(),
            returns: zeros.clone(),
            reference_log_probs: zeros,
        }
    }

    pub fn context(&self, precision: &Precision) -> LossContext<'static> {
        let leaf = |numbers: &[f64]| precision.vector(numbers).require_grad();
        LossContext::new(self.log_probs.len() as f64, 0.0)
            .with_tensor(ContextPart::LogProbs, leaf(&self.log_probs))
            .with_tensor(ContextPart::Entropies, leaf(&self.entropies))
            .with_tensor(ContextPart::Values, leaf(&self.values))
            .with_tensor(ContextPart::OldLogProbs, precision.vector(&self.old_log_probs))
            .with_tensor(ContextPart::OldValues, precision.vector(&self.old_values))
            .with_tensor(ContextPart::Advantages, precision.vector(&self.advantages))
            .with_tensor(ContextPart::Returns, precision.vector(&self.returns))
            .with_tensor(ContextPart::ReferenceLogProbs, precision.vector(&self.reference_log_probs))
    }

    /// Returns the mean loss.
    pub fn loss(&self, term: &dyn LossTerm, precision: &Precision) -> f64 {
        mean(term.compute(&self.context(precision)).loss)
    }

    /// Returns the derivatives of the mean loss.
    pub fn derivatives(&self, term: &dyn LossTerm, precision: &Precision) -> Derivatives {
        let context = self.context(precision);
        let gradients = term.compute(&context).loss.mean().backward();
        let of = |leaf: Tensor<1>| match leaf.grad(&gradients) {
            Some(gradient) => values(gradient),
            None => vec![0.0; self.log_probs.len()],
        };
        Derivatives {
            log_probs: of(context.log_probs()),
            entropies: of(context.entropies()),
            values: of(context.values()),
        }
    }
}

/// Returns the mean over samples.
pub fn mean(vector: Tensor<1>) -> f64 {
    values(vector.mean())[0]
}

/// Returns the means of the metrics of a term.
pub fn means(output: PerSample) -> BTreeMap<&'static str, f64> {
    output.metrics.into_iter().map(|(name, vector)| (name, mean(vector))).collect()
}
