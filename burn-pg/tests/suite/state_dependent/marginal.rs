//! The distribution of an action given its state: densities, entropies, KL divergences and gradients.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::Tensor,
};
use burn_pg::{
    distribution::{ActionTensor, Distribution, Normal, SquashedGaussian, StateDependentGaussian},
    envs::{EnvRng, Space},
    optim::flatten_gradients,
    policy::{Exploration, GsdeNoise, Head, Observation},
};

use super::variances;
use crate::helpers::flex;
use crate::precision::{Precision, assert_close, values};

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-12 } else { 2e-6 }
}

/// Returns values rounded to the precision of a device.
fn kept(precision: &Precision, numbers: &[f64]) -> Vec<f64> {
    values(precision.vector(numbers))
}

/// Four states with three features and two actions.
struct Case {
    means: Vec<f64>,
    features: Vec<f64>,
    log_std: Vec<f64>,
}

impl Case {
    fn random(precision: &Precision, seed: u64) -> Self {
        let mut rng = EnvRng::new(seed);
        let mut draw = |count: usize, low, high| {
            let numbers: Vec<f64> = (0..count).map(|_| rng.uniform(low, high)).collect();
            kept(precision, &numbers)
        };
        Self { means: draw(8, -1.0, 1.0), features: draw(12, -1.0, 1.0), log_std: draw(6, -1.5, 0.5) }
    }

    fn distribution(&self, precision: &Precision) -> StateDependentGaussian {
        StateDependentGaussian::new(
            precision.tensor(self.means.clone(), [4, 2]),
            precision.tensor(self.features.clone(), [4, 3]),
            precision.tensor(self.log_std.clone(), [3, 2]),
            None,
        )
    }

    fn variances(&self) -> Vec<f64> {
        self.features.chunks(3).flat_map(|features| variances(features, &self.log_std, 2)).collect()
    }

    /// The squashed Gaussian with the analytic standard deviations.
    fn squashed(&self, precision: &Precision) -> SquashedGaussian {
        let log_std = self.variances().iter().map(|variance| 0.5 * variance.ln()).collect();
        SquashedGaussian::new(precision.tensor(self.means.clone(), [4, 2]), precision.tensor(log_std, [4, 2]))
    }
}

/// Returns the sum over the components of each state.
fn by_state(components: impl Iterator<Item = f64>) -> Vec<f64> {
    components.collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().sum()).collect()
}

#[test]
fn densities_entropies_and_kl_divergences_match_the_marginal_gaussian() {
    for precision in Precision::all() {
        let (p, q) = (Case::random(&precision, 1), Case::random(&precision, 2));
        let actions = kept(&precision, &[0.3, -0.9, 1.5, 0.0, -0.2, 0.7, 0.1, -1.1]);
        let tensor = ActionTensor::Continuous(precision.tensor(actions.clone(), [4, 2]));
        let (ours, other) = (p.distribution(&precision), q.distribution(&precision));
        let (vars, other_vars) = (p.variances(), q.variances());
        let tolerance = tolerance(&precision);

        let density = |i: usize| {
            let square = (actions[i] - p.means[i]).powi(2);
            -0.5 * square / vars[i] - 0.5 * vars[i].ln() - HALF_LOG_TAU
        };
        assert_close(&values(ours.log_prob(&tensor)), &by_state((0..8).map(density)), tolerance, "log_prob");
        let entropy = vars.iter().map(|variance| 0.5 * variance.ln() + 0.5 + HALF_LOG_TAU);
        assert_close(&values(ours.entropy()), &by_state(entropy), tolerance, "entropy");
        let kl = |i: usize| {
            let squares = vars[i] + (p.means[i] - q.means[i]).powi(2);
            0.5 * ((other_vars[i] / vars[i]).ln() + squares / other_vars[i] - 1.0)
        };
        assert_close(&values(ours.kl(&other)), &by_state((0..8).map(kl)), tolerance, "kl");
        assert_close(&values(ours.kl(&ours)), &[0.0; 4], tolerance, "kl to itself");

        let (ours, other) = (SquashedGaussian::from(ours), SquashedGaussian::from(other));
        let (plain, other_plain) = (p.squashed(&precision), q.squashed(&precision));
        let pairs = [
            (ours.log_prob(&tensor), plain.log_prob(&tensor), "squashed log_prob"),
            (ours.entropy(), plain.entropy(), "squashed entropy"),
            (ours.kl(&other), plain.kl(&other_plain), "squashed kl"),
        ];
        for (ours, plain, what) in pairs {
            assert_close(&values(ours), &values(plain), tolerance, what);
        }
    }
}

