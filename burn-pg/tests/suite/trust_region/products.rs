//! Products with the Fisher matrix, compared with the matrix of scores and the analytic one of a Gaussian.

use burn_pg::{
    device::Backend,
    distribution::Distribution,
    envs::{EnvRng, Space},
    optim::flatten_parameters,
    policy::{ActorCritic, Exploration, GsdeNoise, Policy},
    update::Fisher,
};

use super::{Matrix, enumerated, gradient_of, observation, policy, random, rows};
use crate::precision::{Precision, assert_close, values};

/// Returns the error of products: of rounding, or of differences of gradients, which other backends and gSDE need.
fn tolerance(policy: &ActorCritic, precision: &Precision) -> f64 {
    let is_exact = precision.backend == Backend::Flex && policy.perceptrons().is_ok();
    match (is_exact, precision.is_double()) {
        (true, true) => 1e-13,
        (true, false) => 1e-5,
        (false, true) => 1e-9,
        (false, false) => 5e-4,
    }
}

/// Asserts that Fisher products agree with products with the matrix.
#[track_caller]
fn check_products(
    precision: &Precision,
    tolerance: f64,
    fisher: &Fisher<ActorCritic>,
    expected: &Matrix,
    rng: &mut EnvRng,
) {
    let size = expected.0.len();
    let largest = expected.0.iter().flatten().fold(0.0_f64, |most, entry| most.max(entry.abs()));
    assert!(largest > 1e-2, "there is something to compare");
    for scale in [1e-6, 1.0, 1e6] {
        let v: Vec<f64> = random(size, rng).iter().map(|x| scale * x).collect();
        let ours = values(fisher.product(precision.vector(&v).inner()));
        let [ours, expected] = [ours, expected.product(&v)].map(|v| v.iter().map(|x| x / scale).collect::<Vec<_>>());
        assert_close(&ours, &expected, tolerance, &format!("{precision:?} scale {scale}"));
    }
    let nothing = values(fisher.product(precision.vector(&vec![0.0; size]).inner()));
    assert!(nothing.iter().all(|&x| x == 0.0));
}

#[test]
fn products_match_the_matrix_of_scores() {
    let spaces = [Space::discrete(3), Space::MultiDiscrete { sizes: vec![2, 3] }, Space::MultiBinary { n: 2 }];
    for (precision, space) in Precision::all().iter().flat_map(|p| spaces.iter().map(move |space| (p, space))) {
        let rng = &mut EnvRng::new(8);
        let policy = policy(space, Exploration::default(), rng, precision);
        let states = rows(4, rng);
        let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), None);
        check_products(
            precision,
            tolerance(&policy, precision),
            &fisher,
            &enumerated(&policy, space, &states, None, precision),
            rng,
        );
        // The same with some of the states.
        let some = Some(precision.vector(&[0.0, 2.0, 0.0, 2.0]));
        let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), some);
        let states = [states[3].clone(), states[1].clone()];
        check_products(
            precision,
            tolerance(&policy, precision),
            &fisher,
            &enumerated(&policy, space, &states, None, precision),
            rng,
        );
    }
}

#[test]
fn masked_actions_add_nothing_to_products() {
    let masks = [[true, true, false], [true, true, true], [false, false, true]];
    for precision in &Precision::all() {
        let (rng, space) = (&mut EnvRng::new(9), Space::discrete(3));
        let policy = policy(&space, Exploration::default(), rng, precision);
        let states = rows(3, rng);
        let fisher = Fisher::new(policy.clone(), observation(&states, Some(&masks), precision), None);
        check_products(
            precision,
            tolerance(&policy, precision),
            &fisher,
            &enumerated(&policy, &space, &states, Some(&masks), precision),
            rng,
        );
    }
}

/// Returns the Fisher matrix of a Gaussian policy: the Gaussian contributes `1 / sigma^2` for each mean, and 2 for each log
/// standard deviation.
fn analytic(policy: &ActorCritic, components: usize, states: &[Vec<f64>], precision: &Precision) -> Matrix {
    let [size] = flatten_parameters(policy).dims();
    let mut matrix = Matrix::zeros(size);
    for state in states {
        let parameters =
            || policy.forward(precision.matrix(std::slice::from_ref(state)).into()).distribution.parameters();
        let numbers = values(parameters());
        for index in 0..2 * components {
            let gradient = gradient_of(policy, &parameters().narrow(1, index, 1).reshape([1]));
            let weight =
                if index < components { (-2.0 * numbers[index + components]).exp() } else { 2.0 } / states.len() as f64;
            matrix.add(weight, &gradient);
        }
    }
    matrix
}

#[test]
fn products_match_the_analytic_matrix_of_a_gaussian() {
    for (precision, squash) in Precision::all().iter().flat_map(|precision| [(precision, false), (precision, true)]) {
        let held = GsdeNoise { learn_features: true, ..GsdeNoise::default() };
        for (state_dependent, sde) in [(false, None), (true, None), (false, Some(held))] {
            let rng = &mut EnvRng::new(10);
            let exploration = Exploration { squash, state_dependent, sde, ..Exploration::default() };
            let policy = policy(&Space::symmetric(&[1.0; 2]), exploration, rng, precision);
            let states = rows(4, rng);
            let fisher = Fisher::new(policy.clone(), observation(&states, None, precision), None);
            check_products(
                precision,
                tolerance(&policy, precision),
                &fisher,
                &analytic(&policy, 2, &states, precision),
                rng,
            );
        }
    }
}
