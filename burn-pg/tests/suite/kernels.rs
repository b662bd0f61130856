//! Kernels compared with their reference implementation and with the standard library.
//!
//! Other tests of this suite compare log-probabilities, entropies, the surrogate, the value loss, the norm and Adam with
//! recorded values: on `flex` they test the kernels, on every other backend the reference implementation.

use burn::{
    module::{Module, Param},
    nn::Linear,
    tensor::Tensor,
};
use burn_pg::{
    device::Backend,
    envs::EnvRng,
    kernel::{perceptron, perceptron_reference, vector},
    policy::Activation,
};

use crate::helpers::on_threads;
use crate::precision::{Precision, assert_close, values};

/// Returns the backend that has kernels, in both precisions.
fn on_flex() -> Vec<Precision> {
    let all: Vec<Precision> = Precision::all().into_iter().filter(|p| p.backend == Backend::Flex).collect();
    assert_eq!(all.len(), 2);
    all
}

fn random<const D: usize>(shape: [usize; D], rng: &mut EnvRng, precision: &Precision) -> Tensor<D> {
    let scale = 1.0 / (shape[0] as f64).sqrt();
    precision.tensor((0..shape.iter().product()).map(|_| scale * rng.normal()).collect(), shape)
}

fn layers(sizes: &[usize], rng: &mut EnvRng, precision: &Precision) -> Vec<Linear> {
    let layer = |size: &[usize]| Linear {
        weight: Param::initialized(
            burn::module::ParamId::new(),
            random([size[0], size[1]], rng, precision).require_grad(),
        ),
        bias: Some(Param::initialized(burn::module::ParamId::new(), random([size[1]], rng, precision).require_grad())),
    };
    sizes.windows(2).map(layer).collect()
}

/// Returns the result for an input, and the gradients of a weighted sum of it with respect to the input and each parameter.
fn result_and_gradients(
    perceptron: fn(Tensor<2>, &[Linear], Activation, bool) -> Tensor<2>,
    input: &Tensor<2>,
    layers: &[Linear],
    activation: Activation,
    activate_last: bool,
) -> Vec<Vec<f64>> {
    let input = input.clone().detach().require_grad();
    let output = perceptron(input.clone(), layers, activation, activate_last);
    let weights = output.clone().detach().cos();
    let gradients = (output.clone() * weights).sum().backward();
    let mut found = vec![values(output.inner()), values(input.grad(&gradients).unwrap())];
    for layer in layers {
        found.push(values(layer.weight.val().grad(&gradients).unwrap()));
        found.push(values(layer.bias.as_ref().unwrap().val().grad(&gradients).unwrap()));
    }
    found
}

