//! Training on several ranks: processes or threads, each with its share of the environments.
//!
//! Every rank has a copy of the policy and of the optimiser. It computes the gradient of its share of each minibatch;
//! the shares are added up before the norm is clipped, so that all ranks take the same step. What the ranks do is what
//! one rank does with all environments, up to the rounding of sums.
//!
//! | [`GradientSync`] | ranks |
//! | --- | --- |
//! | [`Alone`] | one |
//! | [`Threads`] | threads of this process |
//! | `Mpi` of the crate `burn-pg-mpi` | processes, on one machine or on many |

mod alone;
mod mean;
mod share;
mod threads;

use std::{
    fmt, iter,
    sync::{Arc, Mutex, PoisonError},
};

pub use alone::Alone;
pub(crate) use share::Share;
pub use threads::Threads;

/// What connects the ranks. All ranks call the same methods in the same order; each call waits for all of them.
pub trait GradientSync: Send + Sync {
    /// Returns the number of this rank, counted from 0.
    fn rank(&self) -> usize;

    /// Returns the number of ranks, at least 1.
    fn ranks(&self) -> usize;

    /// Returns what each rank passes, in the order of the ranks.
    ///
    /// # Errors
    /// If a rank is lost.
    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SyncError>;

    /// Adds up `values` over all ranks, to the same bits on each rank. By default in the order of the ranks, so that the
    /// result depends on nothing but their number; an implementation may be faster with many values.
    ///
    /// # Errors
    /// If a rank is lost, or passes another number of values.
    fn add_up(&self, values: &mut [f32]) -> Result<(), SyncError> {
        add_in_order(self, values)
    }
}

/// Adds up `values` over all ranks in their order: the default of [`GradientSync::add_up`].
///
/// # Errors
/// As [`GradientSync::add_up`].
pub fn add_in_order(sync: &(impl GradientSync + ?Sized), values: &mut [f32]) -> Result<(), SyncError> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let all = sync.all_gather(&bytes)?;
    values.fill(0.0);
    for (rank, bytes) in all.iter().enumerate() {
        if bytes.len() != 4 * values.len() {
            return Err(SyncError::Length { rank, found: bytes.len() / 4, expected: values.len() });
        }
        for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(4)) {
            *value += f32::from_le_bytes(bytes.try_into().expect("four bytes"));
        }
    }
    Ok(())
}

/// What numbers are about that ranks exchange: all must be about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Topic {
    Gradient,
    Advantages,
    Samples,
    Rollout,
    Statistics,
    Returns,
    Outcome,
    End,
}

/// Why ranks cannot go on together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// A rank has ended.
    #[error("rank {rank} has ended")]
    Lost {
        /// The rank.
        rank: usize,
    },
    /// A rank is at another place of its run.
    #[error("rank {rank} is at another place of its run: the ranks differ in what they train")]
    OutOfStep {
        /// The rank.
        rank: usize,
    },
    /// A rank computes something else than this one.
    #[error("rank {rank} has {found} numbers where this rank has {expected}: the ranks differ in what they train")]
    Length {
        /// The rank.
        rank: usize,
        /// Its numbers.
        found: usize,
        /// The numbers of this rank.
        expected: usize,
    },
}

/// The ranks of a run, as its parts see them. After a failure all sums are NaN, until [`check`](Self::check) reports it, so
/// that no step of an update has to.
#[derive(Clone)]
pub struct Ranks {
    sync: Arc<dyn GradientSync>,
    failure: Arc<Mutex<Option<SyncError>>>,
}

impl Default for Ranks {
    /// One rank.
    fn default() -> Self {
        Self::new(Alone)
    }
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ranks({} of {})", self.rank(), self.count())
    }
}

impl Ranks {
    /// Creates the ranks that `sync` connects.
    #[must_use]
    pub fn new(sync: impl GradientSync + 'static) -> Self {
        Self { sync: Arc::new(sync), failure: Arc::default() }
    }

    /// Returns the number of this rank, counted from 0.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.sync.rank()
    }

    /// Returns the number of ranks.
    #[must_use]
    pub fn count(&self) -> usize {
        self.sync.ranks()
    }

    /// Returns what connects the ranks.
    #[must_use]
    pub fn sync(&self) -> &dyn GradientSync {
        &*self.sync
    }

    /// True if there is one rank.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.count() == 1
    }

    /// Reports a failure since the last call.
    ///
    /// # Errors
    /// Why the ranks cannot go on.
    pub fn check(&self) -> Result<(), SyncError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Returns numbers of all ranks, in the order of the ranks; `None` after a failure.
    pub(crate) fn gather(&self, topic: Topic, numbers: &[f64]) -> Option<Vec<Vec<f64>>> {
        let number = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let bytes: Vec<u8> =
            iter::once(topic as u8).chain(numbers.iter().flat_map(|number| number.to_le_bytes())).collect();
        let numbers_of = |(rank, bytes): (usize, &Vec<u8>)| match bytes.split_first() {
            Some((&of_rank, numbers)) if of_rank == topic as u8 => Ok(numbers.chunks_exact(8).map(number).collect()),
            _ => Err(SyncError::OutOfStep { rank }),
        };
        self.noted(self.sync.all_gather(&bytes).and_then(|all| all.iter().enumerate().map(numbers_of).collect()))
    }

    /// Adds up numbers over all ranks, in the order of the ranks. They are NaN after a failure.
    pub(crate) fn add_up(&self, topic: Topic, numbers: &mut [f64]) {
        let expected = numbers.len();
        let all = self.gather(topic, numbers).and_then(|all| {
            let other = all.iter().enumerate().find(|(_, of_rank)| of_rank.len() != expected);
            let length = other.map(|(rank, of_rank)| SyncError::Length { rank, found: of_rank.len(), expected });
            self.noted(length.map_or(Ok(all), Err))
        });
        let Some(all) = all else { return numbers.fill(f64::NAN) };
        numbers.fill(0.0);
        for of_rank in all {
            numbers.iter_mut().zip(of_rank).for_each(|(sum, number)| *sum += number);
        }
    }

    /// Adds up many numbers over all ranks. They are NaN after a failure.
    fn add_up_single(&self, numbers: &mut [f32]) {
        if self.noted(self.sync.add_up(numbers)).is_none() {
            numbers.fill(f32::NAN);
        }
    }

    fn noted<T>(&self, outcome: Result<T, SyncError>) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                None
            }
        }
    }
}
