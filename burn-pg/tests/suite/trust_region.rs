//! The Fisher matrix and the step within a trust region, against what they are defined as; and what they leave alone.

use burn::{
    module::Module,
    tensor::{Bool, Int, Tensor, TensorData},
};
use burn_pg::{
    Config, Error, StepQuantity, Trainer, TrustRegion, TrustRegionSpec, UpdateStats,
    advantage::{AdvantageEstimator, Targets, Trajectory},
    algorithm::Recipe,
    config::{Algo, CheckedConfig, ConfigError},
    device::{self, Backend, DeviceChoice},
    distribution::{ActionTensor, Distribution},
    envs::{EnvRng, EnvSpec, Space, make},
    loss::{
        ContextPart, Entropy, LossContext, LossTerm, Metric, Objective, ObjectiveError, PerSample, Surrogate, Value,
    },
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::{ActorCritic, Exploration, HeldNoise, NetworkSpec, Observation, Policy},
    source::Batch,
    update::Fisher,
};

use crate::{
    conjugate_gradient::solve,
    precision::{Precision, assert_close, values},
};

/// Numbers that an observation is made of.
const OBSERVED: usize = 2;

/// A tiny actor and critic with weights that are far from special.
fn policy(actions: &Space, exploration: Exploration, rng: &mut EnvRng, precision: &Precision) -> ActorCritic {
    let spec = EnvSpec {
        id: "tiny".into(),
        observation_space: Space::symmetric(&[1.0; OBSERVED]),
        action_space: actions.clone(),
        max_episode_steps: None,
        reward_threshold: None,
        masks_actions: false,
    };
    let shape = NetworkSpec { hidden_sizes: vec![3], exploration, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &shape, rng, &precision.device).unwrap();
    let [len] = flatten_parameters(&policy).dims();
    replace_parameters(policy, precision.vector(&random(len, rng)).inner())
}

fn random(len: usize, rng: &mut EnvRng) -> Vec<f64> {
    (0..len).map(|_| rng.uniform(-1.0, 1.0)).collect()
}

fn rows(count: usize, rng: &mut EnvRng) -> Vec<Vec<f64>> {
    (0..count).map(|_| random(OBSERVED, rng)).collect()
}

/// The gradient of a number of shape `[1]`.
fn slope(policy: &ActorCritic, number: &Tensor<1>) -> Vec<f64> {
    values(flatten_gradients(policy, &number.backward()))
}

/// A sum of outer products.
struct Matrix(Vec<Vec<f64>>);

impl Matrix {
    fn zeros(size: usize) -> Self {
        Self(vec![vec![0.0; size]; size])
    }

    /// Adds `weight v v^T`.
    fn add(&mut self, weight: f64, v: &[f64]) {
        for (row, &a) in self.0.iter_mut().zip(v) {
            row.iter_mut().zip(v).for_each(|(entry, &b)| *entry += weight * a * b);
        }
    }

    fn product(&self, v: &[f64]) -> Vec<f64> {
        self.0.iter().map(|row| dot(row, v)).collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Asserts that products agree with those of the matrix.
#[track_caller]
fn check_products(precision: &Precision, fisher: &Fisher<ActorCritic>, expected: &Matrix, rng: &mut EnvRng) {
    let size = expected.0.len();
    let largest = expected.0.iter().flatten().fold(0.0_f64, |most, entry| most.max(entry.abs()));
    assert!(largest > 1e-2, "there is something to compare");
    for scale in [1e-6, 1.0, 1e6] {
        let v: Vec<f64> = random(size, rng).iter().map(|x| scale * x).collect();
        let ours = values(fisher.product(precision.vector(&v).inner()));
        let [ours, expected] = [ours, expected.product(&v)].map(|v| v.iter().map(|x| x / scale).collect::<Vec<_>>());
        let tolerance = if precision.is_double() { 1e-9 } else { 5e-4 };
        assert_close(&ours, &expected, tolerance, &format!("{precision:?} scale {scale}"));
    }
    let nothing = values(fisher.product(precision.vector(&vec![0.0; size]).inner()));
    assert!(nothing.iter().all(|&x| x == 0.0));
}

/// Some actions, one row each.
fn integers(rows: &[Vec<i64>], precision: &Precision) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), rows[0].len()]), &precision.device)
}

