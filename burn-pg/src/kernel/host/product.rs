//! Products of small matrices, each computed on the calling thread.
//!
//! The order of summation of an element does not depend on the elements computed with it, so no row depends on the
//! number of other rows.

use super::{real::Real, reduce::dot, vector::vectorised};

/// Largest number of outputs of a narrow layer. A narrow layer has too few outputs for a panel.
const NARROW: usize = 4;
/// Number of columns whose sums stay in registers.
const CHUNK: usize = 64;

/// `x W + b` for rows of a matrix, with `W` of shape `[depth, columns]`, stored in the order in which it is read.
#[derive(Debug, Clone)]
pub struct Affine<T> {
    depth: usize,
    columns: usize,
    /// Panels of columns, each stored row by row, the last one padded with zeros. A narrow matrix is stored column by
    /// column. The bias is stored as if it were the first row of the matrix.
    values: Vec<T>,
}

impl<T: Real> Affine<T> {
    /// Creates the map from a row-major matrix and its bias (shape `[columns]`).
    pub fn new(matrix: &[T], bias: &[T]) -> Self {
        let mut affine = Self { depth: 0, columns: 0, values: Vec::new() };
        affine.load(matrix, bias);
        affine
    }

    /// Replaces the map by [`new`](Self::new), in the same memory.
    pub fn load(&mut self, matrix: &[T], bias: &[T]) {
        let Self { depth: of_depth, columns: of_columns, values } = self;
        let columns = bias.len();
        let depth = matrix.len() / columns;
        (*of_depth, *of_columns) = (depth, columns);
        if columns <= NARROW {
            values.clear();
            for (i, &bias) in bias.iter().enumerate() {
                values.push(bias);
                values.extend(matrix.iter().skip(i).step_by(columns));
            }
            return;
        }
        let panel_width = T::panel_width();
        // What is beyond the last column is 0 and stays so.
        values.resize(columns.div_ceil(panel_width) * (depth + 1) * panel_width, T::zero());
        for (panel, first) in values.chunks_exact_mut((depth + 1) * panel_width).zip((0..).step_by(panel_width)) {
            let width = panel_width.min(columns - first);
            let rows = [bias].into_iter().chain(matrix.chunks_exact(columns));
            for (to, from) in panel.chunks_exact_mut(panel_width).zip(rows) {
                to[..width].copy_from_slice(&from[first..first + width]);
            }
        }
    }

    /// Creates the map from the transpose of a row-major matrix with `columns` columns, without a bias.
    pub fn transposed(matrix: &[T], columns: usize) -> Self {
        let mut affine = Self { depth: 0, columns: 0, values: Vec::new() };
        affine.load_transposed(matrix, columns);
        affine
    }

    /// Replaces the map by [`transposed`](Self::transposed), in the same memory.
    pub fn load_transposed(&mut self, matrix: &[T], columns: usize) {
        let Self { depth: of_depth, columns: of_columns, values } = self;
        let (rows, depth) = (matrix.len() / columns, columns);
        (*of_depth, *of_columns) = (depth, rows);
        if rows <= NARROW {
            values.clear();
            for row in matrix.chunks_exact(columns) {
                values.push(T::zero());
                values.extend_from_slice(row);
            }
            return;
        }
        let panel_width = T::panel_width();
        values.resize(rows.div_ceil(panel_width) * (depth + 1) * panel_width, T::zero());
        for (row, from) in matrix.chunks_exact(columns).enumerate() {
            let panel = &mut values[row / panel_width * (depth + 1) * panel_width..][..(depth + 1) * panel_width];
            for (to, &value) in panel.chunks_exact_mut(panel_width).skip(1).zip(from) {
                to[row % panel_width] = value;
            }
        }
    }

    /// Returns the number of elements that are stored for a matrix of shape `[depth, columns]`.
    pub fn elements(depth: u64, columns: u64) -> u64 {
        let filled = match columns <= NARROW as u64 {
            true => columns,
            false => columns.next_multiple_of(T::panel_width() as u64),
        };
        (depth + 1) * filled
    }

    /// Returns the number of inputs in each row.
    pub fn inputs(&self) -> usize {
        self.depth
    }

    /// Returns the number of outputs in each row.
    pub fn outputs(&self) -> usize {
        self.columns
    }

