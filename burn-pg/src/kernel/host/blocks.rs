//! How rows are divided into blocks and tasks. It does not depend on the number of threads, so that sums do not either.

/// Number of rows that go through all layers together, while their intermediate results are in the cache.
pub(crate) const BLOCK: usize = 64;
/// Largest number of tasks; each sums its own gradient.
const TASKS: usize = 16;

/// Returns the number of rows of each task, a multiple of [`BLOCK`], for `rows` rows.
pub(crate) fn rows_of_task(rows: usize) -> usize {
    rows.div_ceil(TASKS).next_multiple_of(2 * BLOCK).max(2 * BLOCK)
}

/// Returns the number of tasks for `rows` rows.
pub(crate) fn tasks(rows: usize) -> usize {
    rows.div_ceil(rows_of_task(rows)).max(1)
}