/// Every action of the space.
fn every_action(space: &Space, precision: &Precision) -> Vec<ActionTensor> {
    match space {
        Space::Discrete { n, .. } => {
            (0..i64::from(*n)).map(|a| ActionTensor::Discrete(precision.indices(&[a]))).collect()
        }
        Space::MultiDiscrete { sizes } => {
            let [first, second] = sizes[..] else { panic!("two components") };
            let pairs = (0..i64::from(first)).flat_map(|a| (0..i64::from(second)).map(move |b| vec![a, b]));
            pairs.map(|pair| ActionTensor::MultiDiscrete(integers(&[pair], precision))).collect()
        }
        Space::MultiBinary { n: 2 } => {
            let pairs = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
            pairs.map(|pair| ActionTensor::MultiBinary(precision.tensor(pair.to_vec(), [1, 2]))).into()
        }
        _ => panic!("{space} has infinitely many actions"),
    }
}

fn observation(rows: &[Vec<f64>], masks: Option<&[[bool; 3]]>, precision: &Precision) -> Observation {
    let mask = masks.map(|masks| {
        let data = TensorData::new(masks.concat(), [masks.len(), 3]);
        Tensor::<2, Bool>::from_data(data, &precision.device)
    });
    Observation { action_mask: mask, ..precision.matrix(rows).into() }
}

/// `mean_s sum_a pi(a|s) grad log pi(a|s) grad log pi(a|s)^T`, over the possible actions.
fn enumerated(
    policy: &ActorCritic,
    space: &Space,
    states: &[Vec<f64>],
    masks: Option<&[[bool; 3]]>,
    precision: &Precision,
) -> Matrix {
    let [size] = flatten_parameters(policy).dims();
    let mut matrix = Matrix::zeros(size);
    for (s, state) in states.iter().enumerate() {
        let state = || observation(std::slice::from_ref(state), masks.map(|masks| &masks[s..=s]), precision);
        for (a, action) in every_action(space, precision).iter().enumerate() {
            if masks.is_none_or(|masks| masks[s][a]) {
                let log_prob = policy.forward(state()).distribution.log_prob(action);
                let weight = values(log_prob.clone())[0].exp() / states.len() as f64;
                matrix.add(weight, &slope(policy, &log_prob));
            }
        }
    }
    matrix
}

#[test]
fn products_are_those_of_the_matrix_of_scores() {
    let spaces = [Space::discrete(3), Space::MultiDiscrete { sizes: vec![2, 3] }, Space::MultiBinary { n: 2 }];
    for (precision, space) in Precision::all().iter().flat_map(|p| spaces.iter().map(move |space| (p, space))) {
        let rng = &mut EnvRng::new(8);
        let policy = policy(space, Exploration::default(), rng, precision);
        let states = rows(4, rng);
        let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), None);
        check_products(precision, &fisher, &enumerated(&policy, space, &states, None, precision), rng);
        // Or of some of the states.
        let some = Some(precision.vector(&[0.0, 2.0, 0.0, 2.0]));
        let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), some);
        let states = [states[3].clone(), states[1].clone()];
        check_products(precision, &fisher, &enumerated(&policy, space, &states, None, precision), rng);
    }
}

#[test]
fn actions_that_are_masked_add_nothing_to_products() {
    let masks = [[true, true, false], [true, true, true], [false, false, true]];
    for precision in &Precision::all() {
        let (rng, space) = (&mut EnvRng::new(9), Space::discrete(3));
        let policy = policy(&space, Exploration::default(), rng, precision);
        let states = rows(3, rng);
        let fisher = Fisher::new(policy.clone(), observation(&states, Some(&masks), precision), None);
        check_products(precision, &fisher, &enumerated(&policy, &space, &states, Some(&masks), precision), rng);
    }
}

/// That of a Gaussian: `1 / sigma^2` for each mean, and 2 for each logarithm of a deviation.
fn analytic(policy: &ActorCritic, components: usize, states: &[Vec<f64>], precision: &Precision) -> Matrix {
    let [size] = flatten_parameters(policy).dims();
    let mut matrix = Matrix::zeros(size);
    for state in states {
        let parameters =
            || policy.forward(precision.matrix(std::slice::from_ref(state)).into()).distribution.parameters();
        let numbers = values(parameters());
        for index in 0..2 * components {
            let slope = slope(policy, &parameters().narrow(1, index, 1).reshape([1]));
            let weight =
                if index < components { (-2.0 * numbers[index + components]).exp() } else { 2.0 } / states.len() as f64;
            matrix.add(weight, &slope);
        }
    }
    matrix
}

