//! The table of kernels: from an operation and a backend to the kernel that does it.
//!
//! A row is one of the [operations](super::operations), a column the [`Table`] of a backend, which leaves out the operations that
//! it has no kernel for. Where no kernel serves, the caller takes the reference implementation, which is made of ordinary tensor
//! operations.

use burn::{
    nn::Linear,
    tensor::{Int, Tensor},
};

use super::{
    Activation, ClippedSurrogate, ValueLimit,
    host::AdamStep,
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

/// A copy of the numbers of a tensor in single precision, if its memory is that of the host.
pub(crate) fn on_host<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    let len = tensor.shape().num_elements();
    numbers_on_host(&tensor.reshape([len]))
}
