//! The state of an optimiser.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

/// The state of an optimiser, which can be saved and restored.
#[derive(Debug, Clone, Default)]
pub struct OptimiserState {
    /// Steps taken so far.
    pub steps: u64,
    /// Tensors by name, each of shape `[P]`, without a graph. Empty before the first step.
    pub tensors: BTreeMap<String, Tensor<1>>,
}

/// Why a state does not fit the optimiser. The optimiser is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimiserStateError {
    /// The state lacks a tensor that the optimiser needs.
    #[error("the optimiser needs `{name}`, but its state after {steps} steps does not have it")]
    Missing {
        /// Name of the tensor.
        name: &'static str,
        /// Steps taken in that state.
        steps: u64,
    },
    /// The state has a tensor that the optimiser does not use.
    #[error("the state of the optimiser after {steps} steps has `{name}`, which this optimiser does not use")]
    Unexpected {
        /// Name of the tensor.
        name: String,
        /// Steps taken in that state.
        steps: u64,
    },
    /// A tensor is longer or shorter than the others, or than the parameters.
    #[error("`{name}` in the state of the optimiser has length {length}, but it must have {expected}")]
    Length {
        /// Name of the tensor.
        name: String,
        /// Its length.
        length: usize,
        /// The length it must have.
        expected: usize,
    },
}

impl OptimiserState {
    /// Creates a state from the `tensors` that are not `None`.
    pub fn new<'a>(steps: u64, tensors: impl IntoIterator<Item = (&'a str, Option<&'a Tensor<1>>)>) -> Self {
        let named = |(name, tensor): (&str, Option<&Tensor<1>>)| Some((name.to_owned(), tensor?.clone()));
        Self { steps, tensors: tensors.into_iter().filter_map(named).collect() }
    }

    /// Checks that the state has exactly the tensors `names`, or none before the first step, all of the same length.
    ///
    /// # Errors
    /// [`OptimiserStateError`] for the first tensor that does not fit.
    pub fn check(&self, names: &[&'static str]) -> Result<(), OptimiserStateError> {
        let steps = self.steps;
        let names = if steps == 0 { &[] } else { names };
        if let Some(&name) = names.iter().find(|&&name| !self.tensors.contains_key(name)) {
            return Err(OptimiserStateError::Missing { name, steps });
        }
        if let Some(name) = self.tensors.keys().find(|name| !names.contains(&name.as_str())) {
            return Err(OptimiserStateError::Unexpected { name: name.clone(), steps });
        }
        match self.tensors.values().next() {
            Some(first) => self.check_length(first.dims()[0]),
            None => Ok(()),
        }
    }

    /// Checks that the tensors have one element for each of `expected` parameters.
    ///
    /// # Errors
    /// [`OptimiserStateError::Length`]
    pub fn check_length(&self, expected: usize) -> Result<(), OptimiserStateError> {
        for (name, tensor) in &self.tensors {
            let [length] = tensor.dims();
            if length != expected {
                return Err(OptimiserStateError::Length { name: name.clone(), length, expected });
            }
        }
        Ok(())
    }
}
