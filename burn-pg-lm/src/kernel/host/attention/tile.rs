//! What the heads of attention compute for some queries at consecutive positions: weights, and rows that are added up by weights.

use burn_pg::{
    kernel::parts::{Real, dot, lane_max, lane_sum},
    vectorised,
};

use super::LANES;

/// Some columns of rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    pub values: &'a [T],
    pub stride: usize,
    pub start: usize,
}

/// Some columns of rows, to be written.
pub(super) struct To<'a, T> {
    pub values: &'a mut [T],
    pub stride: usize,
    pub start: usize,
    pub width: usize,
}

/// Queries at consecutive positions.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    pub count: usize,
    pub first: usize,
}

impl Tile {
    pub fn new(count: usize, first: usize) -> Self {
        Self { count, first }
    }

    /// Returns the number of positions that the last query attends to.
    pub fn last(self) -> usize {
        self.first + self.count
    }

    /// Returns the length of a row of weights.
    pub fn stride(self) -> usize {
        self.last().next_multiple_of(LANES)
    }

    /// Writes the weights of each query for all positions, 0 for those after its own. Shape of `keys`: `[D, room]`.
    pub fn weigh<T: Real>(self, query: Rows<'_, T>, width: usize, keys: &[T], room: usize, weights: &mut Vec<T>) {
        let stride = self.stride();
        weights.resize(self.count * stride, T::zero());
        products(query, width, keys, room, weights, stride, T::one() / T::of(width as f64).sqrt());
        for (row, end) in weights.chunks_exact_mut(stride).zip(self.first + 1..) {
            let (row, later) = row.split_at_mut(end);
            subtract_largest(row);
            T::exp_all(row);
            normalise(row);
            later.fill(T::zero());
        }
    }
}

vectorised! {
    /// Writes the scalar products of rows of a width with columns (shape `[width, room]`), times a scale. Shape of `results`: `[rows, stride]`.
    pub(super) fn products<'a, T>(
        rows: Rows<'a, T>,
        width: usize,
        columns: &'a [T],
        room: usize,
        results: &'a mut [T],
        stride: usize,
        scale: T,
    ) -> () {
        let row = |index: usize| &rows.values[index * rows.stride + rows.start..][..width];
        let count = results.len() / stride;
        let whole = count - count % 4;
        for first in (0..whole).step_by(4) {
            let four = [row(first), row(first + 1), row(first + 2), row(first + 3)];
            for at in (0..stride).step_by(LANES) {
                let sums = products_of(four, columns, room, at);
                for (i, sums) in sums.iter().enumerate() {
                    let to = &mut results[(first + i) * stride + at..][..LANES];
                    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to = sum * scale);
                }
            }
        }
        for index in whole..count {
            for at in (0..stride).step_by(LANES) {
                let [sums] = products_of([row(index)], columns, room, at);
                let to = &mut results[index * stride + at..][..LANES];
                to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum * scale);
            }
        }
    }

    fn subtract_largest<'a, T>(values: &'a mut [T]) -> () {
        let largest = lane_max(values);
        for value in values {
            *value = *value - largest;
        }
    }

    /// Scales values to a sum of 1.
    fn normalise<'a, T>(values: &'a mut [T]) -> () {
        let sum = lane_sum(values);
        for value in values {
            *value = *value / sum;
        }
    }

    /// Turns the derivatives with respect to weights into those with respect to scores.
    pub(super) fn of_scores<'a, T>(weights: &'a [T], of_weights: &'a mut [T], scale: T) -> () {
        let mean = dot(weights, of_weights);
        for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
            *of_weight = weight * (*of_weight - mean) * scale;
        }
    }

    /// Adds up the first `count` rows, each times its weight, for each row of weights (shape `[results, stride]`). Replaces `to`, or adds to
    /// it.
    pub(super) fn mix<'a, T>(weights: &'a [T], stride: usize, count: usize, rows: Rows<'a, T>, to: To<'a, T>, adds: bool) -> () {
        let To { values, stride: of_result, start, width } = to;
        let results = weights.len() / stride;
        let mut index = 0;
        while index < results {
            let pair = index + 1 < results;
            let weights_of = |i: usize| &weights[(index + i) * stride..][..count];
            let mut column = 0;
            while column < width {
                let at = rows.start + column;
                let to = |i: usize| (index + i) * of_result + start + column;
                let left = width - column;
                if pair && left >= 2 * LANES {
                    let [first, second] = mixed::<T, 2, { 2 * LANES }>([weights_of(0), weights_of(1)], rows, at);
                    put(&mut values[to(0)..], &first, adds);
                    put(&mut values[to(1)..], &second, adds);
                    column += 2 * LANES;
                } else if pair && left >= LANES {
                    let [first, second] = mixed::<T, 2, LANES>([weights_of(0), weights_of(1)], rows, at);
                    put(&mut values[to(0)..], &first, adds);
                    put(&mut values[to(1)..], &second, adds);
                    column += LANES;
                } else if left >= 2 * LANES {
                    let [sums] = mixed::<T, 1, { 2 * LANES }>([weights_of(0)], rows, at);
                    put(&mut values[to(0)..], &sums, adds);
                    column += 2 * LANES;
                } else if left >= LANES {
                    let [sums] = mixed::<T, 1, LANES>([weights_of(0)], rows, at);
                    put(&mut values[to(0)..], &sums, adds);
                    column += LANES;
                } else {
                    for i in 0..=usize::from(pair) {
                        let [sums] = mixed::<T, 1, 1>([weights_of(i)], rows, at);
                        put(&mut values[to(i)..], &sums, adds);
                    }
                    column += 1;
                }
            }
            index += 1 + usize::from(pair);
        }
    }
}

