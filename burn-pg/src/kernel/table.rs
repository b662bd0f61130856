//! The table of kernels: the kernel for each operation and backend.
//!
//! Its rows are the [operations](super::operations), its columns the [`Table`]s of the backends. If no backend has a
//! kernel for the tensors, the caller uses the reference implementation, which consists of tensor operations of Burn.

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

/// Copies the elements of a tensor that is in the memory of the host and in single precision; `None` for others.
pub(crate) fn on_host<const D: usize>(tensor: Tensor<D>) -> Option<Vec<f32>> {
    let len = tensor.shape().num_elements();
    copy_to_host(&tensor.reshape([len]))
}
