//! Noise that is a function of the state and held over several steps.

use std::{num::NonZeroU32, ops::ControlFlow};

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Device, Tensor},
};
use burn_pg::{
    Config, DeviceChoice, UpdateStats,
    algorithm::ppo,
    device::{self, Backend},
    distribution::{
        ActionStream, ActionTensor, AnyDistribution, Distribution, Normal, SquashedGaussian, StateDependentGaussian,
    },
    envs::{ActionBuffer, Env, EnvRng, EnvSpec, Space, Step, VecEnv, make},
    evaluate,
    optim::{flatten_gradients, flatten_parameters},
    policy::{ActorCritic, Exploration, Head, HeldNoise, NetworkSpec, Observation, Policy, Prediction},
    source::{Collector, Rollout, RolloutLength},
};

use crate::precision::{Precision, assert_close, open_devices, values};

const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

fn tolerance(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-12 } else { 2e-6 }
}

/// Numbers as a device has them, after rounding to its precision.
fn kept(precision: &Precision, numbers: &[f64]) -> Vec<f64> {
    values(precision.vector(numbers))
}

/// `sum_f phi_f^2 exp(2 log_std_fk) + 1e-6` of one state and each of `len` actions.
fn variances(features: &[f64], log_std: &[f64], len: usize) -> Vec<f64> {
    let one = |k: usize| {
        let terms = features.iter().enumerate().map(|(f, phi)| phi * phi * (2.0 * log_std[f * len + k]).exp());
        terms.sum::<f64>() + 1e-6
    };
    (0..len).map(one).collect()
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

    /// The squashed Gaussian with the analytic deviations.
    fn squashed(&self, precision: &Precision) -> SquashedGaussian {
        let log_std = self.variances().iter().map(|variance| 0.5 * variance.ln()).collect();
        SquashedGaussian::new(precision.tensor(self.means.clone(), [4, 2]), precision.tensor(log_std, [4, 2]))
    }
}

/// The sum over the components of each state.
fn by_state(components: impl Iterator<Item = f64>) -> Vec<f64> {
    components.collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().sum()).collect()
}

#[test]
fn densities_entropies_and_divergences_are_those_of_the_marginal() {
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
        let divergence = |i: usize| {
            let squares = vars[i] + (p.means[i] - q.means[i]).powi(2);
            0.5 * ((other_vars[i] / vars[i]).ln() + squares / other_vars[i] - 1.0)
        };
        assert_close(&values(ours.kl(&other)), &by_state((0..8).map(divergence)), tolerance, "kl");
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
fn deviations_and_their_gradients_are_right_where_squares_overflow_and_vanish() {
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
            // d log(variance) / 2 by log_std: the shares of the features in the variance.
            let gradients = entropy.backward();
            let share = |f: usize| features[f].powi(2) * (2.0 * log_std[f]).exp() / variance;
            let expected = [share(0), share(1)];
            let tolerance = if precision.is_double() { 1e-12 } else { 1e-5 };
            assert_close(&values(sigma.grad(&gradients).unwrap()), &expected, tolerance, &what);
            // By a feature it is the share divided by the feature.
            let of_features = values(phi.grad(&gradients).unwrap());
            assert!(of_features.iter().all(|slope| slope.is_finite()), "{what}: {of_features:?}");
            let shares = [features[0] * of_features[0], features[1] * of_features[1]];
            assert_close(&shares, &expected, tolerance, &what);
        }
    }
}

/// Puts numbers into the only parameter of a module.
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
fn gradients_reach_the_deviations_and_on_request_the_features() {
    for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
        let case = Case::random(precision, 3);
        let actions =
            ActionTensor::Continuous(precision.tensor(vec![0.3, -0.9, 1.5, 0.0, -0.2, 0.7, 0.1, -1.1], [4, 2]));
        for (squash, learn_features) in [(false, false), (false, true), (true, true)] {
            let sde = Some(HeldNoise { learn_features, ..HeldNoise::default() });
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
            let slopes = |numbers: &[f64], value: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
                let slope = |i: usize| {
                    let moved = |by: f64| {
                        let mut numbers = numbers.to_vec();
                        numbers[i] += by;
                        value(&numbers)
                    };
                    let difference = |by: f64| (moved(by) - moved(-by)) / (2.0 * by);
                    // Without the error of second order (Richardson).
                    (4.0 * difference(1e-4) - difference(2e-4)) / 3.0
                };
                (0..numbers.len()).map(slope).collect()
            };

            let features = leaf(&case.features);
            let (total, head) = log_prob(features.clone(), &case.log_std);
            let gradients = total.backward();
            let expected = slopes(&case.log_std, &|log_std| at(&case.features, log_std));
            assert!(expected.iter().all(|slope| slope.abs() > 1e-4), "{expected:?}");
            assert_close(&values(flatten_gradients(&head, &gradients)), &expected, 1e-8, "log_std");

            let ours = features.grad(&gradients).map(values);
            if learn_features {
                let expected = slopes(&case.features, &|features| at(features, &case.log_std));
                assert_close(&ours.unwrap(), &expected, 1e-8, "features");
            } else {
                assert!(ours.is_none_or(|gradient| gradient.iter().all(|&slope| slope == 0.0)));
            }
        }
    }
}

