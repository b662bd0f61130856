//! The formulas of losses, densities and optimisers, each written once for tensors and for kernels.
//!
//! A formula is generic over [`Number`], which is either a tensor of all samples, differentiated by autodiff, or a
//! [`Dual`], the value of one sample with its derivatives. With a `Dual`, a kernel computes value and derivatives in
//! one pass.

mod beta;
mod density;
mod dual;
mod gamma;
mod loss;
mod number;
mod optim;
mod term;
mod value;

pub(crate) use beta::*;
pub(crate) use density::*;
pub(crate) use dual::Dual;
pub(crate) use gamma::*;
pub(crate) use loss::*;
pub(crate) use number::Number;
pub(crate) use optim::*;
pub(crate) use term::*;
pub(crate) use value::Value;
