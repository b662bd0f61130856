//! The step within a trust region, compared with the natural gradient from dense matrices; and what it leaves unchanged.

use burn::{
    module::Module,
    tensor::{Int, Tensor, TensorData},
};
use burn_pg::{
    TrustRegion, TrustRegionSpec,
    distribution::{ActionTensor, AnyDistribution, Distribution},
    envs::{EnvRng, Space},
    loss::{Entropy, Metric, Objective, Surrogate},
    optim::{flatten_parameters, replace_parameters},
    policy::{ActorCritic, Exploration, Observation, Perceptrons, Policy, Prediction},
    source::Batch,
};

use super::{DAMPING, dot, enumerated, exact, gradient_of, observation, policy, random, region, rows};
use crate::helpers::parameters;
use crate::{
    conjugate_gradient::solve,
    precision::{Precision, assert_close, values},
};

/// Samples of a policy, and the policy before and after a step on them.
struct Stepped {
    before: ActorCritic,
    after: ActorCritic,
    states: Vec<Vec<f64>>,
    batch: Batch,
    metrics: Vec<Metric>,
}

impl Stepped {
    const SAMPLES: usize = 12;

    fn new(region: &TrustRegion, advantages: &[f64], seed: u64, precision: &Precision) -> Self {
        let rng = &mut EnvRng::new(seed);
        let before = policy(&Space::discrete(3), Exploration::default(), rng, precision);
        let states = rows(Self::SAMPLES, rng);
        let actions: Vec<i64> = (0..3).cycle().take(Self::SAMPLES).collect();
        let actions = ActionTensor::Discrete(precision.indices(&actions));
        let observations = observation(&states, None, precision);
        let prediction = before.clone().no_grad().forward(observations.clone());
        let log_probs = prediction.distribution.log_prob(&actions);
        let batch = Batch {
            values: prediction.values,
            advantages: Some(precision.vector(advantages)),
            returns: Some(precision.vector(&random(Self::SAMPLES, rng))),
            ..Batch::new(observations, actions, log_probs)
        };
        let (after, metrics) = region.step(before.clone(), batch.clone()).unwrap();
        Self { before, after, states, batch, metrics }
    }

    fn metric(&self, name: &str) -> f64 {
        let (_, metric) = self.metrics.iter().find(|(known, _)| *known == name).unwrap();
        values(metric.clone())[0]
    }

    /// Returns `-mean(r A)` of a policy.
    fn loss(&self, policy: &ActorCritic) -> f64 {
        let log_probs = policy.forward(self.batch.observations.clone()).distribution.log_prob(&self.batch.actions);
        let ratios = values(log_probs - self.batch.log_probs.clone()).into_iter().map(f64::exp).collect::<Vec<_>>();
        -dot(&ratios, &values(self.batch.advantages.clone().unwrap())) / Self::SAMPLES as f64
    }

    /// Returns the mean of KL(before || policy).
    fn kl(&self, policy: &ActorCritic) -> f64 {
        let log_probs = |policy: &ActorCritic| -> Vec<Vec<f64>> {
            let of = |a: i64| {
                let action = ActionTensor::Discrete(precision_indices(&[a; Self::SAMPLES], &self.batch));
                values(policy.forward(self.batch.observations.clone()).distribution.log_prob(&action))
            };
            (0..3).map(of).collect()
        };
        let (old, new) = (log_probs(&self.before), log_probs(policy));
        let kl =
            |(old, new): (&Vec<f64>, &Vec<f64>)| -> f64 { old.iter().zip(new).map(|(p, q)| p.exp() * (p - q)).sum() };
        old.iter().zip(&new).map(kl).sum::<f64>() / Self::SAMPLES as f64
    }
}

fn precision_indices(values: &[i64], batch: &Batch) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &batch.log_probs.device())
}

#[test]
fn the_step_is_the_natural_gradient_within_the_region() {
    for precision in Precision::all() {
        let (mut whole, mut shortened) = (0, 0);
        for (seed, max_kl) in (0..4).flat_map(|seed| [(seed, 1e-4), (seed, 0.3)]) {
            let advantages = random(Stepped::SAMPLES, &mut EnvRng::new(100 + seed));
            let stepped = Stepped::new(&region(exact(max_kl)), &advantages, seed, &precision);
            let what = format!("{precision:?} seed {seed} max_kl {max_kl}");
            let Stepped { before, after, states, batch, .. } = &stepped;

            // The expected step from dense matrices. The gradient is minus the mean of advantages times scores.
            let mut matrix = enumerated(before, &Space::discrete(3), states, None, &precision);
            matrix.0.iter_mut().enumerate().for_each(|(i, row)| row[i] += DAMPING);
            let log_probs = before.forward(batch.observations.clone()).distribution.log_prob(&batch.actions);
            let gradient = gradient_of(before, &(log_probs * batch.advantages.clone().unwrap()).mean().neg());
            let natural = solve(&matrix.0, &gradient);
            let length = (2.0 * max_kl / dot(&natural, &gradient)).sqrt();

            let fraction = stepped.metric("step_fraction");
            let start = parameters(before);
            let at = |fraction: f64| -> Vec<f64> {
                start.iter().zip(&natural).map(|(start, natural)| start - fraction * length * natural).collect()
            };
            let tolerance = if precision.is_double() { 1e-7 } else { 1e-3 };
            assert_close(&parameters(after), &at(fraction), tolerance, &what);

            // Both conditions hold, and do not hold for the step before the last backtracking.
            let fulfilled = |policy: &ActorCritic| {
                stepped.kl(policy) <= max_kl * (1.0 + 1e-5) && stepped.loss(policy) < stepped.loss(before)
            };
            assert!(fraction > 0.0 && fulfilled(after), "{what} {fraction}");
            let noise = if precision.is_double() { 1e-12 } else { 1e-6 };
            assert_close(&[stepped.metric("kl")], &[stepped.kl(after)], noise, &what);
            assert_close(&[stepped.metric("policy_loss")], &[stepped.loss(after)], noise, &what);
            assert_close(&[stepped.metric("policy_grad_norm")], &[dot(&gradient, &gradient).sqrt()], noise, &what);
            if fraction < 1.0 {
                let longer = replace_parameters(before.clone(), precision.vector(&at(fraction / 0.8)).inner());
                assert!(!precision.is_double() || !fulfilled(&longer), "{what} {fraction}");
                shortened += 1;
            } else {
                whole += 1;
            }
        }
        assert!(whole > 0 && shortened > 0, "{precision:?} {whole} {shortened}");
    }
}

