//! Minibatches without tensors give the gradients and metrics of autodiff, for everything that they serve.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Bool, Tensor, TensorData},
};
use burn_pg::{
    Learner,
    device::Backend,
    distribution::ActionTensor,
    envs::{EnvRng, EnvSpec, Space},
    loss::{KlEstimator, LossSpec, Objective, TermSpec, ValueClip},
    optim::{OptimiserSpec, Schedule},
    policy::{Activation, ActorCritic, Exploration, NetworkSpec, Observation},
    source::Batch,
    update::Unfused,
};
use proptest::prelude::*;

use crate::precision::{Precision, values};

/// A random policy with a random minibatch.
#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    observations: usize,
    rows: usize,
    space: Space,
    network: NetworkSpec,
    masked: bool,
    weighted: bool,
    normalize_advantages: bool,
    terms: Vec<LossSpec>,
    /// Scale of observations; large ones saturate tanh.
    scale: f64,
    /// Largest distance of old log-probabilities from 0; ratios overflow if it is large.
    distance: f64,
}

impl Case {
    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Random".into(),
            observation_space: Space::symmetric(&vec![1.0; self.observations]),
            action_space: self.space.clone(),
            max_episode_steps: None,
            reward_threshold: None,
            masks_actions: self.masked,
        }
    }

    fn policy(&self, precision: &Precision) -> ActorCritic {
        let rng = &mut EnvRng::new(self.seed);
        let policy = ActorCritic::new(&self.spec(), &self.network, rng, &precision.device).unwrap();
        policy.map(&mut Moved { rng: EnvRng::new(self.seed + 1), precision })
    }

    fn batch(&self, precision: &Precision) -> Batch {
        let (mut rng, rows) = (EnvRng::new(self.seed + 2), self.rows);
        let mut normals =
            |count: usize, scale: f64| (0..count).map(|_| single(scale * rng.normal())).collect::<Vec<_>>();
        let mut observation = Observation::from(
            precision.tensor(normals(rows * self.observations, self.scale), [rows, self.observations]),
        );
        let [old, values, advantages, returns, reference] =
            [self.distance, 1.0, 1.0, 2.0, 1.0].map(|scale| precision.vector(&normals(rows, scale)));
        let continuous = normals(rows * self.space.flat_len(), 1.0);
        let mut uniform = |count: usize| (0..count).map(|_| single(rng.next_f64())).collect::<Vec<_>>();
        let actions = match &self.space {
            Space::Discrete { n, .. } => {
                let actions = uniform(rows).into_iter().map(|u| (u * f64::from(*n)) as i64);
                ActionTensor::Discrete(precision.indices(&actions.collect::<Vec<_>>()))
            }
            Space::MultiDiscrete { sizes } => {
                let sizes = sizes.iter().cycle().map(|&size| f64::from(size));
                let count = rows * self.space.flat_len();
                let actions: Vec<i64> =
                    uniform(count).into_iter().zip(sizes).map(|(u, size)| (u * size) as i64).collect();
                ActionTensor::MultiDiscrete(precision.indices(&actions).reshape([rows, count / rows]))
            }
            Space::MultiBinary { n } => {
                let actions = uniform(rows * *n as usize).into_iter().map(f64::round).collect();
                ActionTensor::MultiBinary(precision.tensor(actions, [rows, *n as usize]))
            }
            _ => ActionTensor::Continuous(precision.tensor(continuous, [rows, self.space.flat_len()])),
        };
        if self.masked {
            let width = self.space.mask_len();
            // Policies take only actions that are possible.
            let taken = taken(&actions, &self.space);
            let mask: Vec<bool> =
                uniform(rows * width).into_iter().zip(taken).map(|(u, taken)| taken || u < 0.7).collect();
            observation.action_mask =
                Some(Tensor::<2, Bool>::from_data(TensorData::new(mask, [rows, width]), &precision.device));
        }
        let weights = self.weighted.then(|| {
            precision.vector(&uniform(rows).into_iter().map(|u| single((2.0 * u - 0.5).max(0.0))).collect::<Vec<_>>())
        });
        Batch {
            values: Some(values),
            reference_log_probs: Some(reference),
            advantages: Some(advantages),
            returns: Some(returns),
            weights,
            progress: 0.3,
            ..Batch::new(observation, actions, old)
        }
    }

    fn learner(&self) -> Learner {
        let optimiser = OptimiserSpec::default().build();
        let objective = Objective::from_specs(&self.terms).unwrap();
        Learner { normalize_advantages: self.normalize_advantages, ..Learner::new(objective, optimiser) }
    }

    /// Compares gradients and metrics with those of autodiff. In single precision, neither is exact where large numbers
    /// cancel each other: then both are compared with the result of autodiff in double precision.
    fn check(&self) {
        let all = Precision::all();
        for double in all.iter().filter(|precision| precision.is_double()) {
            let single = all.iter().find(|other| other.backend == double.backend && !other.is_double()).unwrap();
            let [exact, ours] = self.computed(double);
            let [theirs_in_single, ours_in_single] = self.computed(single);
            for (name, exact) in exact {
                let scale = exact.iter().fold(1.0_f64, |largest, number| largest.max(number.abs()));
                let error = |of: &BTreeMap<&str, Vec<f64>>| {
                    let errors = of[name].iter().zip(&exact).map(|(one, other)| (one - other).abs() / scale);
                    errors.fold(0.0, f64::max)
                };
                // Overflows are found by both.
                for (ours, theirs) in ours_in_single[name].iter().zip(&theirs_in_single[name]) {
                    assert_eq!(ours.is_finite(), theirs.is_finite(), "{name}: {ours} instead of {theirs}");
                }
                if theirs_in_single[name].iter().chain(&exact).any(|number| !number.is_finite()) {
                    continue;
                }
                assert!(error(&ours) <= 1e-12, "{name}: {:e}", error(&ours));
                let (of_ours, of_theirs) = (error(&ours_in_single), error(&theirs_in_single));
                assert!(
                    of_ours <= (4.0 * of_theirs).max(1e-6),
                    "{name} in single precision: {of_ours:e}, autodiff {of_theirs:e}"
                );
            }
        }
    }

    /// Returns the gradient and the metrics by autodiff, and as training computes them.
    fn computed(&self, precision: &Precision) -> [BTreeMap<&'static str, Vec<f64>>; 2] {
        let (policy, batch, learner) = (self.policy(precision), self.batch(precision), self.learner());
        let expected = if precision.backend == Backend::Flex { None } else { Some(Unfused::Device) };
        assert_eq!(learner.unfused(&policy, &batch), expected);
        let both = [learner.gradient_by_autodiff(&policy, batch.clone()), learner.gradient(&policy, batch)];
        both.map(|(gradient, metrics)| {
            let metrics = metrics.into_iter().map(|(name, value)| (name, values(value)));
            metrics.chain([("gradient", values(gradient))]).collect()
        })
    }
}