#[test]
#[should_panic(expected = "not both")]
fn a_head_has_one_source_of_deviations() {
    let exploration = Exploration { state_dependent: true, sde: Some(HeldNoise::default()), ..Exploration::default() };
    let _ = Head::new(&Space::symmetric(&[1.0]), exploration, 3, &flex());
}

fn flex() -> Device {
    device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device
}

/// The parameters of a distribution, read back.
#[allow(clippy::cast_possible_truncation)] // in single precision
fn read(distribution: &impl Distribution) -> Vec<f32> {
    values(distribution.parameters()).into_iter().map(|number| number as f32).collect()
}

/// One action for each stream.
fn sample(distribution: &impl Distribution, streams: &mut [ActionStream]) -> (Vec<f64>, Vec<f32>) {
    let (mut actions, mut log_probs) = (ActionBuffer::Continuous(Vec::new()), Vec::new());
    distribution.sample(&read(distribution), streams, &mut actions, &mut log_probs).unwrap();
    let ActionBuffer::Continuous(actions) = actions else { panic!() };
    (actions.into_iter().map(f64::from).collect(), log_probs)
}

/// `E` of two features and one action, from two states and the offsets of their actions.
fn solve(states: &[[f64; 2]], offsets: &[f64]) -> [f64; 2] {
    let [[a, b], [c, d]] = [states[0], states[1]];
    let determinant = a * d - b * c;
    [(d * offsets[0] - b * offsets[1]) / determinant, (a * offsets[1] - c * offsets[0]) / determinant]
}

#[test]
fn one_matrix_serves_a_hold_and_another_the_next() {
    let states = [[1.0, 0.5], [-0.5, 1.0], [0.25, 0.75], [-1.0, -0.25]];
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let mut stream = [ActionStream::from(EnvRng::new(4))];
        let mut hold = |steps: usize| {
            let offsets: Vec<f64> = (0..steps)
                .map(|step| {
                    let mean = 0.125 * step as f64;
                    let distribution = StateDependentGaussian::new(
                        precision.tensor(vec![mean], [1, 1]),
                        precision.tensor(states[step].to_vec(), [1, 2]),
                        precision.tensor(vec![-0.5, 0.25], [2, 1]),
                        NonZeroU32::new(4),
                    );
                    let mut modes = ActionBuffer::Continuous(Vec::new());
                    distribution.mode(&read(&distribution), &mut modes).unwrap();
                    #[allow(clippy::cast_possible_truncation)] // exact
                    let exact = vec![mean as f32];
                    assert_eq!(modes, ActionBuffer::Continuous(exact));
                    sample(&distribution, &mut stream).0[0] - mean
                })
                .collect();
            let matrix = solve(&states, &offsets);
            for (state, offset) in states.iter().zip(&offsets) {
                let linear = state[0] * matrix[0] + state[1] * matrix[1];
                assert!((linear - offset).abs() < 1e-6, "{offset} instead of {linear}");
            }
            if steps < 4 {
                stream[0].begin_rollout();
            }
            matrix
        };
        // Two whole holds, one that the next rollout cuts short, and one more.
        let matrices = [hold(4), hold(4), hold(3), hold(4)];
        for (i, one) in matrices.iter().enumerate() {
            for other in &matrices[..i] {
                assert!((one[0] - other[0]).abs() > 1e-3 && (one[1] - other[1]).abs() > 1e-3, "{one:?} {other:?}");
            }
        }
    }
}