#[test]
fn the_step_leaves_the_critic_unchanged() {
    for precision in Precision::all() {
        let advantages = random(Stepped::SAMPLES, &mut EnvRng::new(1));
        for spec in [TrustRegionSpec::default(), TrustRegionSpec { damping: 0.0, ..TrustRegionSpec::default() }] {
            let stepped = Stepped::new(&region(spec), &advantages, 0, &precision);
            let [before, after] = [&stepped.before, &stepped.after].map(parameters);
            let moved = before.iter().zip(&after).filter(|(before, after)| before != after).count();
            let (actor, critic) = (2 * 3 + 3 + 3 * 3 + 3, 2 * 3 + 3 + 3 + 1);
            assert!(moved <= actor && moved > actor - 3, "{moved} of {actor}");
            assert_eq!(before.len(), actor + critic);
            let [old, new] = [&stepped.before, &stepped.after]
                .map(|policy| values(policy.forward(stepped.batch.observations.clone()).values.unwrap()));
            assert_eq!(old, new);
        }
    }
}

/// A policy whose values must not be computed.
#[derive(Module, Debug)]
struct WithoutValues {
    policy: ActorCritic,
}

impl Policy for WithoutValues {
    type Observation = Observation;
    type Dist = AnyDistribution;

    fn forward(&self, _: Observation) -> Prediction<AnyDistribution> {
        panic!("a trust region needs no values")
    }

    fn distribution(&self, observation: Observation) -> AnyDistribution {
        self.policy.distribution(observation)
    }

    fn perceptrons(&self) -> Result<Perceptrons, &'static str> {
        self.policy.perceptrons()
    }
}

#[test]
fn a_step_computes_no_values() {
    for precision in Precision::all() {
        let (region, advantages) = (region(exact(0.3)), random(Stepped::SAMPLES, &mut EnvRng::new(105)));
        let Stepped { before, after, batch, .. } = Stepped::new(&region, &advantages, 5, &precision);
        let (without_values, _) = region.step(WithoutValues { policy: before }, batch).unwrap();
        let [ours, expected] = [flatten_parameters(&without_values), flatten_parameters(&after)].map(values);
        assert_eq!(ours, expected, "{precision:?}");
    }
}

#[test]
fn a_zero_nonfinite_or_rejected_step_leaves_the_weights_unchanged() {
    for precision in Precision::all() {
        let stays = |region: &TrustRegion, advantages: &[f64]| {
            let stepped = Stepped::new(region, advantages, 2, &precision);
            let [before, after] = [&stepped.before, &stepped.after].map(parameters);
            assert_eq!(before, after, "{precision:?}");
            assert_eq!((stepped.metric("step_fraction"), stepped.metric("kl")), (0.0, 0.0));
            stepped
        };
        let plain = region(TrustRegionSpec::default());
        assert_eq!(stays(&plain, &[0.0; Stepped::SAMPLES]).metric("policy_grad_norm"), 0.0);
        // Equal advantages are 0 after normalisation.
        let normalized = TrustRegion { normalize_advantages: true, ..region(TrustRegionSpec::default()) };
        stays(&normalized, &[2.0; Stepped::SAMPLES]);
        for number in [f64::NAN, f64::INFINITY] {
            let mut advantages = [1.0; Stepped::SAMPLES];
            advantages[5] = number;
            assert!(!stays(&plain, &advantages).metric("policy_loss").is_finite());
        }
        // A step that is too long, without backtracking.
        let spec = TrustRegionSpec { max_backtracks: 0, ..exact(0.3) };
        let advantages = random(Stepped::SAMPLES, &mut EnvRng::new(105));
        let shortened = Stepped::new(&region(exact(0.3)), &advantages, 5, &precision);
        assert!(shortened.metric("step_fraction") < 1.0);
        assert_eq!(Stepped::new(&region(spec), &advantages, 5, &precision).metric("step_fraction"), 0.0);
    }
}

#[test]
fn other_terms_of_the_policy_contribute_to_the_step() {
    for precision in Precision::all() {
        let objective = Objective::new().with(1.0, Surrogate).with(10.0, Entropy);
        let region = TrustRegion { objective, ..region(TrustRegionSpec::default()) };
        let stepped = Stepped::new(&region, &[0.0; Stepped::SAMPLES], 3, &precision);
        let entropy = |policy: &ActorCritic| {
            values(policy.forward(stepped.batch.observations.clone()).distribution.entropy().mean())[0]
        };
        assert!(entropy(&stepped.after) > entropy(&stepped.before) + 1e-3, "{precision:?}");
        assert_close(&[stepped.metric("entropy")], &[entropy(&stepped.after)], 1e-6, "entropy");
        assert!(stepped.metrics.iter().all(|&(name, _)| name != "loss"));
    }
}
