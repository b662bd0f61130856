//! The probabilities of all actions add up to 1.

use burn::tensor::{Bool, Int, Tensor, TensorData};
use burn_pg::distribution::{
    ActionTensor, Bernoulli, Categorical, Distribution, Gaussian, MultiCategorical, SquashedGaussian,
};
use proptest::{collection::vec, prelude::*};

use crate::precision::{Precision, values};

/// Returns the tolerance for a sum of at most 16 probabilities.
fn rounding(precision: &Precision) -> f64 {
    if precision.is_double() { 1e-12 } else { 5e-6 }
}

/// Returns the sum of the probabilities of `count` actions, with the same parameters for each.
fn total<D: Distribution>(
    make: impl Fn(Tensor<2>) -> D,
    row: &[f64],
    precision: &Precision,
    actions: &ActionTensor,
    count: usize,
) -> f64 {
    let distribution = make(precision.tensor(row.repeat(count), [count, row.len()]));
    values(distribution.log_prob(actions)).into_iter().map(f64::exp).sum()
}

fn logits(count: usize) -> impl Strategy<Value = Vec<f64>> {
    vec(-30.0..30.0_f64, count)
}

/// Returns every combination of one element of each component.
fn combinations(sizes: &[usize]) -> Vec<Vec<i64>> {
    sizes.iter().fold(vec![Vec::new()], |combinations, &size| {
        let longer = |combination: &Vec<i64>| {
            let combination = combination.clone();
            (0..).take(size).map(move |element| [&combination[..], &[element]].concat()).collect::<Vec<_>>()
        };
        combinations.iter().flat_map(longer).collect()
    })
}

/// Returns a grid of `2 * half + 1` points over `-1..=1`.
fn grid(half: i32) -> impl Iterator<Item = f64> {
    (-half..=half).map(move |i| f64::from(i) / f64::from(half))
}

proptest! {
    #[test]
    fn categorical_probabilities_add_up_to_one(row in (1..=16_usize).prop_flat_map(logits)) {
        for precision in Precision::on_cpus() {
            let all: Vec<i64> = (0..).take(row.len()).collect();
            let actions = ActionTensor::Discrete(precision.indices(&all));
            let total = total(Categorical::new, &row, &precision, &actions, row.len());
            prop_assert!((total - 1.0).abs() < rounding(&precision), "{total} {precision:?}");
        }
    }

    #[test]
    fn masked_categorical_probabilities_add_up_to_one(
        row in logits(9),
        mut possible in vec(proptest::bool::ANY, 9),
        one in 0..9_usize,
    ) {
        possible[one] = true;
        for precision in Precision::on_cpus() {
            let actions = ActionTensor::Discrete(precision.indices(&(0..9).collect::<Vec<_>>()));
            let mask = TensorData::new(possible.repeat(9), [9, 9]);
            let masked = |logits| Categorical::masked(logits, Tensor::<2, Bool>::from_data(mask.clone(), &precision.device));
            let sum = total(masked, &row, &precision, &actions, 9);
            prop_assert!((sum - 1.0).abs() < rounding(&precision), "{sum} {precision:?}");
            // The probabilities of the possible actions alone add up to 1 too.
            let some: Vec<i64> = (0..9).zip(&possible).filter(|(_, possible)| **possible).map(|(i, _)| i).collect();
            let rows = TensorData::new(possible.repeat(some.len()), [some.len(), 9]);
            let masked = |logits| Categorical::masked(logits, Tensor::<2, Bool>::from_data(rows.clone(), &precision.device));
            let actions = ActionTensor::Discrete(precision.indices(&some));
            let sum = total(masked, &row, &precision, &actions, some.len());
            prop_assert!((sum - 1.0).abs() < rounding(&precision), "{sum} {precision:?}");
        }
    }

    #[test]
    fn multi_categorical_probabilities_add_up_to_one(row in logits(6)) {
        let sizes = [2, 1, 3];
        let all = combinations(&sizes);
        prop_assert_eq!(all.len(), 6);
        for precision in Precision::on_cpus() {
            let data = TensorData::new(all.concat(), [6, 3]);
            let actions = ActionTensor::MultiDiscrete(Tensor::<2, Int>::from_data(data, &precision.device));
            let total = total(|logits| MultiCategorical::new(logits, &sizes), &row, &precision, &actions, 6);
            prop_assert!((total - 1.0).abs() < rounding(&precision), "{total} {precision:?}");
        }
    }

    #[test]
    fn bernoulli_probabilities_add_up_to_one(row in logits(4)) {
        let all = combinations(&[2; 4]).concat().into_iter().map(|side| side as f64).collect::<Vec<_>>();
        for precision in Precision::on_cpus() {
            let actions = ActionTensor::MultiBinary(precision.tensor(all.clone(), [16, 4]));
            let total = total(Bernoulli::new, &row, &precision, &actions, 16);
            prop_assert!((total - 1.0).abs() < rounding(&precision), "{total} {precision:?}");
        }
    }

    /// The trapezoid rule over ten standard deviations on each side; the rest is 2e-23. On a grid of at most 1/20 of a
    /// standard deviation its error is far below rounding.
    #[test]
    fn the_density_of_a_gaussian_integrates_to_one(mean in -3.0..3.0_f64, log_std in -3.0..2.0_f64) {
        for precision in Precision::on_cpus() {
            let points: Vec<f64> = grid(200).map(|z| mean + 10.0 * log_std.exp() * z).collect();
            let actions = ActionTensor::Continuous(precision.tensor(points.clone(), [points.len(), 1]));
            let gaussian = |row: Tensor<2>| Gaussian::new(row.clone().narrow(1, 0, 1), row.narrow(1, 1, 1));
            let sum = total(gaussian, &[mean, log_std], &precision, &actions, points.len());
            let integral = sum * log_std.exp() / 20.0;
            // Single precision rounds the distance of a point from the mean, which is small compared with both.
            let tolerance = if precision.is_double() { 1e-12 } else { 1e-4 };
            prop_assert!((integral - 1.0).abs() < tolerance, "{integral} {precision:?}");
        }
    }

    /// The same grid, before tanh: an interval `du` becomes `(1 - tanh^2 u) du` between actions.
    #[test]
    fn the_density_of_a_squashed_gaussian_integrates_to_one(mean in -2.0..2.0_f64, log_std in -3.0..0.0_f64) {
        for precision in Precision::on_cpus() {
            let points: Vec<f64> = grid(200).map(|z| mean + 10.0 * log_std.exp() * z).collect();
            let actions = ActionTensor::Continuous(precision.tensor(points.clone(), [points.len(), 1]));
            let row = precision.tensor([mean, log_std].repeat(points.len()), [points.len(), 2]);
            let squashed = SquashedGaussian::new(row.clone().narrow(1, 0, 1), row.narrow(1, 1, 1));
            let densities = values(squashed.log_prob(&actions)).into_iter().map(f64::exp);
            let widths = points.iter().map(|u| u.cosh().powi(-2) * log_std.exp() / 20.0);
            let integral: f64 = densities.zip(widths).map(|(density, width)| density * width).sum();
            let tolerance = if precision.is_double() { 1e-12 } else { 1e-4 };
            prop_assert!((integral - 1.0).abs() < tolerance, "{integral} {precision:?}");
        }
    }
}