#[test]
fn draws_have_the_moments_of_the_marginal_and_its_density() {
    let count = 20_000;
    let (mean, features, log_std) = ([0.5, -1.0], [0.5, -1.0, 0.25], [0.0, -1.0, -0.5, 0.25, 0.5, -2.0]);
    let vars = variances(&features, &log_std, 2);
    for precision in Precision::all().iter().filter(|precision| !precision.is_double()) {
        let batch = |row: &[f64]| precision.tensor(row.repeat(count), [count, row.len()]);
        let deviations = precision.tensor(log_std.to_vec(), [3, 2]);
        let at =
            |features: &[f64]| StateDependentGaussian::new(batch(&mean), batch(features), deviations.clone(), None);
        let mut streams: Vec<ActionStream> = (0..count as u64).map(|seed| EnvRng::new(seed).into()).collect();

        let distribution = at(&features);
        let (actions, log_probs) = sample(&distribution, &mut streams);
        for k in 0..2 {
            let offsets: Vec<f64> = actions.iter().skip(k).step_by(2).map(|action| action - mean[k]).collect();
            let moment = |power: i32| offsets.iter().map(|offset| offset.powi(power)).sum::<f64>() / count as f64;
            // Five standard errors each.
            assert!(moment(1).abs() < 5.0 * (vars[k] / count as f64).sqrt(), "{}", moment(1));
            let spread = vars[k] * (2.0 / count as f64).sqrt();
            assert!((moment(2) - vars[k]).abs() < 5.0 * spread, "{} {}", moment(2), vars[k]);
        }

        let pairs = actions.chunks_exact(2).map(|action| (action[0] - mean[0]) * (action[1] - mean[1]));
        let covariance = pairs.sum::<f64>() / count as f64;
        assert!(covariance.abs() < 5.0 * (vars[0] * vars[1] / count as f64).sqrt(), "{covariance}");

        let tensor = ActionTensor::Continuous(precision.tensor(actions.clone(), [count, 2]));
        let recorded: Vec<f64> = log_probs.into_iter().map(f64::from).collect();
        assert_close(&recorded, &values(distribution.log_prob(&tensor)), 2e-6, "recorded");

        // With the opposite features the same noise gives the opposite offsets.
        let (opposite, _) = sample(&at(&features.map(|feature| -feature)), &mut streams);
        for (i, (action, opposite)) in actions.iter().zip(&opposite).enumerate() {
            assert!((action + opposite - 2.0 * mean[i % 2]).abs() < 1e-5, "{action} {opposite}");
        }
    }
}

/// Observes a unit vector of three dimensions, a later one each time; cut off after 5 steps.
#[derive(Default)]
struct Basis(u32);

impl Basis {
    fn observe(&mut self, observation: &mut [f32]) {
        observation.fill(0.0);
        observation[self.0 as usize % 3] = 1.0;
        self.0 += 1;
    }
}

impl Env for Basis {
    type Action = [f32; 1];
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Basis".into(),
            observation_space: Space::symmetric(&[1.0; 3]),
            action_space: Space::symmetric(&[1e6]),
            max_episode_steps: Some(5),
            reward_threshold: None,
            masks_actions: false,
        }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        self.observe(observation);
    }

    fn step(&mut self, action: [f32; 1], _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.observe(observation);
        Step { reward: f64::from(action[0]), terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.0
    }

    fn set_state(&mut self, state: u32) {
        self.0 = state;
    }
}

/// Its features are the observations, and its means are 0: in [`Basis`], an action is an element of `E`.
#[derive(Module, Debug)]
struct Probe {
    log_std: Param<Tensor<2>>,
    #[module(skip)]
    resample_every: Option<NonZeroU32>,
}

impl Policy for Probe {
    type Observation = Observation;
    type Dist = StateDependentGaussian;

    fn forward(&self, observation: Observation) -> Prediction<StateDependentGaussian> {
        let features = observation.vector();
        let mean = features.clone().narrow(1, 0, 1).zeros_like();
        Prediction::new(StateDependentGaussian::new(mean, features, self.log_std.val(), self.resample_every))
    }
}

fn basis(num_envs: usize) -> Collector {
    let envs = Box::new(VecEnv::<Basis>::new(num_envs).unwrap());
    Collector::new(envs, RolloutLength::Steps(12), 7, &flex()).unwrap()
}

fn probe(resample_every: u32) -> Probe {
    let log_std = Param::from_tensor(Tensor::from_floats([[0.0], [1.0], [-1.0]], &flex()));
    Probe { log_std, resample_every: NonZeroU32::new(resample_every) }
}

/// The elements of `E` in each hold of `interval` steps of an environment; they must not change within it.
fn matrices(rollout: &Rollout, env: usize, interval: usize) -> Vec<[f32; 3]> {
    let ActionBuffer::Continuous(actions) = &rollout.actions else { panic!() };
    let rows: Vec<usize> = (env..rollout.len()).step_by(rollout.num_envs).collect();
    let one = |rows: &[usize]| {
        let mut matrix = [None; 3];
        for &row in rows {
            let feature = rollout.observations.flat()[3 * row..3 * row + 3].iter().position(|&o| o == 1.0).unwrap();
            assert_eq!(*matrix[feature].get_or_insert(actions[row]), actions[row], "row {row}");
        }
        matrix.map(Option::unwrap)
    };
    rows.chunks(interval).map(one).collect()
}

