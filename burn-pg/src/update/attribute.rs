//! Finds the environment and the loss term that made an update fail.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::{
    Error,
    device::readback::read,
    loss::{LossContext, Metric, Objective, ObjectiveOutput},
    optim::flatten_gradients,
    policy::Policy,
    source::Samples,
};

/// Adds to an [`Error::NonFinite`] the environment and the loss term that caused it, if they can be found. The
/// environment is that of the first unit of samples with a metric or a gradient that is not finite under `policy`, the
/// policy before the update. The term is the first one for which this holds alone. `objectives` are searched in order;
/// each comes with whether it normalises advantages, and the largest number of rows to evaluate at once.
pub(super) fn attribute<P: Policy, S: Samples<P>>(
    error: Error,
    policy: &P,
    samples: &S,
    objectives: &[(&Objective, bool, usize)],
) -> Error {
    let Error::NonFinite { update, metric, value, .. } = error else { return error };
    let mut terms = objectives.iter().flat_map(|(objective, ..)| objective.terms());
    let named = terms.find(|&term| term == metric);
    for &(objective, normalize_advantages, size) in objectives {
        let search = Search { policy, objective, normalize_advantages, samples };
        // If the device fails here, the error keeps what is already known.
        if let Ok(Some(unit)) = search.first(size) {
            let term = search.first_term(unit, named).unwrap_or_default().or(named);
            return Error::NonFinite { update, metric, value, term, env: samples.origin(unit) };
        }
    }
    Error::NonFinite { update, metric, value, term: named, env: None }
}

/// Searches units of samples, which are given by their index.
struct Search<'a, P, S> {
    policy: &'a P,
    objective: &'a Objective,
    normalize_advantages: bool,
    samples: &'a S,
}

impl<P: Policy, S: Samples<P>> Search<'_, P, S> {
    fn first(&self, rows: usize) -> Result<Option<usize>, Error> {
        let count = self.samples.num_rows() / self.samples.unit();
        let size = rows.div_ceil(self.samples.unit());
        for start in (0..count).step_by(size) {
            if let Some(unit) = self.first_within(start..count.min(start + size))? {
                return Ok(Some(unit));
            }
        }
        Ok(None)
    }

    /// Bisects the range. Returns `None` if the samples fail together but no half of them fails alone.
    fn first_within(&self, mut range: Range<usize>) -> Result<Option<usize>, Error> {
        let spoils = |range: Range<usize>| self.spoils(range, |context| self.objective.compute(context));
        while spoils(range.clone())? {
            if range.len() == 1 {
                return Ok(Some(range.start));
            }
            let middle = range.start.midpoint(range.end);
            range = if spoils(range.start..middle)? { range.start..middle } else { middle..range.end };
        }
        Ok(None)
    }

    /// Returns the first term that fails alone, beginning with `suspect`. `None` if only several terms together fail.
    fn first_term(&self, unit: usize, suspect: Option<&str>) -> Result<Option<&'static str>, Error> {
        let (suspected, others): (Vec<_>, Vec<_>) = self.objective.terms().partition(|&term| Some(term) == suspect);
        for term in suspected.into_iter().chain(others) {
            if self.spoils(unit..unit + 1, |context| self.objective.compute_only(term, context))? {
                return Ok(Some(term));
            }
        }
        Ok(None)
    }

    /// True if a metric or the norm of the gradient is not finite.
    fn spoils(
        &self,
        range: Range<usize>,
        compute: impl Fn(&LossContext<'_>) -> ObjectiveOutput,
    ) -> Result<bool, Error> {
        let units: Vec<u32> = (0..).take(range.end).skip(range.start).collect();
        let samples = self.samples.select(&units);
        let samples = if self.normalize_advantages { samples.with_normalized_advantages() } else { samples };
        let ObjectiveOutput { loss, metrics } = compute(&samples.context(self.policy));
        let norm = flatten_gradients(self.policy, &loss.backward()).square().sum().sqrt();
        let numbers = metrics.into_iter().map(|(_, value): Metric| value).chain([norm]).collect();
        let [numbers] = read([Tensor::cat(numbers, 0)])?;
        Ok(numbers.iter().any(|number| !number.is_finite()))
    }
}