/// Returns the products of rows with [`LANES`] columns from `at` on.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled for the vector instructions of its callers
fn products_of<T: Real, const N: usize>(rows: [&[T]; N], columns: &[T], room: usize, at: usize) -> [[T; LANES]; N] {
    let mut sums = [[T::zero(); LANES]; N];
    for (d, column) in columns.chunks_exact(room).enumerate() {
        let column: &[T; LANES] = column[at..].first_chunk().expect("room is a multiple");
        for (row, sums) in rows.iter().zip(&mut sums) {
            let value = row[d];
            for (sum, &column) in sums.iter_mut().zip(column) {
                *sum = value.mul_add(column, *sum);
            }
        }
    }
    sums
}

/// Adds `sums` to `to` if `adds`, and otherwise replaces `to` by them.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled for the vector instructions of its callers
fn put<T: Real>(to: &mut [T], sums: &[T], adds: bool) {
    for (to, &sum) in to.iter_mut().zip(sums) {
        *to = if adds { *to + sum } else { sum };
    }
}

/// Returns the sums of `L` columns of rows, times their weights.
#[inline(always)]
#[allow(clippy::inline_always)] // compiled for the vector instructions of its callers
fn mixed<T: Real, const N: usize, const L: usize>(weights: [&[T]; N], rows: Rows<'_, T>, at: usize) -> [[T; L]; N] {
    let mut sums = [[T::zero(); L]; N];
    for (j, row) in rows.values.chunks_exact(rows.stride).take(weights[0].len()).enumerate() {
        let row: &[T; L] = row[at..].first_chunk().expect("a row has these columns");
        for (weights, sums) in weights.iter().zip(&mut sums) {
            let weight = weights[j];
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = weight.mul_add(value, *sum);
            }
        }
    }
    sums
}

/// Writes rows of this width as columns of rows that are `stride` long.
pub(super) fn transpose<T: Copy>(rows: &[T], width: usize, to: &mut [T], stride: usize) {
    for (i, row) in rows.chunks_exact(width).enumerate() {
        for (column, &value) in row.iter().enumerate() {
            to[column * stride + i] = value;
        }
    }
}