#[test]
fn standard_deviations_and_their_gradients_are_right_where_squares_overflow_or_vanish() {
    let cases = [
        ([0.0, 0.0], [0.0, -1.0]),
        ([0.0, 0.0], [80.0, -80.0]),
        ([0.5, -0.25], [-80.0, -80.0]),
        ([0.5, -0.25], [80.0, 79.0]),
        ([0.0, -0.25], [80.0, 79.0]),
        ([1e-15, 1.0], [60.0, 1.0]),
        ([3e18, -1e19], [1.0, -3.0]),
        ([1e-30, 0.0], [75.0, 0.0]),
        ([1e-3, 1e-3], [0.0, -0.5]),
    ];
    for precision in Precision::all() {
        for (features, log_std) in cases {
            let (features, log_std) = (kept(&precision, &features), kept(&precision, &log_std));
            let what = format!("{precision:?} {features:?} {log_std:?}");
            let phi = precision.tensor(features.clone(), [1, 2]).require_grad();
            let sigma = precision.tensor(log_std.clone(), [2, 1]).require_grad();
            let mean = precision.tensor(vec![0.0], [1, 1]);
            let entropy = StateDependentGaussian::new(mean, phi.clone(), sigma.clone(), None).marginal().entropy();

            let [variance] = variances(&features, &log_std, 1)[..] else { unreachable!() };
            let ours = values(entropy.clone())[0] - 0.5 - HALF_LOG_TAU;
            assert_close(&[ours], &[0.5 * variance.ln()], tolerance(&precision), &what);
            // The derivative of log(variance) / 2 with respect to log_std: the share of each feature in the variance.
            let gradients = entropy.backward();
            let share = |f: usize| features[f].powi(2) * (2.0 * log_std[f]).exp() / variance;
            let expected = [share(0), share(1)];
            let tolerance = if precision.is_double() { 1e-12 } else { 1e-5 };
            assert_close(&values(sigma.grad(&gradients).unwrap()), &expected, tolerance, &what);
            // With respect to a feature it is the share divided by the feature.
            let of_features = values(phi.grad(&gradients).unwrap());
            assert!(of_features.iter().all(|derivative| derivative.is_finite()), "{what}: {of_features:?}");
            let shares = [features[0] * of_features[0], features[1] * of_features[1]];
            assert_close(&shares, &expected, tolerance, &what);
        }
    }
}

/// Replaces the only parameter of a module.
struct Set<'a> {
    numbers: &'a [f64],
    precision: &'a Precision,
}

impl ModuleMapper for Set<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| self.precision.tensor(self.numbers.to_vec(), old.dims()).require_grad())
    }
}

#[test]
fn gradients_reach_the_standard_deviations_and_on_request_the_features() {
    for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
        let case = Case::random(precision, 3);
        let actions =
            ActionTensor::Continuous(precision.tensor(vec![0.3, -0.9, 1.5, 0.0, -0.2, 0.7, 0.1, -1.1], [4, 2]));
        for (squash, learn_features) in [(false, false), (false, true), (true, true)] {
            let sde = Some(GsdeNoise { learn_features, ..GsdeNoise::default() });
            let exploration = Exploration { squash, sde, ..Exploration::default() };
            let space = Space::symmetric(&[1.0; 2]);
            let log_prob = |features: Tensor<2>, log_std: &[f64]| {
                let head = Head::new(&space, exploration, 3, &precision.device);
                assert_eq!(head.inputs(&space), 2);
                let head = head.map(&mut Set { numbers: log_std, precision });
                let outputs = precision.tensor(case.means.clone(), [4, 2]);
                let observation = Observation::from(features.clone());
                (head.distribution(outputs, Some(features), &observation).log_prob(&actions).sum(), head)
            };
            let leaf = |features: &[f64]| precision.tensor(features.to_vec(), [4, 3]).require_grad();
            let at = |features: &[f64], log_std: &[f64]| values(log_prob(leaf(features), log_std).0)[0];
            let derivatives = |numbers: &[f64], value: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
                let derivative = |i: usize| {
                    let moved = |by: f64| {
                        let mut numbers = numbers.to_vec();
                        numbers[i] += by;
                        value(&numbers)
                    };
                    let difference = |by: f64| (moved(by) - moved(-by)) / (2.0 * by);
                    // Richardson extrapolation removes the second-order error.
                    (4.0 * difference(1e-4) - difference(2e-4)) / 3.0
                };
                (0..numbers.len()).map(derivative).collect()
            };

            let features = leaf(&case.features);
            let (total, head) = log_prob(features.clone(), &case.log_std);
            let gradients = total.backward();
            let expected = derivatives(&case.log_std, &|log_std| at(&case.features, log_std));
            assert!(expected.iter().all(|derivative| derivative.abs() > 1e-4), "{expected:?}");
            assert_close(&values(flatten_gradients(&head, &gradients)), &expected, 1e-8, "log_std");

            let ours = features.grad(&gradients).map(values);
            if learn_features {
                let expected = derivatives(&case.features, &|features| at(features, &case.log_std));
                assert_close(&ours.unwrap(), &expected, 1e-8, "features");
            } else {
                assert!(ours.is_none_or(|gradient| gradient.iter().all(|&derivative| derivative == 0.0)));
            }
        }
    }
}

#[test]
#[should_panic(expected = "cannot be combined")]
fn a_head_has_one_source_of_standard_deviations() {
    let exploration = Exploration { state_dependent: true, sde: Some(GsdeNoise::default()), ..Exploration::default() };
    let _ = Head::new(&Space::symmetric(&[1.0]), exploration, 3, &flex());
}
