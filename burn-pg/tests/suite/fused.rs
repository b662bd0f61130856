//! Minibatches without tensors give the gradients and metrics of autodiff, for everything that they serve.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Bool, Tensor, TensorData},
};
use burn_pg::{
    Error, Learner,
    device::Backend,
    distribution::ActionTensor,
    envs::{EnvRng, EnvSpec, Space},
    loss::{ContextPart, KlEstimator, LossSpec, Objective, TermSpec, ValueClip},
    optim::{OptimiserSpec, Schedule, flatten_parameters},
    policy::{Activation, ActorCritic, Exploration, NetworkSpec, Observation},
    source::{Batch, Origins},
    update::{Epochs, Unfused, Update, UpdateContext},
};
use proptest::prelude::*;

use crate::{
    helpers::{Own, on_threads},
    precision::{Precision, assert_close, assert_relative, values},
};

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
    optimiser: OptimiserSpec,
    /// Scale of observations; large ones saturate tanh.
    scale: f64,
    /// Largest distance of old log-probabilities from 0; ratios overflow if it is large.
    distance: f64,
}

impl Case {
    fn spec(&self) -> EnvSpec {
        let observations = Space::symmetric(&vec![1.0; self.observations]);
        EnvSpec { masks_actions: self.masked, ..EnvSpec::new("Random", observations, self.space.clone()) }
    }

    fn policy(&self, precision: &Precision) -> ActorCritic {
        let rng = &mut EnvRng::new(self.seed);
        let policy = ActorCritic::new(&self.spec(), &self.network, rng, &precision.device).unwrap();
        policy.map(&mut Moved { rng: EnvRng::new(self.seed + 1), precision })
    }

