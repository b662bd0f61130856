//! All trainable parameters of a module as one vector.

use std::vec::IntoIter;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};

#[cfg(feature = "cube")]
use crate::kernel::cube;
use crate::kernel::join_slices;

/// Returns the trainable parameters of `module`, one after the other, without autodiff. Shape `[P]`.
///
/// # Panics
/// If the module has no trainable parameters.
#[must_use]
pub fn flatten_parameters<M: Module>(module: &M) -> Tensor<1> {
    Flatten::run(module, None)
}

/// Returns all parameters of `module`, which is without autodiff, so that it does not know which are trainable. Shape `[P]`.
#[cfg(feature = "cube")]
pub(crate) fn flatten_all<M: Module>(module: &M) -> Tensor<1> {
    let mut flatten = Flatten { gradients: None, all: true, parts: Vec::new() };
    module.visit(&mut flatten);
    flatten.join()
}

/// Returns the gradients of the trainable parameters of `module`, in the same order as [`flatten_parameters`]; 0 where
/// the loss does not depend on a parameter. Shape `[P]`.
///
/// # Panics
/// If the module has no trainable parameters.
#[must_use]
pub fn flatten_gradients<M: Module>(module: &M, gradients: &Gradients) -> Tensor<1> {
    Flatten::run(module, Some(gradients))
}

/// Replaces the trainable parameters of `module` by `values`, in the order of [`flatten_parameters`].
///
/// # Panics
/// If the length of `values` is not the number of trainable parameters.
#[must_use]
#[allow(clippy::needless_pass_by_value)] // a caller has no more use for the values
pub fn replace_parameters<M: Module>(module: M, values: Tensor<1>) -> M {
    let [len] = values.dims();
    let mut lengths = Lengths(Vec::new());
    module.visit(&mut lengths);
    let Lengths(lengths) = lengths;
    assert_eq!(lengths.iter().sum::<usize>(), len, "one value for each trainable parameter");
    module.map(&mut Replace(pieces(&values, &lengths).into_iter()))
}

/// Returns the number of trainable parameters of `module`, P.
#[must_use]
pub fn count_parameters<M: Module>(module: &M) -> usize {
    let mut lengths = Lengths(Vec::new());
    module.visit(&mut lengths);
    lengths.0.iter().sum()
}

struct Flatten<'a> {
    /// The gradients to collect; if there are none, the parameters themselves are collected.
    gradients: Option<&'a Gradients>,
    /// True to collect parameters that are not trainable too.
    all: bool,
    parts: Vec<Tensor<1>>,
}

impl<'a> Flatten<'a> {
    fn run<M: Module>(module: &M, gradients: Option<&'a Gradients>) -> Tensor<1> {
        let mut flatten = Self { gradients, all: false, parts: Vec::new() };
        module.visit(&mut flatten);
        flatten.join()
    }

    fn join(self) -> Tensor<1> {
        #[cfg(feature = "cube")]
        if let Some(joined) = cube::join(&self.parts) {
            return joined;
        }
        // After `replace_parameters` the parts are consecutive slices of one tensor, so nothing is copied.
        join_slices(&self.parts).unwrap_or_else(|| Tensor::cat(self.parts, 0))
    }
}

impl ModuleVisitor for Flatten<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let parameter = parameter.val();
        if !self.all && !parameter.is_require_grad() {
            return;
        }
        let part = match self.gradients {
            None if self.all => parameter,
            None => parameter.inner(),
            Some(gradients) => parameter.grad(gradients).unwrap_or_else(|| parameter.inner().zeros_like()),
        };
        let len = part.shape().num_elements();
        self.parts.push(part.reshape([len]));
    }
}

/// Returns consecutive pieces of a vector.
fn pieces(values: &Tensor<1>, lengths: &[usize]) -> Vec<Tensor<1>> {
    #[cfg(feature = "cube")]
    if let Some(pieces) = cube::split(values, lengths) {
        return pieces;
    }
    let mut start = 0;
    let piece = |&len: &usize| {
        start += len;
        values.clone().narrow(0, start - len, len)
    };
    lengths.iter().map(piece).collect()
}

/// Collects the number of elements of each trainable parameter.
struct Lengths(Vec<usize>);

impl ModuleVisitor for Lengths {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let parameter = parameter.val();
        if parameter.is_require_grad() {
            self.0.push(parameter.shape().num_elements());
        }
    }
}

/// Replaces each trainable parameter by the next piece.
struct Replace(IntoIter<Tensor<1>>);

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, old, mapper) = parameter.consume();
        if !old.is_require_grad() {
            return Param::from_mapped_value(id, old, mapper);
        }
        let new = self.0.next().expect("a piece for each trainable parameter").reshape(old.shape());
        Param::from_mapped_value(id, Tensor::from_inner(new).require_grad(), mapper)
    }
}