    /// Computes `x W + b` for rows of a matrix, from shape `[rows, depth]` to `[rows, columns]`.
    pub fn apply(&self, matrix: &[T], result: &mut [T]) {
        let Self { depth, columns, ref values } = *self;
        match columns <= NARROW {
            true => narrow_product(depth, columns, matrix, values, result),
            false => T::times_panels(depth, columns, matrix, values, result),
        }
    }

    /// Computes `count` columns of what [`apply`](Self::apply) does, from column `first` on. Shape of `result`: `[rows, count]`.
    ///
    /// # Panics
    /// If `first` is not a multiple of [`COLUMNS`](Self::COLUMNS), or the matrix has too few columns, or as few as are not stored in panels.
    pub fn apply_columns(&self, matrix: &[T], first: usize, count: usize, result: &mut [T]) {
        assert!(first.is_multiple_of(Self::COLUMNS) && first + count <= self.columns && self.columns > NARROW);
        let panel = (self.depth + 1) * T::panel_width();
        let panels = first / T::panel_width()..(first + count).div_ceil(T::panel_width());
        let values = &self.values[panels.start * panel..panels.end * panel];
        T::times_panels(self.depth, count, matrix, values, result);
    }

    /// A multiple of the width of a panel on any machine.
    pub const COLUMNS: usize = 64;
}

/// Computes `result += left^T right`. Shapes: left `[rows, height]`, right `[rows, width]`, result `[height, width]`.
pub fn add_outer_products<T: Real>(left: &[T], height: usize, right: &[T], width: usize, result: &mut [T]) {
    if width <= NARROW {
        let mut columns = vec![T::zero(); result.len()];
        narrow_outer_products(height, width, left, right, &mut columns);
        for (row, result) in result.chunks_exact_mut(width).enumerate() {
            for (column, sum) in result.iter_mut().enumerate() {
                *sum += columns[column * height + row];
            }
        }
        return;
    }
    let panel_width = T::panel_width();
    let whole = width - width % panel_width;
    T::add_outer_products(height, width, left, right, result);
    if whole < width {
        // The columns beyond the last whole panel, padded with zeros.
        let mut padded = vec![T::zero(); right.len() / width * panel_width];
        for (to, from) in padded.chunks_exact_mut(panel_width).zip(right.chunks_exact(width)) {
            to[..width - whole].copy_from_slice(&from[whole..]);
        }
        let mut sums = vec![T::zero(); height * panel_width];
        T::add_outer_products(height, panel_width, left, &padded, &mut sums);
        for (to, from) in result.chunks_exact_mut(width).zip(sums.chunks_exact(panel_width)) {
            for (to, &from) in to[whole..].iter_mut().zip(from) {
                *to += from;
            }
        }
    }
}

vectorised! {
    /// Adds every row of `rows` to `sums`. A row is as long as `sums`.
    pub fn add_rows<'a, T>(rows: &'a [T], sums: &'a mut [T]) -> () {
        let width = sums.len();
        let (chunks, rest) = sums.as_chunks_mut::<CHUNK>();
        let whole = chunks.len() * CHUNK;
        for (chunk, first) in chunks.iter_mut().zip((0..).step_by(CHUNK)) {
            let mut sums = *chunk;
            for row in rows.chunks_exact(width) {
                let row: &[T; CHUNK] = row[first..].first_chunk().expect("a whole chunk");
                for i in 0..CHUNK {
                    sums[i] += row[i];
                }
            }
            *chunk = sums;
        }
        for row in rows.chunks_exact(width) {
            for (sum, &value) in rest.iter_mut().zip(&row[whole..]) {
                *sum += value;
            }
        }
    }

    fn narrow_product<'a, T>(
        depth: usize,
        width: usize,
        matrix: &'a [T],
        columns: &'a [T],
        result: &'a mut [T],
    ) -> () {
        for (row, result) in matrix.chunks_exact(depth).zip(result.chunks_exact_mut(width)) {
            for (column, result) in columns.chunks_exact(depth + 1).zip(result) {
                *result = column[0] + dot(row, &column[1..]);
            }
        }
    }

    fn narrow_outer_products<'a, T>(
        height: usize,
        width: usize,
        left: &'a [T],
        right: &'a [T],
        columns: &'a mut [T],
    ) -> () {
        for (left, right) in left.chunks_exact(height).zip(right.chunks_exact(width)) {
            for (column, &right) in columns.chunks_exact_mut(height).zip(right) {
                for (sum, &left) in column.iter_mut().zip(left) {
                    *sum = left.mul_add(right, *sum);
                }
            }
        }
    }
}
