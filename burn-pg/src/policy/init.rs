//! Initial weights.

use burn::{
    module::Param,
    nn::Linear,
    tensor::{Device, TensorData},
};
use burn_pg_envs::EnvRng;

/// How weights are initialised.
pub(super) enum Initial<'a> {
    /// [`orthogonal`], with this stream.
    Orthogonal(&'a mut EnvRng),
    /// 0, because other weights will be loaded.
    Zero,
}

impl Initial<'_> {
    /// Returns the weights of a matrix, row-major.
    pub fn matrix(&mut self, rows: usize, columns: usize, gain: f64) -> Vec<f32> {
        match self {
            Self::Zero => vec![0.0; rows * columns],
            Self::Orthogonal(rng) => orthogonal(rows, columns, gain, rng),
        }
    }
}

/// Creates a linear layer whose outputs are divided into `blocks` of the given sizes; the weights of each block are
/// initialised separately.
pub(super) fn linear(
    inputs: usize,
    blocks: &[usize],
    gain: f64,
    bias: Vec<f32>,
    initial: &mut Initial<'_>,
    device: &Device,
) -> Linear {
    let outputs = bias.len();
    let drawn: Vec<Vec<f32>> = blocks.iter().map(|&size| initial.matrix(inputs, size, gain)).collect();
    let mut weight = Vec::with_capacity(inputs * outputs);
    for row in 0..inputs {
        for (block, &size) in drawn.iter().zip(blocks) {
            weight.extend_from_slice(&block[row * size..(row + 1) * size]);
        }
    }
    Linear {
        weight: Param::from_data(TensorData::new(weight, [inputs, outputs]), device),
        bias: Some(Param::from_data(TensorData::new(bias, [outputs]), device)),
    }
}

/// Returns a random semi-orthogonal matrix of shape `[rows, columns]`, row-major, times `gain`: its rows (if `rows` is
/// at most `columns`) or else its columns are orthogonal and have norm `gain`.
///
/// Source: A. Saxe, J. McClelland, S. Ganguli, *Exact solutions to the nonlinear dynamics of learning in deep linear
/// neural networks* (2014). The matrix is drawn on the host, so a seed gives the same weights on every device.
#[must_use]
#[allow(clippy::cast_possible_truncation)] // computed in f64, kept in f32
pub fn orthogonal(rows: usize, columns: usize, gain: f64, rng: &mut EnvRng) -> Vec<f32> {
    let (short, long) = (rows.min(columns), rows.max(columns));
    let vectors = orthonormal(short, long, rng);
    let element = |row: usize, column: usize| {
        if rows <= columns { vectors[row][column] } else { vectors[column][row] }
    };
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| (row, column)))
        .map(|(row, column)| (gain * element(row, column)) as f32)
        .collect()
}

/// Returns `count` random orthonormal vectors of `dim >= count` dimensions: Gaussian vectors, orthonormalised with the
/// Gram-Schmidt process.
fn orthonormal(count: usize, dim: usize, rng: &mut EnvRng) -> Vec<Vec<f64>> {
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut vector: Vec<f64> = (0..dim).map(|_| rng.normal()).collect();
        // Two passes are enough for full precision (Giraud, Langou, Rozloznik, 2005).
        for _ in 0..2 {
            for other in &vectors {
                let along = dot(&vector, other);
                for (v, o) in vector.iter_mut().zip(other) {
                    *v -= along * o;
                }
            }
        }
        let length = dot(&vector, &vector).sqrt();
        // Almost surely true; otherwise another vector is drawn.
        if length > 1e-6 {
            vectors.push(vector.iter().map(|v| v / length).collect());
        }
    }
    vectors
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_or_columns_are_orthogonal_with_the_gain_as_norm() {
        for (rows, columns) in [(4, 64), (64, 64), (64, 2), (1, 1), (64, 1)] {
            let gain = 2.0_f64.sqrt();
            let matrix = orthogonal(rows, columns, gain, &mut EnvRng::new(3));
            assert_eq!(matrix.len(), rows * columns);
            let at = |r: usize, c: usize| f64::from(matrix[r * columns + c]);
            let short = rows.min(columns);
            for i in 0..short {
                for j in 0..short {
                    let product: f64 = if rows <= columns {
                        (0..columns).map(|c| at(i, c) * at(j, c)).sum()
                    } else {
                        (0..rows).map(|r| at(r, i) * at(r, j)).sum()
                    };
                    let expected = if i == j { 2.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6, "{rows}x{columns} {i},{j}: {product}");
                }
            }
        }
    }
}
