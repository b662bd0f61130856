//! In place of the kernels of the `flex` backend, if that is not compiled in: there are none.

use burn::{
    nn::Linear,
    tensor::{Int, Tensor},
};

use super::{Activation, ClippedSurrogate, ValueLimit, host::AdamStep};

macro_rules! absent {
    ($($name:ident($($argument:ty),*) -> $output:ty;)*) => {
        $(
            pub fn $name($(_: $argument),*) -> Option<$output> {
                None
            }
        )*
    };
}

absent! {
    categorical_entropy(&Tensor<2>) -> Tensor<1>;
    categorical_log_prob(&Tensor<2>, &Tensor<1, Int>) -> Tensor<1>;
    clip_global_norm(&Tensor<1>, f64) -> (Tensor<1>, Tensor<1>);
    adam_step(AdamStep<f64>, &Tensor<1>, &Tensor<1>, [Option<&Tensor<1>>; 2]) -> [Tensor<1>; 3];
    perceptron(&Tensor<2>, &[Linear], Activation, bool) -> Tensor<2>;
    clipped_surrogate([&Tensor<1>; 3], [f64; 2], f64) -> ClippedSurrogate;
    gaussian_entropy(&Tensor<2>) -> Tensor<1>;
    gaussian_log_prob(&Tensor<2>, &Tensor<2>, &Tensor<2>, f64) -> Tensor<1>;
    normalize(&Tensor<1>) -> Tensor<1>;
    whole(&[Tensor<1>]) -> Tensor<1>;
    value_error(&Tensor<1>, &Tensor<1>, &ValueLimit) -> Tensor<1>;
    weighted_means(&[Tensor<1>], Option<&Tensor<1>>, f64) -> Vec<Tensor<1>>;
    weighted_total(&[(f64, Tensor<1>)], Option<&Tensor<1>>, f64) -> Tensor<1>;
}

pub fn on_host<const D: usize>(_: Tensor<D>) -> Option<Vec<f32>> {
    None
}