#[test]
fn products_are_those_of_the_analytic_matrix_of_a_gaussian() {
    for (precision, squash) in Precision::all().iter().flat_map(|precision| [(precision, false), (precision, true)]) {
        let held = HeldNoise { learn_features: true, ..HeldNoise::default() };
        for (state_dependent, sde) in [(false, None), (true, None), (false, Some(held))] {
            let rng = &mut EnvRng::new(10);
            let exploration = Exploration { squash, state_dependent, sde, ..Exploration::default() };
            let policy = policy(&Space::symmetric(&[1.0; 2]), exploration, rng, precision);
            let states = rows(4, rng);
            let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), None);
            check_products(precision, &fisher, &analytic(&policy, 2, &states, precision), rng);
        }
    }
}

/// Samples of a policy, and what a step makes of them.
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

    /// `-mean(r A)` of a policy.
    fn loss(&self, policy: &ActorCritic) -> f64 {
        let log_probs = policy.forward(self.batch.observations.clone()).distribution.log_prob(&self.batch.actions);
        let ratios = values(log_probs - self.batch.log_probs.clone()).into_iter().map(f64::exp).collect::<Vec<_>>();
        -dot(&ratios, &values(self.batch.advantages.clone().unwrap())) / Self::SAMPLES as f64
    }

    /// The mean of KL(before || policy).
    fn kl(&self, policy: &ActorCritic) -> f64 {
        let log_probs = |policy: &ActorCritic| -> Vec<Vec<f64>> {
            let of = |a: i64| {
                let action = ActionTensor::Discrete(precision_indices(&[a; Self::SAMPLES], &self.batch));
                values(policy.forward(self.batch.observations.clone()).distribution.log_prob(&action))
            };
            (0..3).map(of).collect()
        };
        let (old, new) = (log_probs(&self.before), log_probs(policy));
        let divergence =
            |(old, new): (&Vec<f64>, &Vec<f64>)| -> f64 { old.iter().zip(new).map(|(p, q)| p.exp() * (p - q)).sum() };
        old.iter().zip(&new).map(divergence).sum::<f64>() / Self::SAMPLES as f64
    }
}

fn precision_indices(values: &[i64], batch: &Batch) -> Tensor<1, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &batch.log_probs.device())
}

fn region(spec: TrustRegionSpec) -> TrustRegion {
    TrustRegion { objective: Objective::new().with(1.0, Surrogate), spec, normalize_advantages: false }
}

/// So little that a quadratic model of the divergence is far off for a large radius.
const DAMPING: f64 = 5e-3;