/// Returns the flags of actions that were taken, in the order of action masks.
fn taken(actions: &ActionTensor, space: &Space) -> Vec<bool> {
    let (actions, sizes) = match (actions, space) {
        (ActionTensor::Discrete(actions), Space::Discrete { n, .. }) => (actions.to_data(), vec![*n]),
        (ActionTensor::MultiDiscrete(actions), Space::MultiDiscrete { sizes }) => (actions.to_data(), sizes.clone()),
        _ => panic!("only discrete actions are masked"),
    };
    let actions = actions.convert::<u32>().try_into_vec::<u32>().unwrap();
    let sizes = sizes.iter().cycle();
    actions.into_iter().zip(sizes).flat_map(|(action, &size)| (0..size).map(move |index| index == action)).collect()
}

/// Rounds a number to single precision, so that it is the same in both float types.
#[allow(clippy::cast_possible_truncation)]
fn single(number: f64) -> f64 {
    f64::from(number as f32)
}

/// Adds random numbers to all weights, so that no bias is 0, and converts them to a float type.
struct Moved<'a> {
    rng: EnvRng,
    precision: &'a Precision,
}

impl ModuleMapper for Moved<'_> {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| {
            let moved: Vec<f64> =
                values(old.clone()).into_iter().map(|weight| single(weight + self.rng.uniform(-0.2, 0.2))).collect();
            self.precision.tensor::<D>(moved, old.dims()).require_grad()
        })
    }
}

