//! Finds the environment and the loss term that made an update fail.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::{
    Error,
    device::readback::read,
    loss::{Metric, Objective, ObjectiveOutput},
    optim::flatten_gradients,
    policy::Policy,
    source::Samples,
};

/// Adds to an [`Error::NonFinite`] the environment and the loss term that caused it, if they can be found. The
/// environment is that of the first unit of samples with a metric or a gradient that is not finite under `policy`, the
/// policy before the update. The term is the first one that fails in this unit alone, without the other terms.
/// `objectives` are searched in order; each comes with a flag that is true if it normalises advantages, and with the
/// largest number of rows to evaluate at once.
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
        // True if a metric or the norm of the gradient is not finite, with all terms or with one of them.
        let fails = |range: Range<usize>, term: Option<&str>| -> Result<bool, Error> {
            let units: Vec<u32> = (0..).take(range.end).skip(range.start).collect();
            let samples = samples.select(&units);
            let samples = if normalize_advantages { samples.with_normalized_advantages() } else { samples };
            let ObjectiveOutput { loss, metrics } = match term {
                None => objective.compute(&samples.context(policy)),
                Some(term) => objective.compute_only(term, &samples.context(policy)),
            };
            let norm = flatten_gradients(policy, &loss.backward()).square().sum().sqrt();
            let values = metrics.into_iter().map(|(_, value): Metric| value).chain([norm]).collect();
            let [values] = read([Tensor::cat(values, 0)])?;
            Ok(values.iter().any(|value| !value.is_finite()))
        };
        let (count, size) = (samples.num_rows() / samples.unit(), size.div_ceil(samples.unit()));
        // If the device fails here, the error keeps what is already known.
        if let Ok(Some(unit)) = first(count, size, |range| fails(range, None)) {
            let (suspected, others): (Vec<_>, Vec<_>) = objective.terms().partition(|&term| Some(term) == named);
            let fails_alone = |term| fails(unit..unit + 1, Some(term)).map(|failed| failed.then_some(term)).transpose();
            // `None` if the terms fail only together.
            let found = suspected.into_iter().chain(others).find_map(fails_alone);
            let term = found.and_then(Result::ok).or(named);
            return Error::NonFinite { update, metric, value, term, env: samples.origin(unit) };
        }
    }
    Error::NonFinite { update, metric, value, term: named, env: None }
}

/// Returns the first of `count` units that fails. Tries `size` units at once, and bisects them if they fail. If they
/// fail together but neither half of them fails alone, continues with the next units.
fn first(
    count: usize,
    size: usize,
    fails: impl Fn(Range<usize>) -> Result<bool, Error>,
) -> Result<Option<usize>, Error> {
    for start in (0..count).step_by(size) {
        let mut range = start..count.min(start + size);
        while fails(range.clone())? {
            if range.len() == 1 {
                return Ok(Some(range.start));
            }
            let middle = range.start.midpoint(range.end);
            range = if fails(range.start..middle)? { range.start..middle } else { middle..range.end };
        }
    }
    Ok(None)
}