    #[allow(clippy::cast_possible_truncation)] // actions are small
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
        let optimiser = self.optimiser.build();
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

#[cfg(feature = "cube")]
impl Case {
    /// Compares gradient and metrics of kernels on each GPU with those of autodiff in double precision.
    fn check_on_gpus(&self) {
        let all = Precision::all();
        let double = all.iter().find(|precision| precision.is_double()).unwrap();
        let (policy, batch, learner) = (self.policy(double), self.batch(double), self.learner());
        let (exact, metrics) = learner.gradient_by_autodiff(&policy, batch);
        let (exact, metrics) = (values(exact), metrics.into_iter().map(|(name, value)| (name, values(value))));
        let metrics: BTreeMap<&str, Vec<f64>> = metrics.collect();
        for gpu in all.iter().filter(|precision| !precision.backend.is_cpu()) {
            let (policy, batch) = (self.policy(gpu), self.batch(gpu));
            assert_eq!(learner.unfused(&policy, &batch), None);
            let (gradient, ours) = learner.gradient(&policy, batch.clone());
            assert_relative(&values(gradient.clone()), &exact, 1e-5, "gradient");
            assert_eq!(ours.len(), metrics.len());
            for (name, value) in ours {
                assert_close(&values(value), &metrics[name], 1e-5, name);
            }
            // The same bits twice.
            assert_eq!(values(learner.gradient(&policy, batch).0), values(gradient));
        }
    }
}

/// Kernels for GPUs serve heads, activations, terms, and layers of any width, with and without weights in workgroup memory.
#[test]
#[cfg(feature = "cube")]
fn gradients_on_gpus_are_those_of_autodiff() {
    let terms = |policy: TermSpec, value: ValueClip| {
        let all = [policy, TermSpec::Value { clip: value }, TermSpec::Entropy {}];
        let weights = [1.0, 0.5, 0.01];
        all.into_iter().zip(weights).map(|(term, weight)| LossSpec { weight: weight.into(), term }).collect::<Vec<_>>()
    };
    let network = |hidden: &[usize], activation: Activation| NetworkSpec {
        hidden_sizes: hidden.to_vec(),
        activation,
        ..NetworkSpec::default()
    };
    let range = || Schedule::from(0.2);
    let clip = || TermSpec::PpoClip { clip_range: range(), upper: None, dual: None };
    let cases = [
        (Space::discrete(2), 333, network(&[64, 64], Activation::Tanh), terms(clip(), ValueClip::Off)),
        (
            Space::symmetric(&[1.0, 1.0]),
            70,
            network(&[7, 33], Activation::Relu),
            terms(TermSpec::Surrogate {}, ValueClip::Pessimistic { range: range() }),
        ),
        (
            Space::MultiDiscrete { sizes: vec![3, 1, 4] },
            33,
            network(&[160], Activation::Tanh),
            terms(TermSpec::KlPenalty { target: 0.01, weight: 1.7 }, ValueClip::Hard { range: range() }),
        ),
        (
            Space::MultiBinary { n: 3 },
            1,
            network(&[], Activation::Tanh),
            terms(TermSpec::PolicyGradient {}, ValueClip::Off),
        ),
        (
            Space::discrete(5),
            64,
            network(&[12], Activation::Relu),
            vec![
                LossSpec { weight: 0.7.into(), term: TermSpec::KlToReference { estimator: KlEstimator::K3 } },
                LossSpec { weight: 1.0.into(), term: TermSpec::Value { clip: ValueClip::Off } },
            ],
        ),
    ];
    let exploration =
        |squash, state_dependent| Exploration { squash, state_dependent, log_std: -0.5, ..Exploration::default() };
    let explored = |squash, state_dependent| NetworkSpec {
        exploration: exploration(squash, state_dependent),
        ..network(&[9, 8], Activation::Silu)
    };
    let asymmetric = TermSpec::PpoClip { clip_range: range(), upper: Some(0.02.into()), dual: Some(1.05) };
    let more = [
        (Space::symmetric(&[1.0]), 20, explored(true, true), terms(asymmetric, ValueClip::Off)),
        (
            Space::symmetric(&[1.0, 1.0, 1.0]),
            40,
            explored(false, true),
            vec![
                LossSpec { weight: 1.0.into(), term: clip() },
                LossSpec { weight: 1.0.into(), term: TermSpec::Value { clip: ValueClip::Off } },
            ],
        ),
    ];
    for (seed, (space, rows, network, terms)) in (0..).zip(cases.into_iter().chain(more)) {
        let normalize_advantages = rows != 70;
        let case = Case { seed, rows, space, network, terms, weighted: false, normalize_advantages, ..plain(clip()) };
        println!("{case:?}");
        case.check_on_gpus();
    }
    let shared = |hidden: &[usize], activation| NetworkSpec { shared: true, ..network(hidden, activation) };
    for (space, rows, network, masked) in [
        (Space::discrete(3), 80, shared(&[20, 12], Activation::Tanh), true),
        (Space::MultiDiscrete { sizes: vec![3, 1, 4] }, 45, network(&[8], Activation::Silu), true),
        (Space::symmetric(&[1.0, 1.0]), 300, shared(&[160, 150], Activation::Silu), false),
        (Space::discrete(2), 17, shared(&[], Activation::Tanh), false),
        // More than one launch takes.
        (Space::discrete(2), 540_000, network(&[], Activation::Tanh), false),
    ] {
        let terms = terms(clip(), ValueClip::Off);
        let case = Case { rows, space, network, terms, masked, weighted: false, ..plain(clip()) };
        println!("{case:?}");
        case.check_on_gpus();
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
    let exploration = (any::<bool>(), any::<bool>(), -5.0..1.0).prop_map(|(squash, state_dependent, log_std)| {
        Exploration { squash, state_dependent, log_std, ..Exploration::default() }
    });
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
        Just(TermSpec::PpoClip { clip_range: range(), upper: None, dual: None }),
        Just(TermSpec::PpoClip { clip_range: range(), upper: Some(0.02.into()), dual: Some(1.05) }),
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
            optimiser: OptimiserSpec::default(),
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

/// A small case with one term.
fn plain(term: TermSpec) -> Case {
    Case {
        seed: 5,
        observations: 3,
        rows: 70,
        space: Space::discrete(3),
        network: NetworkSpec { hidden_sizes: vec![8], ..NetworkSpec::default() },
        masked: false,
        weighted: true,
        normalize_advantages: false,
        terms: vec![LossSpec { weight: 1.0.into(), term }],
        optimiser: OptimiserSpec::default(),
        scale: 1.0,
        distance: 1.0,
    }
}

/// Finds the terms of the library in the schema of their configuration.
#[test]
fn every_term_of_the_library_has_a_closed_form() {
    let schema = serde_json::to_value(schemars::schema_for!(TermSpec)).unwrap();
    let variants = schema["oneOf"].as_array().unwrap();
    assert!(variants.len() >= 7, "{schema}");
    for variant in variants {
        let kind = variant["properties"]["kind"]["const"].as_str().unwrap();
        let settings = match kind {
            "ppo_clip" => vec!["clip_range = 0.2"],
            "kl_penalty" => vec!["target = 0.01\nweight = 0.7"],
            "kl_to_reference" => vec!["estimator = 'k1'", "estimator = 'k2'", "estimator = 'k3'"],
            "value" => {
                vec!["", "clip = { kind = 'pessimistic', range = 0.2 }", "clip = { kind = 'hard', range = 0.2 }"]
            }
            "policy_gradient" | "surrogate" | "entropy" => vec![""],
            _ => panic!("a new term: give it settings here"),
        };
        for settings in settings {
            plain(toml::from_str(&format!("kind = '{kind}'\n{settings}")).unwrap()).check();
        }
    }
}

/// Three epochs with an optimiser, fused and, because of a term of weight 0 without a closed form, by autodiff. On a GPU, the
/// order of the samples is another one in kernels, so that all are in one minibatch.
#[test]
fn epochs_equal_those_of_autodiff_with_every_optimiser() {
    for settings in [
        "kind = 'adam'",
        "kind = 'adam'\nweight_decay = 0.1",
        "kind = 'adamw'",
        "kind = 'rmsprop'",
        "kind = 'rmsprop'\ncentered = true\nmomentum = 0.5\nweight_decay = 0.1",
        "kind = 'sgd'",
        "kind = 'sgd'\nmomentum = 0.9\ndampening = 0.3\nweight_decay = 0.1",
        "kind = 'sgd'\nmomentum = 0.9\nnesterov = true",
    ] {
        let optimiser = toml::from_str(settings).unwrap();
        let term = TermSpec::PpoClip { clip_range: 0.2.into(), upper: None, dual: None };
        let all = Precision::all();
        for precision in all.iter().filter(|precision| precision.backend != Backend::NdArray) {
            let is_gpu = !precision.backend.is_cpu();
            let case = Case { optimiser, normalize_advantages: true, weighted: !is_gpu, ..plain(term.clone()) };
            let num_minibatches = if is_gpu { 1 } else { 4 };
            let train = |own: bool| {
                let mut learner = case.learner();
                learner.max_grad_norm = 0.05;
                if own {
                    learner.objective = learner.objective.with(0.0, Own);
                }
                let mut epochs = Epochs { num_epochs: 3, num_minibatches, ..Epochs::once(learner, 0.01) };
                let context = UpdateContext { update: 1, progress: 0.3 };
                let mut improved = Update::<ActorCritic, Batch>::check(&epochs, &ContextPart::ALWAYS)
                    .and_then(|()| epochs.improve(&case.policy(precision), case.batch(precision), context))
                    .unwrap();
                let expected = own.then_some(Unfused::Term { term: "own_loss" });
                assert_eq!(improved.unfused, expected);
                improved.metrics.remove("own_loss");
                let state = epochs.learner.optimiser.state();
                let moments: Vec<f64> = state.tensors.into_values().flat_map(values).collect();
                (values(flatten_parameters(&improved.policy)), moments, improved.metrics, state.steps)
            };
            let (ours, expected) = (train(false), train(true));
            let (tolerance, what) =
                (if precision.is_double() { 1e-11 } else { 1e-5 }, format!("{settings} {precision:?}"));
            assert_relative(&ours.0, &expected.0, tolerance, &what);
            assert_close(&ours.1, &expected.1, tolerance, &what);
            assert_eq!(ours.3, 3 * num_minibatches as u64);
            assert!(ours.2.keys().eq(expected.2.keys()), "{:?} {:?}", ours.2, expected.2);
            for (name, metric) in &ours.2 {
                // Metrics from the device are read in single precision.
                assert_close(&[*metric], &[expected.2[name]], 1e-5, &format!("{what} {name}"));
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for shared in [false, true] {
        let network = NetworkSpec { shared, hidden_sizes: vec![16, 16], ..NetworkSpec::default() };
        let case = Case {
            rows: 1500,
            network,
            ..plain(TermSpec::PpoClip { clip_range: 0.2.into(), upper: None, dual: None })
        };
        let precision = Precision::all().into_iter().find(|precision| precision.backend == Backend::Flex).unwrap();
        let run = |threads: usize| {
            on_threads(threads, || {
                let mut epochs = Epochs { num_epochs: 2, num_minibatches: 3, ..Epochs::once(case.learner(), 0.01) };
                let context = UpdateContext { update: 1, progress: 0.3 };
                let improved = epochs.improve(&case.policy(&precision), case.batch(&precision), context).unwrap();
                (values(flatten_parameters(&improved.policy)), improved.metrics)
            })
        };
        let expected = run(1);
        for threads in [2, 3, 8] {
            assert_eq!(run(threads), expected, "{threads}");
        }
    }
}

/// For example, threads that wait for messages of a logger.
#[test]
fn a_blocked_thread_of_the_callers_pool_does_not_delay_a_step() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let case = plain(TermSpec::Entropy {});
    let precision = Precision::all().remove(0);
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    pool.spawn(move || receiver.recv().unwrap_or(()));
    let (policy, batch) = (case.policy(&precision), case.batch(&precision));
    let (gradient, _) = pool.install(|| case.learner().gradient(&policy, batch));
    assert!(values(gradient).iter().any(|&element| element != 0.0));
    drop(sender);
}

/// The ordinary way complains.
#[test]
fn actions_and_observations_that_do_not_fit_are_not_fused() {
    let precision = Precision::all().into_iter().find(|precision| precision.backend == Backend::Flex).unwrap();
    let case = plain(TermSpec::Entropy {});
    let learner = case.learner();
    let wider = Case { observations: 4, ..case.clone() };
    let continuous = Case { space: Space::symmetric(&[1.0; 2]), ..case.clone() };
    for other in [wider, continuous] {
        assert_eq!(learner.unfused(&case.policy(&precision), &other.batch(&precision)), Some(Unfused::Samples));
    }
}

#[test]
fn a_number_that_is_not_finite_is_attributed_and_changes_nothing() {
    for precision in Precision::all().iter().filter(|precision| precision.backend == Backend::Flex) {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let case = plain(TermSpec::PpoClip { clip_range: 0.2.into(), upper: None, dual: None });
            let mut batch = case.batch(precision);
            let mut old = values(batch.log_probs.clone());
            old[37] = bad;
            batch.log_probs = precision.vector(&old);
            batch.weights = None;
            batch.origins = Origins::InTurn(7);
            let policy = case.policy(precision);
            let mut epochs = Epochs { num_minibatches: 3, ..Epochs::once(case.learner(), 0.01) };
            assert_eq!(epochs.learner.unfused(&policy, &batch), None);
            let error = epochs.improve(&policy, batch, UpdateContext { update: 4, progress: 0.0 }).unwrap_err();
            let Error::NonFinite { update: 4, term: Some("policy_loss"), env: Some(2), .. } = error else {
                panic!("{error:?}");
            };
            assert_eq!(epochs.learner.optimiser.state().steps, 0);
        }
    }
}
