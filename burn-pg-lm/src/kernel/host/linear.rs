//! Linear maps of many rows, on all threads.

use burn_pg::kernel::parts::{Affine, Real, add_outer_products, add_rows, for_each, map};

/// Rows that a task takes at once.
const ROWS: usize = 64;
/// Rows of a gradient of weights, which are inputs of the map, that a task takes at once.
const INPUTS: usize = 32;
/// Products of numbers from which on several threads are worth it for few rows.
const WORTH: usize = 1 << 18;
/// Rows that a task adds up.
const SUMMED: usize = 256;

/// A linear map, stored in the order in which it is read.
#[derive(Debug, Clone)]
pub(crate) struct Linear<T>(Affine<T>);

impl<T: Real> Linear<T> {
    /// Creates the map `x W + b`. Shapes: `weight` `[inputs, outputs]`, `bias` `[outputs]`.
    pub fn new(weight: &[T], bias: Option<&[T]>, outputs: usize) -> Self {
        match bias {
            Some(bias) => Self(Affine::new(weight, bias)),
            None => Self(Affine::new(weight, &vec![T::zero(); outputs])),
        }
    }

    /// Creates the map `x W^T`. Shape of `weight`: `[outputs, inputs]`.
    pub fn transposed(weight: &[T], inputs: usize) -> Self {
        Self(Affine::transposed(weight, inputs))
    }

    /// Maps rows: from shape `[T, inputs]` to `[T, outputs]`.
    pub fn apply(&self, x: &[T]) -> Vec<T> {
        let (inputs, outputs) = (self.0.inputs(), self.0.outputs());
        let rows = x.len() / inputs;
        if rows <= ROWS && outputs > Self::COLUMNS && rows * inputs * outputs >= WORTH {
            return self.apply_by_columns(x, rows);
        }
        let mut y = vec![T::zero(); x.len() / inputs * outputs];
        let tasks = x.chunks(ROWS * inputs).zip(y.chunks_mut(ROWS * outputs)).collect();
        for_each(tasks, || (), |(), (x, y)| self.0.apply(x, y));
        y
    }

    /// Maps few rows: tasks take columns in place of rows.
    fn apply_by_columns(&self, x: &[T], rows: usize) -> Vec<T> {
        let outputs = self.0.outputs();
        let parts = map((0..outputs).step_by(Self::COLUMNS).collect(), |first| {
            let count = Self::COLUMNS.min(outputs - first);
            let mut part = vec![T::zero(); rows * count];
            self.0.apply_columns(x, first, count, &mut part);
            part
        });
        beside(&parts, rows, outputs)
    }

    /// Columns that a task takes.
    const COLUMNS: usize = 2 * Affine::<T>::COLUMNS;

    /// Maps rows on this thread.
    pub fn apply_here(&self, x: &[T], y: &mut [T]) {
        self.0.apply(x, y);
    }

    /// Returns the number of outputs.
    pub fn outputs(&self) -> usize {
        self.0.outputs()
    }
}

/// Puts parts beside one another, which are columns of the same rows. Shapes: each part `[rows, columns]`, result `[rows, outputs]`.
pub(super) fn beside<T: Real>(parts: &[Vec<T>], rows: usize, outputs: usize) -> Vec<T> {
    let mut y = Vec::with_capacity(rows * outputs);
    for row in 0..rows {
        for part in parts {
            let columns = part.len() / rows;
            y.extend_from_slice(&part[row * columns..(row + 1) * columns]);
        }
    }
    y
}

/// Returns the gradients of [`Linear::apply`] with respect to `x`, the weights, and the bias, from that with respect to its
/// results. Only those that are `needed`; the others are empty. Shapes: `x` `[T, inputs]`, `weight` `[inputs, outputs]`, `of_y`
/// `[T, outputs]`.
pub(crate) fn linear_backward<T: Real>(
    x: &[T],
    weight: &[T],
    of_y: &[T],
    [inputs, outputs]: [usize; 2],
    needed: [bool; 3],
) -> [Vec<T>; 3] {
    let [of_x, of_weight, of_bias] = needed;
    [
        if of_x { Linear::transposed(weight, outputs).apply(of_y) } else { Vec::new() },
        if of_weight { outer_products(x, of_y, [inputs, outputs]) } else { Vec::new() },
        if of_bias { sum_of_rows(of_y, outputs) } else { Vec::new() },
    ]
}

/// Returns the sum of rows of this width.
fn sum_of_rows<T: Real>(rows: &[T], width: usize) -> Vec<T> {
    let size = SUMMED * width;
    let mut parts = vec![T::zero(); rows.len().div_ceil(size) * width];
    let tasks = rows.chunks(size).zip(parts.chunks_mut(width)).collect();
    for_each(tasks, || (), |(), (rows, part)| add_rows(rows, part));
    // In the order of the rows, whatever thread they were on.
    let mut sums = vec![T::zero(); width];
    add_rows(&parts, &mut sums);
    sums
}

/// Returns `left^T right`. Shapes: left `[T, height]`, right `[T, width]`, result `[height, width]`.
pub(crate) fn outer_products<T: Real>(left: &[T], right: &[T], [height, width]: [usize; 2]) -> Vec<T> {
    let mut result = vec![T::zero(); height * width];
    let tasks = result.chunks_mut(INPUTS * width).zip((0..).step_by(INPUTS)).collect();
    for_each(tasks, Vec::new, |part: &mut Vec<T>, (result, first): (&mut [T], usize)| {
        // The columns of this task, row by row.
        let count = result.len() / width;
        part.clear();
        left.chunks_exact(height).for_each(|row| part.extend_from_slice(&row[first..first + count]));
        add_outer_products(part, count, right, width, result);
    });
    result
}