fn spaces() -> impl Strategy<Value = Space> {
    prop_oneof![
        (1..7_u32).prop_map(Space::discrete),
        prop::collection::vec(1..5_u32, 1..4).prop_map(|sizes| Space::MultiDiscrete { sizes }),
        (1..5_u32).prop_map(|n| Space::MultiBinary { n }),
        (1..4_usize).prop_map(|len| Space::symmetric(&vec![1.0; len])),
    ]
}

fn networks() -> impl Strategy<Value = NetworkSpec> {
    let activation = prop_oneof![Just(Activation::Tanh), Just(Activation::Relu), Just(Activation::Silu)];
    let exploration = (any::<bool>(), any::<bool>(), -5.0..1.0)
        .prop_map(|(squash, state_dependent, log_std)| Exploration { squash, state_dependent, log_std, sde: None });
    (prop::collection::vec(1..70_usize, 0..4), activation, any::<bool>(), exploration).prop_map(
        |(hidden_sizes, activation, shared, exploration)| NetworkSpec {
            hidden_sizes,
            activation,
            shared,
            exploration,
            ..NetworkSpec::default()
        },
    )
}

fn objectives() -> impl Strategy<Value = Vec<LossSpec>> {
    let range = || Schedule::from(0.2);
    let policy = prop_oneof![
        Just(TermSpec::PolicyGradient {}),
        Just(TermSpec::Surrogate {}),
        Just(TermSpec::PpoClip { clip_range: range() }),
        Just(TermSpec::KlPenalty { target: 0.01, weight: 1.7 }),
    ];
    let clip = prop_oneof![
        Just(ValueClip::Off),
        Just(ValueClip::Pessimistic { range: range() }),
        Just(ValueClip::Hard { range: range() })
    ];
    let estimator = prop_oneof![Just(KlEstimator::K1), Just(KlEstimator::K2), Just(KlEstimator::K3)];
    let weight = || prop_oneof![Just(0.0), Just(0.5), 0.0..2.0];
    (policy, clip, estimator, prop::collection::vec(prop::option::of(weight()), 4)).prop_map(
        |(policy, clip, estimator, weights)| {
            let terms = [policy, TermSpec::Value { clip }, TermSpec::KlToReference { estimator }, TermSpec::Entropy {}];
            let chosen = terms.into_iter().zip(&weights).filter_map(|(term, weight)| Some((term, (*weight)?)));
            let mut chosen: Vec<_> = chosen.map(|(term, weight)| LossSpec { weight: weight.into(), term }).collect();
            if chosen.is_empty() {
                chosen.push(LossSpec { weight: 1.0.into(), term: TermSpec::Entropy {} });
            }
            chosen
        },
    )
}

fn cases() -> impl Strategy<Value = Case> {
    let sizes = (1..6_usize, prop_oneof![1..4_usize, 60..70_usize, 120..300_usize]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let scales = (prop_oneof![Just(1.0), Just(100.0)], prop_oneof![Just(1.0), Just(1e4)]);
    (0..1_000_000_u64, sizes, spaces(), networks(), flags, objectives(), scales).prop_map(
        |(seed, (observations, rows), space, network, (masked, weighted, normalize), terms, (scale, distance))| Case {
            seed,
            observations,
            rows,
            masked: masked && matches!(space, Space::Discrete { .. } | Space::MultiDiscrete { .. }),
            space,
            network,
            weighted,
            normalize_advantages: normalize,
            terms,
            scale,
            distance,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn gradients_and_metrics_are_those_of_autodiff(case in cases()) {
        case.check();
    }
}
