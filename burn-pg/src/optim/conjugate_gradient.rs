//! Conjugate gradients.

use burn::tensor::Tensor;

use crate::{Error, device::readback::read};

/// What [`conjugate_gradient`] has come to. Shapes `[P]`.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The x for which `A x` is about b.
    pub x: Tensor<1>,
    /// What is left, `b - A x`.
    pub residual: Tensor<1>,
}

/// Solves `A x = b` for a symmetric positive definite matrix A that is known by its products with vectors, and a vector b of
/// shape `[P]` without autodiff. Each iteration takes one product, and waits for the device once.
///
/// Ends after `iterations`, which P would suffice for without rounding, or once `|b - A x|` is at most `tolerance |b|`. For
/// b = 0 there is no iteration, and x = 0. An iteration that finds a direction along which A does not curve upwards, or
/// a number that is not finite, is dropped, and x is what it was before: so x is finite whatever `product` and b are, and
/// 0 if b is not finite.
///
/// Source: M. Hestenes, E. Stiefel, *Methods of conjugate gradients for solving linear systems* (1952).
///
/// # Errors
/// [`Error::Execution`] if the device fails.
pub fn conjugate_gradient(
    product: impl Fn(Tensor<1>) -> Tensor<1>,
    b: Tensor<1>,
    iterations: usize,
    tolerance: f64,
) -> Result<Solution, Error> {
    let square = |v: &Tensor<1>| v.clone().square().sum();
    let mut squares = square(&b);
    let [mut left] = numbers([squares.clone()])?;
    let enough = tolerance * tolerance * left;
    let mut solution = Solution { x: b.zeros_like(), residual: b.clone() };
    let mut direction = b;
    for _ in 0..iterations {
        // NaN is not more than anything.
        if !(left > enough && left.is_finite()) {
            break;
        }
        let curved = product(direction.clone());
        let curvature = (direction.clone() * curved.clone()).sum();
        let length = squares.clone() / curvature.clone();
        let x = solution.x.clone() + direction.clone() * length.clone();
        let residual = solution.residual.clone() - curved * length;
        let new_squares = square(&residual);

        let [curvature, size, new_left] = numbers([curvature, square(&x), new_squares.clone()])?;
        if !(curvature > 0.0 && size.is_finite() && new_left.is_finite()) {
            break;
        }
        direction = residual.clone() + direction * (new_squares.clone() / squares);
        (squares, left, solution) = (new_squares, new_left, Solution { x, residual });
    }
    Ok(solution)
}

fn numbers<const K: usize>(scalars: [Tensor<1>; K]) -> Result<[f64; K], Error> {
    Ok(read(scalars)?.map(|values| f64::from(values[0])))
}
