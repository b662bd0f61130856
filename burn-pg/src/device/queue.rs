//! The queue of a thread on GPUs.

/// The queue to which a thread submits work for GPUs. By default each thread has one, with memory of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queue {
    #[cfg(feature = "cube")]
    id: cubecl_environment::stream::StreamId,
}

impl Queue {
    /// Returns the queue of this thread.
    pub fn of_this_thread() -> Self {
        Self {
            #[cfg(feature = "cube")]
            id: cubecl_environment::stream::StreamId::current(),
        }
    }

    /// Runs `work`, which submits to this queue, whichever thread runs it.
    #[cfg_attr(not(feature = "cube"), allow(clippy::unused_self))]
    pub fn run<R>(self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "cube")]
        return self.id.executes(work);
        #[cfg(not(feature = "cube"))]
        work()
    }
}
