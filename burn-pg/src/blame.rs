//! Whose samples made an update fail.

use std::ops::Range;

use burn::tensor::Tensor;

use crate::{Error, learner::Learner, optim::clip_global_norm, policy::ActorCritic, readback::read, rollout::Batch};

/// Adds to an [`Error::NonFinite`] the environment to blame, if there is one: the first of those whose sample, or sequence
/// of samples, gives a loss, a metric or a gradient that is not finite under the policy of before the update. `envs` are
/// those of the samples or sequences of `batch`, and no more than `size` samples are looked at together.
pub(crate) fn blame<P: ActorCritic>(
    error: Error,
    learner: &Learner<P>,
    batch: &Batch,
    envs: &[usize],
    size: usize,
) -> Error {
    match error {
        Error::NonFinite { update, metric, value, .. } => {
            let search = Search { learner, batch };
            // A device that fails here takes nothing from what is known already.
            let env = search.first(envs.len(), size).unwrap_or_default().map(|index| envs[index]);
            Error::NonFinite { update, metric, value, env }
        }
        other => other,
    }
}

/// Looks at samples, or at sequences of samples, that are given by their index in the batch.
struct Search<'a, P> {
    learner: &'a Learner<P>,
    batch: &'a Batch,
}

impl<P: ActorCritic> Search<'_, P> {
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
        while self.spoils(range.clone())? {
            if range.len() == 1 {
                return Ok(Some(range.start));
            }
            let middle = range.start.midpoint(range.end);
            range = if self.spoils(range.start..middle)? { range.start..middle } else { middle..range.end };
        }
        Ok(None)
    }

    fn spoils(&self, range: Range<usize>) -> Result<bool, Error> {
        let indices: Vec<u32> = (0..).take(range.end).skip(range.start).collect();
        let (gradient, metrics) = self.learner.gradient(self.batch.select(&indices));
        let (_, norm) = clip_global_norm(gradient, self.learner.max_grad_norm);
        let numbers = metrics.into_iter().map(|(_, value)| value).chain([norm]).collect();
        let [numbers] = read([Tensor::cat(numbers, 0)])?;
        Ok(numbers.iter().any(|number| !number.is_finite()))
    }
}
