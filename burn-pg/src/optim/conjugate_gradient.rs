//! The method of conjugate gradients.

use burn::tensor::Tensor;

use crate::{Error, device::readback::read};

/// The result of [`conjugate_gradient`]. Shapes `[P]`.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The approximate solution x of `A x = b`.
    pub x: Tensor<1>,
    /// The residual, `b - A x`.
    pub residual: Tensor<1>,
}

/// Solves `A x = b` for a symmetric positive definite matrix A, which is given by its `product` with a vector, and a
/// vector b of shape `[P]` without autodiff. Each iteration computes one product and waits for the device once.
///
/// Stops after `iterations` (without rounding, P would be enough), or once `|b - A x|` is at most `tolerance |b|`. If b
/// is 0, no iteration runs and x is 0. If an iteration finds a direction in which A has no positive curvature, or a
/// value that is not finite, its result is dropped and the solution before it is returned. Therefore x is always
/// finite, and it is 0 if b is not finite.
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
    let [mut remaining] = read_scalars([squares.clone()])?;
    let enough = tolerance * tolerance * remaining;
    let mut solution = Solution { x: b.zeros_like(), residual: b.clone() };
    let mut direction = b;
    for _ in 0..iterations {
        // The negation ends the loop for NaN too.
        if !(remaining > enough && remaining.is_finite()) {
            break;
        }
        let curved = product(direction.clone());
        let curvature = (direction.clone() * curved.clone()).sum();
        let length = squares.clone() / curvature.clone();
        let x = solution.x.clone() + direction.clone() * length.clone();
        let residual = solution.residual.clone() - curved * length;
        let new_squares = square(&residual);

        let [curvature, size, new_remaining] = read_scalars([curvature, square(&x), new_squares.clone()])?;
        if !(curvature > 0.0 && size.is_finite() && new_remaining.is_finite()) {
            break;
        }
        direction = residual.clone() + direction * (new_squares.clone() / squares);
        (squares, remaining, solution) = (new_squares, new_remaining, Solution { x, residual });
    }
    Ok(solution)
}

/// Reads scalars of shape `[1]`.
fn read_scalars<const K: usize>(scalars: [Tensor<1>; K]) -> Result<[f64; K], Error> {
    Ok(read(scalars)?.map(|values| f64::from(values[0])))
}
