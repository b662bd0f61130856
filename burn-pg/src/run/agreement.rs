//! What the ranks of a run decide together.

use super::{Trainer, faults::Recovery};
use crate::{
    Error,
    policy::Policy,
    ranks::{Ranks, Topic},
    source::Source,
};

/// How a rollout ended, as the other ranks learn of it.
const FINE: f64 = 0.0;
const FAILED_AND_GOES_ON: f64 = 1.0;
const FAILED: f64 = 2.0;

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Sets the ranks of the run, which must be those of its source and of its update. Default: one.
    #[must_use]
    pub fn with_ranks(mut self, ranks: Ranks) -> Self {
        self.ranks = ranks;
        self
    }

    /// Returns `outcome` if all ranks are fine, and else an error: its own, or that of another rank.
    pub(super) fn agreed<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if self.ranks.is_alone() {
            return outcome;
        }
        let own = match &outcome {
            Ok(_) => FINE,
            Err(error) if Recovery::of(error, &self.config.faults).is_some() => FAILED_AND_GOES_ON,
            Err(_) => FAILED,
        };
        let all = self.ranks.gather(Topic::Outcome, &[own]);
        self.ranks.check()?;
        let value = outcome?;
        let failed = all.iter().flatten().position(|of_rank| of_rank != &[FINE]);
        match failed {
            None => Ok(value),
            Some(rank) => {
                let goes_on = all.is_some_and(|all| all[rank] == [FAILED_AND_GOES_ON]);
                Err(Error::OtherRank { update: self.update, rank, goes_on })
            }
        }
    }

    /// True if any rank says so.
    pub(super) fn any_rank(&self, says_so: bool) -> Result<bool, Error> {
        if self.ranks.is_alone() {
            return Ok(says_so);
        }
        let mut sum = [f64::from(u8::from(says_so))];
        self.ranks.add_up(Topic::End, &mut sum);
        self.ranks.check()?;
        Ok(sum[0] > 0.0)
    }
}
