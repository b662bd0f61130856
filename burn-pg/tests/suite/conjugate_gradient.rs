//! Conjugate gradients, compared with Gaussian elimination; and systems that cannot be solved.

use std::cell::Cell;

use burn::tensor::Tensor;
use burn_pg::{
    envs::EnvRng,
    optim::{Solution, conjugate_gradient},
};

use crate::precision::{Precision, assert_close, values};

/// Returns the solution of `A x = b`, by Gaussian elimination with pivots.
pub fn solve(a: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let size = b.len();
    let mut rows: Vec<Vec<f64>> = a.iter().zip(b).map(|(row, &b)| [&row[..], &[b]].concat()).collect();
    for column in 0..size {
        let pivot = (column..size).max_by(|&i, &j| rows[i][column].abs().total_cmp(&rows[j][column].abs())).unwrap();
        rows.swap(column, pivot);
        let (done, below) = rows.split_at_mut(column + 1);
        for row in below {
            let factor = row[column] / done[column][column];
            row.iter_mut().zip(&done[column]).for_each(|(entry, above)| *entry -= factor * above);
        }
    }
    let mut x = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|k| rows[row][k] * x[k]).sum();
        x[row] = (rows[row][size] - known) / rows[row][row];
    }
    x
}

/// Returns a matrix `B^T B + I / 2` with eigenvalues between 1/2 and about 10.
fn positive_definite(size: usize, rng: &mut EnvRng) -> Vec<Vec<f64>> {
    let factor: Vec<Vec<f64>> = (0..size).map(|_| (0..size).map(|_| rng.uniform(-1.0, 1.0)).collect()).collect();
    let entry = |i: usize, j: usize| {
        let product: f64 = factor.iter().map(|row| row[i] * row[j]).sum();
        if i == j { product + 0.5 } else { product }
    };
    (0..size).map(|i| (0..size).map(|j| entry(i, j)).collect()).collect()
}

/// Returns a function that multiplies with a matrix and counts its calls.
fn products<'a>(matrix: &Tensor<2>, count: &'a Cell<usize>) -> impl Fn(Tensor<1>) -> Tensor<1> + use<'a> {
    let matrix = matrix.clone().inner();
    move |v: Tensor<1>| {
        count.set(count.get() + 1);
        matrix.clone().matmul(v.unsqueeze_dim(1)).squeeze_dim(1)
    }
}

#[test]
fn the_solution_matches_gaussian_elimination() {
    let rng = &mut EnvRng::new(5);
    for size in [1, 2, 7, 20] {
        let a = positive_definite(size, rng);
        let b: Vec<f64> = (0..size).map(|_| rng.uniform(-3.0, 3.0)).collect();
        let expected = solve(&a, &b);
        for precision in Precision::all() {
            let (tolerance, what) = (if precision.is_double() { 1e-10 } else { 1e-4 }, format!("{size} {precision:?}"));
            let (matrix, target, count) = (precision.matrix(&a), precision.vector(&b).inner(), Cell::new(0));
            let product = products(&matrix, &count);
            let Solution { x, residual } = conjugate_gradient(&product, target.clone(), 3 * size, 1e-12).unwrap();
            let left = values(target.clone() - product(x.clone()));
            assert_close(&values(x), &expected, tolerance, &what);
            assert_close(&values(residual), &left, tolerance, &what);

            // One iteration leaves a residual, which is returned.
            let Solution { x, residual } = conjugate_gradient(&product, target.clone(), 1, 1e-12).unwrap();
            let left = values(target - product(x));
            assert_close(&values(residual), &left, tolerance, &what);
            assert_eq!(size > 1, left.iter().any(|left| left.abs() > 1e-3), "{what}");
        }
    }
}

#[test]
fn iterations_stop_at_the_tolerance() {
    let a = positive_definite(20, &mut EnvRng::new(6));
    let b: Vec<f64> = (0..20).map(|i| f64::from(i) - 7.5).collect();
    let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
    for precision in Precision::all() {
        let (matrix, count) = (precision.matrix(&a), Cell::new(0));
        let mut before = 0;
        for tolerance in [0.5, 0.1, 0.01] {
            count.set(0);
            let target = precision.vector(&b).inner();
            let solution = conjugate_gradient(products(&matrix, &count), target, 100, tolerance).unwrap();
            assert!(norm(&values(solution.residual)) <= tolerance * norm(&b) * 1.000_001, "{precision:?}");
            assert!(count.get() > before && count.get() < 20, "{precision:?} {tolerance}: {}", count.get());
            before = count.get();
        }
        count.set(0);
        let identity: Vec<Vec<f64>> = (0..20).map(|i| (0..20).map(|j| f64::from(u8::from(i == j))).collect()).collect();
        let product = products(&precision.matrix(&identity), &count);
        let solution = conjugate_gradient(product, precision.vector(&b).inner(), 100, 1e-5).unwrap();
        assert_close(&values(solution.x), &b, 1e-6, "identity");
        assert_eq!(count.get(), 1, "{precision:?}");
    }
}

#[test]
fn zero_nonfinite_and_indefinite_systems_stop_early() {
    for precision in Precision::all() {
        let vector = |numbers: &[f64]| precision.vector(numbers).inner();
        let solve = |product: &dyn Fn(Tensor<1>) -> Tensor<1>, b: &[f64]| {
            values(conjugate_gradient(product, vector(b), 10, 1e-5).unwrap().x)
        };
        assert_eq!(solve(&|_| panic!("no product is needed"), &[0.0, 0.0]), [0.0, 0.0]);
        for number in [f64::NAN, f64::INFINITY] {
            assert_eq!(solve(&|v| v, &[1.0, number]), [0.0, 0.0], "{precision:?}");
            assert_eq!(solve(&|v| v.mul_scalar(number), &[1.0, 2.0]), [0.0, 0.0], "{precision:?}");
        }
        // A matrix that is not positive definite: it has negative curvature along (1, 1).
        assert_eq!(solve(&|v| v.neg(), &[1.0, 1.0]), [0.0, 0.0], "{precision:?}");
        // The solution before a product that is NaN is kept.
        let count = Cell::new(0);
        let failing = |v: Tensor<1>| {
            count.set(count.get() + 1);
            let product = v.clone() * vector(&[1.0, 2.0]);
            if count.get() == 1 { product } else { product.mul_scalar(f64::NAN) }
        };
        // The first step of steepest descent from 0: |b|^2 / b^T A b = 2/3.
        assert_close(&solve(&failing, &[1.0, 1.0]), &[2.0 / 3.0, 2.0 / 3.0], 1e-6, "one step");
        assert_eq!(count.get(), 2);
    }
}
