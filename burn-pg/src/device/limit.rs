//! Limits of adapters that kernels must keep within.

/// A limit of an adapter that the kernels for a policy exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterLimit {
    /// The networks do not fit into the memory of a workgroup.
    #[error("a network needs {needed} bytes of workgroup memory for {rows} rows, but the adapter has {available}")]
    Memory {
        /// Bytes that the smallest tile needs.
        needed: usize,
        /// Rows of the smallest tile.
        rows: usize,
        /// Bytes of workgroup memory.
        available: usize,
    },
    /// A buffer is larger than the largest one of the adapter.
    #[error("a minibatch needs a buffer of {needed} bytes, but the adapter has at most {available}")]
    Buffer {
        /// Bytes of the buffer.
        needed: u64,
        /// Bytes of the largest buffer that the adapter offers.
        available: u64,
    },
    /// The adapter takes fewer buffers for a kernel than are needed.
    #[error("a kernel needs {needed} buffers, but the adapter takes {available}")]
    Bindings {
        /// Buffers that a kernel needs.
        needed: u32,
        /// Buffers that the adapter takes.
        available: u32,
    },
}
