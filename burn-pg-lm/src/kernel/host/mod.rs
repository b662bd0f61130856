//! Arithmetic of transformers on arrays of the host. What is computed for a row does not depend on the other rows, so that
//! a token has the same bits in training as when it was sampled.

mod attention;
mod gelu;
mod head;
mod linear;
mod norm;
mod rotate;

pub(crate) use attention::{Heads, Memory, Span, Workspace, attend, attend_all, attend_backward};
pub(crate) use gelu::{gelu, gelu_backward, silu, silu_backward};
pub(crate) use head::Head;
pub(crate) use linear::{Linear, linear_backward};
pub(crate) use norm::{norm, norm_backward};
pub(crate) use rotate::Angles;
