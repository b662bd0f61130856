//! Kernels of the `flex` backend, each an operation of its own with its own backward pass.

mod perceptron;
mod primitive;

pub(super) use perceptron::perceptron;