#[test]
fn a_collector_holds_noise_for_a_rollout_or_an_interval_over_the_ends_of_episodes() {
    for (resample_every, interval) in [(0, 12), (6, 6), (100, 12)] {
        let mut collector = basis(2);
        let probe = probe(resample_every);
        let mut found = Vec::new();
        for _ in 0..2 {
            let rollout = collector.collect(&probe).unwrap();
            assert!(rollout.truncated.contains(&true));
            for env in 0..2 {
                found.extend(matrices(rollout, env, interval));
            }
        }
        assert_eq!(found.len(), 4 * 12 / interval);
        for (i, one) in found.iter().enumerate() {
            assert!(found[..i].iter().all(|other| one.iter().zip(other).all(|(x, y)| x != y)), "{found:?}");
        }
    }
}

#[test]
fn noise_does_not_depend_on_the_number_of_environments() {
    let probe = probe(6);
    let of = |num_envs: usize| {
        let mut collector = basis(num_envs);
        let mut both = Vec::new();
        for _ in 0..2 {
            let rollout = collector.collect(&probe).unwrap();
            both.extend((0..2).flat_map(|env| matrices(rollout, env, 6)));
        }
        both
    };
    assert_eq!(of(2), of(5));
}

#[test]
fn the_first_ratio_is_one_for_perceptrons() {
    for (squash, shared) in [(false, false), (true, true)] {
        let sde = Some(HeldNoise { resample_every: NonZeroU32::new(4), learn_features: true });
        let exploration = Exploration { squash, sde, ..Exploration::default() };
        let shape = NetworkSpec { exploration, shared, hidden_sizes: vec![16, 8], ..NetworkSpec::default() };
        let policy = ActorCritic::new(&Basis::default().spec(), &shape, &mut EnvRng::new(0), &flex()).unwrap();
        let mut collector = basis(4);
        let rollout = collector.collect(&policy).unwrap();
        let observations = Observation::upload(rollout.observations.flat().into_owned(), &[], rollout.len(), &flex());
        let actions = ActionTensor::upload(&rollout.actions, rollout.len(), &flex());
        let distribution = policy.forward(observations).distribution;
        match (&distribution, squash) {
            (AnyDistribution::StateDependentGaussian(_), false)
            | (AnyDistribution::SquashedStateDependentGaussian(_), true) => {}
            other => panic!("{other:?}"),
        }
        let recorded: Vec<f64> = rollout.log_probs.iter().map(|&log_prob| f64::from(log_prob)).collect();
        assert_close(&recorded, &values(distribution.log_prob(&actions)), 2e-6, "log_prob");
        assert_close(&values(distribution.kl(&distribution)), &vec![0.0; rollout.len()], 2e-6, "kl");
    }
}

fn pendulum() -> Config {
    let sde = Some(HeldNoise { resample_every: NonZeroU32::new(4), learn_features: false });
    Config {
        env: "Pendulum-v1".into(),
        total_steps: 3 * 1024,
        num_envs: 4,
        num_steps: 256,
        num_epochs: 2,
        num_minibatches: 8,
        hidden_sizes: vec![16, 16],
        exploration: Exploration { sde, ..Exploration::default() },
        ..Config::default()
    }
}

#[test]
fn a_pendulum_is_trained_on_every_device_and_evaluated_with_and_without_noise() {
    for open in open_devices() {
        for squash in [false, true] {
            let mut config = pendulum();
            config.exploration.squash = squash;
            let config = config.validate().unwrap();
            let mut trainer = ppo(&config, &open.device).unwrap();
            let before = values(flatten_parameters(trainer.policy()));
            let mut updates = 0;
            trainer
                .run(&mut |stats: &UpdateStats| {
                    updates += 1;
                    assert!(stats.losses["approx_kl"] < 0.2, "{:?}", stats.losses);
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(updates, 3);
            let after = values(flatten_parameters(trainer.policy()));
            assert!(before.iter().zip(&after).filter(|(before, after)| before != after).count() > before.len() / 2);

            let agent = trainer.agent().unwrap();
            let returns =
                |stochastic: bool| evaluate(&agent, make("Pendulum-v1", 2).unwrap(), 0, stochastic).unwrap().returns;
            assert_eq!(returns(false), returns(false));
            assert_eq!(returns(true), returns(true));
            assert_ne!(returns(false), returns(true));
        }
    }
}

#[test]
fn a_seed_repeats_noise_whatever_the_number_of_threads() {
    // Enough environments that they are stepped in parallel.
    let config = Config { num_envs: 512, num_steps: 6, total_steps: 6_144, num_minibatches: 2, ..pendulum() };
    let run = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let config = Config { seed, ..config.clone() }.validate().unwrap();
            let mut trainer = ppo(&config, &flex()).unwrap();
            trainer.run(&mut |_: &UpdateStats| ControlFlow::Continue(())).unwrap();
            values(flatten_parameters(trainer.policy()))
        })
    };
    let once = run(1, 5);
    assert_eq!(once, run(4, 5));
    assert_ne!(once, run(1, 6));
}
