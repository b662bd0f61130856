//! Ranks that are threads of one process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{GradientSync, SyncError};

/// A rank of several in this process, for example one for each device. Dropping it ends the waiting of the others.
pub struct Threads {
    rank: usize,
    ranks: usize,
    meeting: Arc<Meeting>,
}

/// Where ranks wait for each other.
struct Meeting {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What each rank has passed in this round.
    passed: Vec<Option<Vec<u8>>>,
    /// What all have passed in the last complete round, and how many ranks have not fetched it.
    complete: (Arc<Vec<Vec<u8>>>, usize),
    /// The first rank that has ended.
    lost: Option<usize>,
}

impl Threads {
    /// Creates ranks, one for each thread that trains.
    #[must_use]
    pub fn new(ranks: usize) -> Vec<Self> {
        let state = State { passed: vec![None; ranks], complete: (Arc::default(), 0), lost: None };
        let meeting = Arc::new(Meeting { state: Mutex::new(state), changed: Condvar::new() });
        (0..ranks).map(|rank| Self { rank, ranks, meeting: Arc::clone(&meeting) }).collect()
    }
}

impl Meeting {
    /// Waits until `ready` returns something, or a rank has ended.
    fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> Result<T, SyncError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(value) = ready(&mut state) {
                self.changed.notify_all();
                return Ok(value);
            }
            if let Some(rank) = state.lost {
                return Err(SyncError::Lost { rank });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl GradientSync for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn all_gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, SyncError> {
        // The last round must be over before the next one is complete.
        self.meeting.wait(|state| {
            if state.complete.1 > 0 && state.passed.iter().flatten().count() + 1 == state.passed.len() {
                return None;
            }
            state.passed[self.rank] = Some(bytes.to_vec());
            if state.passed.iter().all(Option::is_some) {
                let all = state.passed.iter_mut().filter_map(Option::take).collect();
                state.complete = (Arc::new(all), state.passed.len());
            }
            Some(())
        })?;
        let all = self.meeting.wait(|state| {
            if state.passed[self.rank].is_some() {
                return None;
            }
            state.complete.1 -= 1;
            Some(Arc::clone(&state.complete.0))
        })?;
        Ok(Arc::unwrap_or_clone(all))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.meeting.state.lock().unwrap_or_else(PoisonError::into_inner).lost.get_or_insert(self.rank);
        self.meeting.changed.notify_all();
    }
}
