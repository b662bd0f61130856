//! The table of kernels: the kernel for each operation and backend.
//!
//! A row is one of the [operations](super::operations), a column the [`Table`] of a backend, which leaves out
//! operations without a kernel. If there is no kernel for the tensors, the caller uses the reference implementation,
//! which consists of tensor operations of Burn.

use burn::{
    nn::Linear,
    tensor::{Int, Tensor},
};

use super::{
    Activation, ClippedSurrogate, ValueLimit,
    formula::AdamStep,
    operations::{Table, for_each_operation},
};

/// The tables of all backends that have kernels.
static TABLES: &[Table] = &[
    #[cfg(feature = "flex")]
    super::flex::TABLE,
];

macro_rules! lookups {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) -> $output:ty;)*) => {
        $(
            $(#[$doc])*
            pub(crate) fn $name($($argument: $kind),*) -> Option<$output> {
                TABLES.iter().find_map(|table| table.$name.and_then(|kernel| kernel($($argument),*)))
            }
        )*
    };
}

for_each_operation!(lookups);

/// Copies the elements of a single-precision tensor in the memory of the host. `None` for other tensors.
pub(crate) fn on_host<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    let len = tensor.shape().num_elements();
    numbers_on_host(&tensor.reshape([len]))
}
