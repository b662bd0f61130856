//! Samples follow the distribution that they are drawn from.

use burn::tensor::Tensor;
use burn_pg::{
    distribution::{
        ActionStream, ActionTensor, Bernoulli, Beta, Categorical, Distribution, Gaussian, MultiCategorical,
        SquashedGaussian, StateDependentGaussian,
    },
    envs::{ActionBuffer, EnvRng, Space},
};

use crate::precision::{Precision, values};

/// Draws many actions from one row of parameters. Asserts that the log-probabilities that are returned with them are those of
/// the distribution, and that their mean is minus the entropy.
fn samples_agree<D: Distribution>(precision: &Precision, space: &Space, make: impl Fn(Tensor<2>) -> D, row: &[f64]) {
    let count = 20_000;
    let distribution = make(precision.tensor(row.repeat(count), [count, row.len()]));
    #[allow(clippy::cast_possible_truncation)] // read back in single precision
    let parameters: Vec<f32> = values(distribution.parameters()).into_iter().map(|v| v as f32).collect();
    let mut streams: Vec<ActionStream> = (0..count as u64).map(|seed| EnvRng::new(seed).into()).collect();
    let (mut actions, mut log_probs) = (ActionBuffer::new(space), Vec::new());
    distribution.sample(&parameters, &mut streams, &mut actions, &mut log_probs).unwrap();

    let uploaded = ActionTensor::upload(&actions, count, &precision.device);
    let again = values(distribution.log_prob(&uploaded));
    for (drawn, computed) in log_probs.iter().zip(&again) {
        assert!((f64::from(*drawn) - computed).abs() < 2e-5 * computed.abs().max(1.0), "{space}: {drawn} {computed}");
    }
    let mean = again.iter().sum::<f64>() / count as f64;
    let variance = again.iter().map(|l| (l - mean) * (l - mean)).sum::<f64>() / count as f64;
    let entropy = values(distribution.entropy())[0];
    // Within five standard errors.
    assert!((mean + entropy).abs() < 5.0 * (variance / count as f64).sqrt() + 1e-5, "{space}: {mean} {entropy}");

    let mut modes = ActionBuffer::new(space);
    distribution.mode(&parameters[..parameters.len() / count], &mut modes).unwrap();
    let one = make(precision.tensor(row.to_vec(), [1, row.len()]));
    let density = values(one.log_prob(&ActionTensor::upload(&modes, 1, &precision.device)))[0];
    assert!(density.is_finite());

    let mut broken = parameters.clone();
    broken[1] = f32::NAN;
    let before = actions.clone();
    assert!(distribution.sample(&broken, &mut streams, &mut actions, &mut log_probs).is_err());
    assert!(distribution.mode(&broken, &mut actions).is_err());
    assert_eq!(actions, before, "nothing was appended");
}

#[test]
fn samples_follow_their_distribution() {
    for precision in Precision::all().into_iter().filter(|precision| !precision.is_double()) {
        samples_agree(&precision, &Space::discrete(3), Categorical::new, &[0.3, -1.0, 2.0]);
        let sizes = [2, 3];
        let space = Space::MultiDiscrete { sizes: vec![2, 3] };
        samples_agree(&precision, &space, |l| MultiCategorical::new(l, &sizes), &[0.5, -0.5, 0.0, 1.0, -3.0]);
        samples_agree(&precision, &Space::MultiBinary { n: 3 }, Bernoulli::new, &[0.3, -2.0, 5.0]);
        let split = |row: Tensor<2>| (row.clone().narrow(1, 0, 2), row.narrow(1, 2, 2));
        let plain = |row| {
            let (mean, log_std) = split(row);
            Gaussian::new(mean, log_std)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), plain, &[0.5, -2.0, -1.0, 0.3]);
        let squashed = |row| {
            let (mean, log_std) = split(row);
            SquashedGaussian::new(mean, log_std)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), squashed, &[0.5, -1.0, -1.0, 0.3]);
        let beta = |row| {
            let (alpha, beta) = split(row);
            Beta::new(alpha, beta)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), beta, &[1.0, 7.5, 3.0, 20.0]);
        let held = |row: Tensor<2>| {
            let log_std = precision.tensor(vec![0.0, -1.0, -0.5, 0.25], [2, 2]);
            let (mean, features) = split(row);
            StateDependentGaussian::new(mean, features, log_std, None)
        };
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), held, &[0.5, -1.0, -1.0, 0.3]);
        let squashed = |row| SquashedGaussian::from(held(row));
        samples_agree(&precision, &Space::symmetric(&[1.0; 2]), squashed, &[0.5, -1.0, -1.0, 0.3]);
    }
}
