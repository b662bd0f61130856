//! Ranks that MPI connects: one process each, on one machine or on many.
//!
//! ```no_run
//! use burn_pg::ranks::Ranks;
//! use burn_pg_mpi::Mpi;
//!
//! let ranks = Ranks::new(Mpi::connect()?);
//! println!("rank {} of {}", ranks.rank(), ranks.count());
//! # Ok::<(), burn_pg_mpi::MpiError>(())
//! ```
#![forbid(unsafe_code)]

use std::sync::Mutex;

use burn_pg::ranks::{GradientSync, SyncError, add_in_order};
use mpi::{
    Threading,
    collective::SystemOperation,
    datatype::PartitionMut,
    environment::Universe,
    traits::{Communicator, CommunicatorCollectives},
};

/// Numbers that are added up by MPI itself if there are more: 1 MB.
const MANY: usize = 1 << 18;

/// The processes that `mpirun` has started. A process has one.
pub struct Mpi {
    /// Ends MPI when it is dropped.
    universe: Mutex<Universe>,
    rank: usize,
    ranks: usize,
}

/// Why MPI cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MpiError {
    /// MPI has been used before.
    #[error("MPI is already used by this process")]
    Used,
    /// MPI cannot be called from other threads than the one that began to use it.
    #[error("this MPI was built without support for threads")]
    Threads,
}

impl Mpi {
    /// Meets the other processes. Without `mpirun`, there is one.
    ///
    /// # Errors
    /// [`MpiError`] if MPI is used already, or cannot be called from several threads.
    pub fn connect() -> Result<Self, MpiError> {
        let (universe, threading) = mpi::initialize_with_threading(Threading::Serialized).ok_or(MpiError::Used)?;
        if threading < Threading::Serialized {
            return Err(MpiError::Threads);
        }
        let world = universe.world();
        let number = |number: i32| usize::try_from(number).expect("MPI counts from 0");
        Ok(Self { rank: number(world.rank()), ranks: number(world.size()), universe: Mutex::new(universe) })
    }
}

impl GradientSync for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SyncError> {
        let universe = self.universe.lock().expect("no thread panics in MPI");
        let world = universe.world();
        let own = i32::try_from(bytes.len()).expect("fewer than 2^31 bytes");
        let mut lengths = vec![0; self.ranks];
        world.all_gather_into(&own, &mut lengths[..]);
        let firsts: Vec<i32> = lengths
            .iter()
            .scan(0_i32, |end, length| {
                let first = *end;
                *end = end.checked_add(*length).expect("fewer than 2^31 bytes");
                Some(first)
            })
            .collect();
        let total: i32 = lengths.iter().sum();
        let mut all = vec![0_u8; usize::try_from(total).expect("lengths are positive")];
        world.all_gather_varcount_into(bytes, &mut PartitionMut::new(&mut all[..], &lengths[..], &firsts[..]));
        let mut rest = &all[..];
        let parts = lengths.iter().map(|&length| {
            let (part, after) = rest.split_at(usize::try_from(length).expect("lengths are positive"));
            rest = after;
            part.to_vec()
        });
        Ok(parts.collect())
    }

    fn add_up(&self, values: &mut [f32]) -> Result<(), SyncError> {
        if values.len() < MANY {
            return add_in_order(self, values);
        }
        let universe = self.universe.lock().expect("no thread panics in MPI");
        let own = values.to_vec();
        universe.world().all_reduce_into(&own[..], values, SystemOperation::sum());
        Ok(())
    }
}
