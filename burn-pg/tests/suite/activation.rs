//! Activations: values and gradients, compared with closed forms.

use burn_pg::policy::Activation;

use crate::precision::{Precision, assert_close, values};

#[test]
fn values_and_gradients_match_the_closed_forms() {
    let inputs = [-50.0, -3.0, -0.5, -1e-3, 1e-7, 0.25, 2.0, 50.0];
    let tanh = |x: f64| (x.tanh(), 1.0 - x.tanh() * x.tanh());
    let relu = |x: f64| (x.max(0.0), f64::from(u8::from(x > 0.0)));
    for precision in Precision::all() {
        let tolerance = match (precision.is_double(), precision.backend.is_cpu()) {
            (true, _) => 1e-15,
            (false, true) => 3e-7,
            // WGSL leaves the accuracy of tanh to the driver; the software driver is off by 8e-7.
            (false, false) => 5e-6,
        };
        for (activation, closed_form) in [(Activation::Tanh, tanh as fn(f64) -> _), (Activation::Relu, relu)] {
            let (expected, derivatives): (Vec<f64>, Vec<f64>) = inputs.map(closed_form).into_iter().unzip();
            let what = format!("{precision:?} {activation:?}");
            let input = precision.vector(&inputs).require_grad();
            let output = activation.apply(input.clone());
            assert_close(&values(output.clone()), &expected, tolerance, &what);
            // The values without autodiff are the same.
            let plain = activation.apply(input.clone().inner());
            assert_eq!(values(plain), values(output.clone()), "{what}");
            // Weighted, so that the incoming gradient is not 1 everywhere.
            let weights = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0];
            let loss = (output * precision.vector(&weights)).sum();
            let expected: Vec<f64> =
                derivatives.iter().zip(weights).map(|(derivative, weight)| derivative * weight).collect();
            let gradient = input.grad(&loss.backward()).unwrap();
            assert_close(&values(gradient), &expected, tolerance, &format!("{what} gradient"));
        }
    }
}