#[test]
fn the_perceptron_and_its_gradients_match_the_reference_implementation() {
    let mut rng = EnvRng::new(1);
    let shapes: [&[usize]; 8] = [
        &[4, 64, 64, 2],
        &[3, 5],
        &[1, 1],
        &[7, 13, 1],
        &[2, 3, 4, 5, 6],
        &[17, 65, 9],
        &[3, 4, 4, 4, 4, 4, 4, 4, 2],
        // One layer more than the kernel supports.
        &[3, 4, 4, 4, 4, 4, 4, 4, 4, 2],
    ];
    for precision in Precision::all() {
        // On a GPU both are the reference implementation, so one shape is enough.
        let shapes = if precision.backend.is_cpu() { &shapes[..] } else { &shapes[..1] };
        for sizes in shapes {
            let layers = layers(sizes, &mut rng, &precision);
            for activation in [Activation::Tanh, Activation::Relu, Activation::Silu] {
                for (rows, activate_last) in [(1, false), (3, true), (64, false), (65, true), (200, false)] {
                    let input = random([rows, sizes[0]], &mut rng, &precision);
                    let ours = result_and_gradients(perceptron, &input, &layers, activation, activate_last);
                    let plain = result_and_gradients(perceptron_reference, &input, &layers, activation, activate_last);
                    assert_eq!(ours.len(), 2 + 2 * layers.len());
                    let tolerance = if precision.is_double() { 1e-12 } else { 2e-5 };
                    for (i, (ours, plain)) in ours.iter().zip(&plain).enumerate() {
                        let what = format!("{precision:?} {sizes:?} {activation:?} {rows} rows, number {i}");
                        assert_close(ours, plain, tolerance, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn transposed_inputs_are_read_row_by_row() {
    let mut rng = EnvRng::new(2);
    for precision in Precision::all() {
        let mut layers = layers(&[6, 5, 3], &mut rng, &precision);
        layers[1].weight =
            layers[1].weight.clone().map(|_| random([3, 5], &mut rng, &precision).swap_dims(0, 1).require_grad());
        let input = random([6, 40], &mut rng, &precision).swap_dims(0, 1);
        let [ours, plain] = [perceptron, perceptron_reference]
            .map(|perceptron| result_and_gradients(perceptron, &input, &layers, Activation::Tanh, false));
        for (ours, plain) in ours.iter().zip(&plain) {
            assert_close(ours, plain, if precision.is_double() { 1e-12 } else { 2e-5 }, "crosswise");
        }
    }
}

#[test]
fn the_gradients_of_an_empty_batch_are_zero() {
    let mut rng = EnvRng::new(5);
    for precision in on_flex() {
        let layers = layers(&[4, 64, 64, 2], &mut rng, &precision);
        let found =
            result_and_gradients(perceptron, &precision.tensor(vec![], [0, 4]), &layers, Activation::Tanh, false);
        assert!(found[0].is_empty() && found[1].is_empty());
        assert!(found[2..].iter().flatten().all(|&derivative| derivative == 0.0));
    }
}

#[test]
fn results_without_autodiff_are_identical() {
    let mut rng = EnvRng::new(3);
    for precision in on_flex() {
        let layers = layers(&[4, 64, 64, 2], &mut rng, &precision);
        let input = random([100, 4], &mut rng, &precision);
        let tracked = values(perceptron(input.clone(), &layers, Activation::Tanh, false).inner());
        let plain: Vec<Linear> = layers.iter().map(Module::valid).collect();
        assert_eq!(values(perceptron(input.inner(), &plain, Activation::Tanh, false)), tracked);
    }
}

#[test]
fn results_are_identical_with_any_number_of_threads() {
    for precision in on_flex() {
        let mut rng = EnvRng::new(4);
        let layers = layers(&[4, 64, 64, 2], &mut rng, &precision);
        let input = random([5_000, 4], &mut rng, &precision);
        let with = |threads| {
            on_threads(threads, || result_and_gradients(perceptron, &input, &layers, Activation::Tanh, false))
        };
        let one = with(1);
        for threads in [2, 3, 7] {
            assert!(with(threads) == one, "{threads} threads, {precision:?}");
        }
    }
}

#[test]
fn nan_stays_nan() {
    // Other backends define the maximum of NaN in their own way.
    for precision in on_flex() {
        for activation in [Activation::Tanh, Activation::Relu, Activation::Silu] {
            let layers = layers(&[2, 3, 1], &mut EnvRng::new(5), &precision);
            let input = precision.tensor(vec![f64::NAN, 0.0, 1.0, 2.0], [2, 2]);
            let output = values(perceptron(input, &layers, activation, false));
            assert!(output[0].is_nan() && output[1].is_finite(), "{precision:?} {activation:?} {output:?}");
        }
    }
}

/// Returns the largest error of a function over the range of single precision (every 997th number, and those around 0 and
/// 1), in units in the last place of the result.
fn largest_error(function: fn(&mut [f32]), exact: fn(f64) -> f64) -> f64 {
    let every = (0..=u32::MAX).step_by(997).map(f32::from_bits);
    let near = |bits: u32| (bits - 3_000..bits + 3_000).map(f32::from_bits);
    let inputs: Vec<f32> = every.chain(near(1.0_f32.to_bits())).chain(near(f32::MIN_POSITIVE.to_bits())).collect();
    let mut ours = inputs.clone();
    function(&mut ours);
    let mut largest: f64 = 0.0;
    for (&x, &ours) in inputs.iter().zip(&ours) {
        let expected = exact(f64::from(x));
        #[allow(clippy::cast_possible_truncation)] // rounds the exact result
        let rounded = expected as f32;
        if rounded.is_nan() || rounded.is_infinite() || rounded == 0.0 {
            let same = rounded.is_nan() && ours.is_nan() || rounded == ours;
            // The end of the range may be off by one unit.
            let unit = f64::from(f32::from_bits(1));
            let close = rounded.is_infinite() && ours >= f32::MAX || f64::from(ours).abs() <= unit && rounded == 0.0;
            assert!(same || close, "{x:e}: {ours:e} instead of {rounded:e}");
            continue;
        }
        let unit = f64::from(rounded.abs().next_up() - rounded.abs());
        largest = largest.max((f64::from(ours) - expected).abs() / unit);
    }
    largest
}

#[test]
fn vector_functions_are_as_accurate_as_documented() {
    for (name, function, exact, units) in [
        ("tanh", vector::tanh as fn(&mut [f32]), f64::tanh as fn(f64) -> f64, 5.0),
        ("exp", vector::exp, f64::exp, 2.0),
    ] {
        let error = largest_error(function, exact);
        println!("{name}: {error:.2} units");
        assert!(error <= units, "{name} is off by {error} units in the last place");
    }
}

#[test]
fn vector_functions_are_right_at_the_ends_of_their_range() {
    let of = |function: fn(&mut [f32]), x: f32| {
        let mut values = [x; 9];
        function(&mut values);
        assert!(values.iter().all(|value| value.to_bits() == values[0].to_bits()));
        values[0]
    };
    let infinity = f32::INFINITY;
    assert_eq!([-infinity, infinity, -0.0].map(|x| of(vector::tanh, x)), [-1.0, 1.0, 0.0]);
    assert_eq!([-infinity, infinity, 0.0].map(|x| of(vector::exp, x)), [0.0, infinity, 1.0]);
    for function in [vector::tanh, vector::exp] {
        assert!(of(function, f32::NAN).is_nan());
    }
}
