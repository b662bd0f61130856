//! Whose samples made an update fail, and in which term.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::{
    Error,
    device::readback::read,
    loss::{LossContext, Metric, Objective, TermOutput},
    optim::flatten_gradients,
    policy::{Observation, Policy, Prediction},
    source::Batch,
    update::{
        learner::Learner,
        minibatch::{context, normalize_advantages},
        trust_region::TrustRegion,
    },
};

/// Adds to an [`Error::NonFinite`] the environment and the term to blame, if there are any: the first environment whose
/// sample, or sequence of samples, gives a loss, a metric or a gradient that is not finite under the policy of before
/// the update, and the first term that does so alone. `envs` are those of the samples or sequences of `batch`, and no
/// more than `size` samples are looked at together, but for the step of a trust region, which takes all of them at
/// once.
pub(crate) fn blame<P: Policy<Observation = Observation>>(
    error: Error,
    learner: &Learner<P>,
    region: Option<&TrustRegion>,
    batch: &Batch,
    envs: &[usize],
    size: usize,
) -> Error {
    let Error::NonFinite { update, metric, value, .. } = error else { return error };
    let policy = &learner.policy;
    let of_region = region.map(|TrustRegion { objective, normalize_advantages, .. }| Search {
        policy,
        objective,
        normalize_advantages: *normalize_advantages,
        has_values: false,
        batch,
    });
    let of_learner = Search {
        policy,
        objective: &learner.objective,
        normalize_advantages: learner.normalize_advantages,
        has_values: true,
        batch,
    };
    let terms = of_region.iter().chain([&of_learner]).flat_map(|search| search.objective.terms());
    let named = terms.into_iter().find(|&term| term == metric);
    let searches = of_region.iter().map(|search| (search, batch.num_rows())).chain([(&of_learner, size)]);
    for (search, size) in searches {
        // A device that fails here takes nothing from what is known already.
        if let Ok(Some(index)) = search.first(envs.len(), size) {
            let term = search.first_term(index, named).unwrap_or_default().or(named);
            return Error::NonFinite { update, metric, value, term, env: Some(envs[index]) };
        }
    }
    Error::NonFinite { update, metric, value, term: named, env: None }
}

/// Looks at samples, or at sequences of samples, that are given by their index in the batch.
struct Search<'a, P> {
    policy: &'a P,
    objective: &'a Objective,
    normalize_advantages: bool,
    /// Is the objective shown the values of the critic?
    has_values: bool,
    batch: &'a Batch,
}

impl<P: Policy<Observation = Observation>> Search<'_, P> {
    fn first(&self, count: usize, size: usize) -> Result<Option<usize>, Error> {
        let size = size.div_ceil(self.batch.unit());
        for start in (0..count).step_by(size) {
            if let Some(index) = self.first_within(start..count.min(start + size))? {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// By halves. None if the samples are too large together, and not one by one.
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

    /// The first term that is enough, beginning with the one that is suspected. None if it takes several of them.
    fn first_term(&self, index: usize, suspect: Option<&str>) -> Result<Option<&'static str>, Error> {
        let (suspected, others): (Vec<_>, Vec<_>) = self.objective.terms().partition(|&term| Some(term) == suspect);
        for term in suspected.into_iter().chain(others) {
            if self.spoils(index..index + 1, |context| self.objective.compute_only(term, context))? {
                return Ok(Some(term));
            }
        }
        Ok(None)
    }

    /// Is a metric, or the norm of the gradient, not finite?
    fn spoils(&self, range: Range<usize>, compute: impl Fn(&LossContext) -> TermOutput) -> Result<bool, Error> {
        let indices: Vec<u32> = (0..).take(range.end).skip(range.start).collect();
        let samples = self.batch.select(&indices);
        let samples = if self.normalize_advantages { normalize_advantages(samples) } else { samples };
        let prediction = self.policy.forward(samples.shown_to(self.policy));
        let values = prediction.values.filter(|_| self.has_values);
        let TermOutput { loss, metrics } = compute(&context(Prediction { values, ..prediction }, samples));
        let norm = flatten_gradients(self.policy, &loss.backward()).square().sum().sqrt();
        let numbers = metrics.into_iter().map(|(_, value): Metric| value).chain([norm]).collect();
        let [numbers] = read([Tensor::cat(numbers, 0)])?;
        Ok(numbers.iter().any(|number| !number.is_finite()))
    }
}