/// Enough iterations to solve for all of the tiny policy.
fn exact(max_kl: f64) -> TrustRegionSpec {
    TrustRegionSpec { max_kl, cg_iterations: 60, cg_tolerance: 1e-9, damping: DAMPING, ..TrustRegionSpec::default() }
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

            // The same from dense matrices: the gradient is minus the mean of advantages times scores.
            let mut matrix = enumerated(before, &Space::discrete(3), states, None, &precision);
            matrix.0.iter_mut().enumerate().for_each(|(i, row)| row[i] += DAMPING);
            let log_probs = before.forward(batch.observations.clone()).distribution.log_prob(&batch.actions);
            let gradient = slope(before, &(log_probs * batch.advantages.clone().unwrap()).mean().neg());
            let natural = solve(&matrix.0, &gradient);
            let length = (2.0 * max_kl / dot(&natural, &gradient)).sqrt();

            let fraction = stepped.metric("step_fraction");
            let start = values(flatten_parameters(before));
            let at = |fraction: f64| -> Vec<f64> {
                start.iter().zip(&natural).map(|(start, natural)| start - fraction * length * natural).collect()
            };
            let tolerance = if precision.is_double() { 1e-7 } else { 1e-3 };
            assert_close(&values(flatten_parameters(after)), &at(fraction), tolerance, &what);

            // Both conditions hold, and not for the step before it was last shortened.
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
fn the_critic_stays_as_it_is() {
    for precision in Precision::all() {
        let advantages = random(Stepped::SAMPLES, &mut EnvRng::new(1));
        for spec in [TrustRegionSpec::default(), TrustRegionSpec { damping: 0.0, ..TrustRegionSpec::default() }] {
            let stepped = Stepped::new(&region(spec), &advantages, 0, &precision);
            let [before, after] = [&stepped.before, &stepped.after].map(|policy| values(flatten_parameters(policy)));
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

#[test]
fn without_a_direction_or_a_number_the_weights_stay_as_they_are() {
    for precision in Precision::all() {
        let stays = |region: &TrustRegion, advantages: &[f64]| {
            let stepped = Stepped::new(region, advantages, 2, &precision);
            let [before, after] = [&stepped.before, &stepped.after].map(|policy| values(flatten_parameters(policy)));
            assert_eq!(before, after, "{precision:?}");
            assert_eq!((stepped.metric("step_fraction"), stepped.metric("kl")), (0.0, 0.0));
            stepped
        };
        let plain = region(TrustRegionSpec::default());
        assert_eq!(stays(&plain, &[0.0; Stepped::SAMPLES]).metric("policy_grad_norm"), 0.0);
        // All the same are no better than none, once they are normalised.
        let normalized = TrustRegion { normalize_advantages: true, ..region(TrustRegionSpec::default()) };
        stays(&normalized, &[2.0; Stepped::SAMPLES]);
        for number in [f64::NAN, f64::INFINITY] {
            let mut advantages = [1.0; Stepped::SAMPLES];
            advantages[5] = number;
            assert!(!stays(&plain, &advantages).metric("policy_loss").is_finite());
        }
        // A step that may not be shortened, and is too long.
        let spec = TrustRegionSpec { max_backtracks: 0, ..exact(0.3) };
        let advantages = random(Stepped::SAMPLES, &mut EnvRng::new(105));
        let shortened = Stepped::new(&region(exact(0.3)), &advantages, 5, &precision);
        assert!(shortened.metric("step_fraction") < 1.0);
        assert_eq!(Stepped::new(&region(spec), &advantages, 5, &precision).metric("step_fraction"), 0.0);
    }
}

#[test]
fn other_terms_pull_too() {
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

fn config(text: &str) -> Result<CheckedConfig, ConfigError> {
    let small =
        "algo = 'trpo'\ntotal_steps = 96\nnum_envs = 2\nnum_steps = 16\nnum_minibatches = 2\nhidden_sizes = [8]";
    Config::from_table(format!("{small}\n{text}").parse().unwrap())?.validate()
}

fn build(recipe: Recipe, config: &CheckedConfig) -> Result<Trainer<ActorCritic>, Error> {
    let device = device::open(DeviceChoice::Backend(Backend::Flex)).unwrap().device;
    recipe.build(make(&config.env, config.num_envs).unwrap(), config, &device)
}

/// Gives every action this advantage, and every step the return 1.
struct Fixed(f64);

impl AdvantageEstimator for Fixed {
    fn estimate(&self, trajectory: &Trajectory<'_>) -> Targets {
        Targets { advantages: vec![self.0; trajectory.len()], returns: vec![1.0; trajectory.len()] }
    }
}

fn with_advantages(advantage: f64) -> Trainer<ActorCritic> {
    let config = config("").unwrap();
    build(Recipe { estimator: Box::new(Fixed(advantage)), ..Recipe::trpo(&config).unwrap() }, &config).unwrap()
}

/// What actor and critic say of a few observations.
fn said(trainer: &Trainer<ActorCritic>) -> (Vec<f64>, Vec<f64>) {
    let policy = trainer.policy().valid();
    let device = flatten_parameters(trainer.policy()).device();
    let states = Tensor::<2>::from_floats([[0.1, -0.2, 0.05, 0.3], [-0.4, 0.6, 0.1, -0.7]], &device);
    let prediction = policy.forward(states.into());
    (values(prediction.distribution.parameters()), values(prediction.values.unwrap()))
}

#[test]
fn every_update_keeps_to_the_region_and_fits_the_critic() {
    for memory in ["", "recurrence = { cell = 'gru', size = 4, sequence_steps = 8, burn_in = 4 }"] {
        let config = config(memory).unwrap();
        let mut trainer = build(Recipe::of(&config).unwrap(), &config).unwrap();
        for _ in 0..3 {
            let before = values(flatten_parameters(trainer.policy()));
            let UpdateStats { losses, epochs, .. } = trainer.update().unwrap();
            let after = values(flatten_parameters(trainer.policy()));
            assert!(losses["kl"] > 0.0 && losses["kl"] <= 0.01, "{losses:?}");
            // An estimate from 32 samples.
            assert!(losses["approx_kl"] > 0.0 && losses["approx_kl"] < 0.03, "{losses:?}");
            assert!(losses["step_fraction"] > 0.0 && losses["policy_loss"] < 0.0, "{losses:?}");
            assert!((losses["loss"] - 0.5 * losses["value_loss"]).abs() < 1e-6, "the critic's alone: {losses:?}");
            assert!(losses.contains_key("entropy") && losses["policy_grad_norm"] > 0.0 && losses["grad_norm"] > 0.0);
            assert!(epochs == 4 && before != after);
        }
    }
}

#[test]
fn the_passes_over_a_rollout_leave_the_policy_where_the_step_took_it() {
    let mut trainer = with_advantages(0.0);
    let before = said(&trainer);
    assert_eq!(trainer.update().unwrap().losses["step_fraction"], 0.0);
    let after = said(&trainer);
    assert_eq!(before.0, after.0);
    assert_ne!(before.1, after.1);
}

#[test]
fn advantages_that_are_not_numbers_end_a_run_and_leave_the_weights_as_they_were() {
    for advantage in [f64::NAN, f64::INFINITY] {
        let mut trainer = with_advantages(advantage);
        let before = values(flatten_parameters(trainer.policy()));
        let error = trainer.update().unwrap_err();
        let named = matches!(error, Error::Step { update: 1, quantity: StepQuantity::Advantage, env: 0, step: 0, .. });
        assert!(named, "{error}");
        assert_eq!(values(flatten_parameters(trainer.policy())), before);
    }
}

#[test]
fn what_would_move_the_policy_out_of_the_region_is_refused() {
    for (text, message) in [
        ("shared_layers = true", "`shared_layers` is true, but must be false"),
        ("optimiser = { kind = 'adamw' }", "`optimiser.weight_decay` is 0.01, but must be 0"),
        ("target_kl = 0.02", "`target_kl` is 0.02, but must be inf"),
        ("trust_region = { max_kl = 0 }", "`trust_region`: `max_kl` of trust_region is 0, but must be more than 0"),
        ("trust_region = { damping = -1 }", "`damping` of trust_region is -1, but must be 0 or more"),
        (
            "trust_region = { cg_iterations = 0 }",
            "`cg_iterations` of trust_region is 0, but must be between 1 and 1000",
        ),
        ("trust_region = { cg_tolerance = 1 }", "`cg_tolerance` of trust_region is 1, but must be 0 or more and less"),
        (
            "trust_region = { backtrack_factor = 1 }",
            "`backtrack_factor` of trust_region is 1, but must be 0 or more and",
        ),
        ("trust_region = { backtrack_factor = 0 }", "`backtrack_factor` of trust_region is 0, but must be more than 0"),
        (
            "trust_region = { max_backtracks = 1001 }",
            "`max_backtracks` of trust_region is 1001, but must be at most 1000",
        ),
        ("trust_region = { radius = 1 }", "unknown field `radius`"),
        ("[[loss]]\nweight = 1\nterm = { kind = 'value' }", "`loss` has no term that trains the policy, and trpo"),
        ("[[loss]]\nweight = 1\nterm = { kind = 'surrogate' }", "`loss` has no term that trains the critic, and trpo"),
    ] {
        let error = config(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    let config = config("").unwrap();
    let recipe = Recipe::trpo(&config).unwrap();
    let misled = TrustRegion { objective: Objective::new().with(1.0, Value::default()), ..region(exact(0.01)) };
    let error = build(Recipe { trust_region: Some(misled), ..recipe }, &config).err().unwrap();
    let missing = ObjectiveError::Missing { term: "value_loss", part: ContextPart::Values };
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
}

/// A term of one's own.
struct Flat(&'static [ContextPart]);

impl LossTerm for Flat {
    fn name(&self) -> &'static str {
        "flat_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.log_probs().mul_scalar(0))
    }

    fn needs(&self) -> &'static [ContextPart] {
        self.0
    }
}

#[test]
fn terms_go_to_the_network_that_they_train() {
    let terms = |recipe: &Recipe| {
        let of = |objective: &Objective| objective.terms().collect::<Vec<_>>();
        (of(&recipe.trust_region.as_ref().unwrap().objective), of(&recipe.objective))
    };
    let recipe = || Recipe::trpo(&config("").unwrap()).unwrap();
    assert_eq!(terms(&recipe()), (vec!["policy_loss", "entropy_loss"], vec!["value_loss"]));
    let with = |needs| terms(&recipe().with(0.1, Flat(needs)));
    assert_eq!(with(&[]).0, ["policy_loss", "entropy_loss", "flat_loss"]);
    assert_eq!(with(&[ContextPart::Values]).1, ["value_loss", "flat_loss"]);

    let text = "
        [[loss]]
        weight = 2
        term = { kind = 'value', clip = { kind = 'hard', range = 0.2 } }
        [[loss]]
        weight = 0.1
        term = { kind = 'entropy' }
        [[loss]]
        weight = 1
        term = { kind = 'surrogate' }
    ";
    let config = config(text).unwrap();
    assert_eq!(config.algo, Algo::Trpo);
    let recipe = Recipe::of(&config).unwrap();
    assert_eq!(terms(&recipe), (vec!["entropy_loss", "policy_loss"], vec!["value_loss"]));
}
