//! Causal attention within texts.
//!
//! A score is added up dimension by dimension, and a result position by position, whatever other queries are computed beside it: a token
//! gets the same bits in training as when it was sampled.

use std::ops::Range;

use burn_pg::{
    kernel::parts::{Real, dot, for_each, lane_max, lane_sum},
    vectorised,
};

/// Positions, or dimensions, that are computed side by side.
const LANES: usize = 16;
/// Queries of a text that are computed one after the other before the next head.
const TILE: usize = 32;

/// The heads of attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heads {
    /// Number of heads.
    pub count: usize,
    /// Number of heads with keys and values of their own; `heads / groups` consecutive heads share them.
    pub groups: usize,
    /// Width of a head, D.
    pub width: usize,
}

impl Heads {
    /// Width of the queries, and of the results.
    pub fn queries(self) -> usize {
        self.count * self.width
    }

    /// Width of the keys, and of the values.
    pub fn keys(self) -> usize {
        self.groups * self.width
    }

    /// Where the keys and values of a head are in a row.
    fn keys_of(self, head: usize) -> Range<usize> {
        let group = head / (self.count / self.groups);
        group * self.width..(group + 1) * self.width
    }
}

/// The keys and values of a text, to which queries attend.
#[derive(Debug, Clone)]
pub(crate) struct Memory<T> {
    /// Number of positions.
    len: usize,
    /// Positions that there is room for, a multiple of [`LANES`].
    room: usize,
    /// One dimension after the other. Shape `[groups * D, room]`.
    keys: Vec<T>,
    /// Shape `[len, groups * D]`.
    values: Vec<T>,
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self { len: 0, room: 0, keys: Vec::new(), values: Vec::new() }
    }
}

impl<T: Real> Memory<T> {
    /// Adds rows of keys and values. Shape `[count, groups * D]`.
    pub fn push(&mut self, keys: &[T], values: &[T], width: usize) {
        let len = self.len + keys.len() / width;
        if len > self.room {
            let room = len.next_multiple_of(LANES).max(2 * self.room);
            let mut larger = vec![T::zero(); width * room];
            if self.room > 0 {
                for (to, from) in larger.chunks_exact_mut(room).zip(self.keys.chunks_exact(self.room)) {
                    to[..self.len].copy_from_slice(&from[..self.len]);
                }
            }
            (self.keys, self.room) = (larger, room);
        }
        transpose(keys, width, &mut self.keys[self.len..], self.room);
        self.values.extend_from_slice(values);
        self.len = len;
    }

    fn as_read(&self) -> Read<'_, T> {
        Read { keys: &self.keys, room: self.room, values: &self.values }
    }
}

/// Keys, one dimension after the other (shape `[groups * D, room]`), and values (shape `[positions, groups * D]`).
#[derive(Clone, Copy)]
struct Read<'a, T> {
    keys: &'a [T],
    room: usize,
    values: &'a [T],
}

/// Memory of a thread.
#[derive(Debug)]
pub(crate) struct Workspace<T> {
    /// Shape `[queries, stride]`.
    weights: Vec<T>,
    of_weights: Vec<T>,
    columns: Vec<T>,
    keys: Vec<T>,
    values: Vec<T>,
}

impl<T> Workspace<T> {
    pub fn new() -> Self {
        let empty = Vec::new;
        Self { weights: empty(), of_weights: empty(), columns: empty(), keys: empty(), values: empty() }
    }
}

/// Attends with queries (shape `[count, heads * D]`) at consecutive positions, of which the last is the last one of the memory, to all positions up
/// to their own.
pub(crate) fn attend<T: Real>(
    heads: Heads,
    memory: &Memory<T>,
    queries: &[T],
    workspace: &mut Workspace<T>,
    result: &mut [T],
) {
    let first = memory.len - queries.len() / heads.queries();
    attend_from(heads, memory.as_read(), queries, first, &mut workspace.weights, result);
}

fn attend_from<T: Real>(
    heads: Heads,
    Read { keys, room, values }: Read<'_, T>,
    queries: &[T],
    first: usize,
    weights: &mut Vec<T>,
    result: &mut [T],
) {
    let (of_query, width) = (heads.queries(), heads.width);
    let tiles = queries.chunks(TILE * of_query).zip(result.chunks_mut(TILE * of_query));
    for ((queries, result), first) in tiles.zip((first..).step_by(TILE)) {
        for head in 0..heads.count {
            let group = heads.keys_of(head);
            let query = Rows { values: queries, stride: of_query, start: head * width };
            let tile = Tile::new(queries.len() / of_query, first);
            tile.weigh(query, width, &keys[group.start * room..group.end * room], room, weights);
            let value = Rows { values, stride: heads.keys(), start: group.start };
            let to = To { values: result, stride: of_query, start: head * width, width };
            mix(weights, tile.stride(), tile.last(), value, to, false);
        }
    }
}

/// Some columns of rows.
#[derive(Clone, Copy)]
struct Rows<'a, T> {
    values: &'a [T],
    stride: usize,
    start: usize,
}

/// Some columns of rows, to be written.
struct To<'a, T> {
    values: &'a mut [T],
    stride: usize,
    start: usize,
    width: usize,
}

/// Queries at consecutive positions.
#[derive(Clone, Copy)]
struct Tile {
    count: usize,
    first: usize,
}

impl Tile {
    fn new(count: usize, first: usize) -> Self {
        Self { count, first }
    }

    /// Returns the number of positions that the last query attends to.
    fn last(self) -> usize {
        self.first + self.count
    }

    /// Returns the length of a row of weights.
    fn stride(self) -> usize {
        self.last().next_multiple_of(LANES)
    }

    /// Writes the weights of each query for all positions, 0 for those after its own. Shape of `keys`: `[D, room]`.
    fn weigh<T: Real>(self, query: Rows<'_, T>, width: usize, keys: &[T], room: usize, weights: &mut Vec<T>) {
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
    fn products<'a, T>(
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
    fn of_scores<'a, T>(weights: &'a [T], of_weights: &'a mut [T], scale: T) -> () {
        let mean = dot(weights, of_weights);
        for (of_weight, &weight) in of_weights.iter_mut().zip(weights) {
            *of_weight = weight * (*of_weight - mean) * scale;
        }
    }

    /// Adds up the first `count` rows, each times its weight, for each row of weights (shape `[results, stride]`). Replaces `to`, or adds to
    /// it.
    fn mix<'a, T>(weights: &'a [T], stride: usize, count: usize, rows: Rows<'a, T>, to: To<'a, T>, adds: bool) -> () {
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

/// Writes sums, or adds them to what is there.
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
fn transpose<T: Copy>(rows: &[T], width: usize, to: &mut [T], stride: usize) {
    for (i, row) in rows.chunks_exact(width).enumerate() {
        for (column, &value) in row.iter().enumerate() {
            to[column * stride + i] = value;
        }
    }
}

/// A text: the rows of its keys and values, and those of its queries, which are at consecutive positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub keys: Range<usize>,
    pub queries: Range<usize>,
    /// The position of the first query.
    pub first: usize,
}

impl Span {
    /// Returns the spans of texts with these rows, of which the queries at these positions are asked for.
    pub fn of(texts: impl Iterator<Item = Range<usize>>, asked: impl Iterator<Item = Range<usize>>) -> Vec<Self> {
        let mut end = 0;
        let span = |(keys, asked): (Range<usize>, Range<usize>)| {
            end += asked.len();
            Self { keys, queries: end - asked.len()..end, first: asked.start }
        };
        texts.zip(asked).map(span).collect()
    }
}

/// Cuts rows of this width into the rows of each text, in turn.
fn by_text<T>(mut rows: &mut [T], lengths: impl Iterator<Item = usize>, width: usize) -> Vec<&mut [T]> {
    let mut texts = Vec::new();
    for length in lengths {
        let (text, rest) = rows.split_at_mut(length * width);
        texts.push(text);
        rows = rest;
    }
    texts
}

/// Writes rows as columns with room for a multiple of [`LANES`] rows, and returns that room.
fn as_columns<T: Real>(rows: &[T], width: usize, columns: &mut Vec<T>) -> usize {
    let room = (rows.len() / width).next_multiple_of(LANES);
    columns.clear();
    columns.resize(width * room, T::zero());
    transpose(rows, width, columns, room);
    room
}

/// Attends with each query to the keys of its text, up to its own. Shapes: `query` `[Q, heads * D]`, `key` and `value`
/// `[T, groups * D]`. `spans` are the texts, in turn.
pub(crate) fn attend_all<T: Real>(heads: Heads, spans: &[Span], [query, key, value]: [&[T]; 3]) -> Vec<T> {
    let (of_query, of_key) = (heads.queries(), heads.keys());
    let mut result = vec![T::zero(); query.len()];
    let results = by_text(&mut result, spans.iter().map(|span| span.queries.len()), of_query);
    for_each(spans.iter().zip(results).collect(), Workspace::new, |workspace, (span, result): (&Span, &mut [T])| {
        let rows = span.keys.start * of_key..span.keys.end * of_key;
        let queries = span.queries.start * of_query..span.queries.end * of_query;
        let Workspace { keys, weights, .. } = workspace;
        let room = as_columns(&key[rows.clone()], of_key, keys);
        let read = Read { keys, room, values: &value[rows] };
        attend_from(heads, read, &query[queries], span.first, weights, result);
    });
    result
}

/// The gradients of queries, keys and values of a text.
type Parts<'a, T> = ((&'a mut [T], &'a mut [T]), &'a mut [T]);

/// Returns the gradients of [`attend_all`] with respect to queries, keys and values, from that with respect to its results.
pub(crate) fn attend_backward<T: Real>(
    heads: Heads,
    spans: &[Span],
    [query, key, value]: [&[T]; 3],
    of_result: &[T],
) -> [Vec<T>; 3] {
    let (of_query, of_key) = (heads.queries(), heads.keys());
    let zeros = |like: &[T]| vec![T::zero(); like.len()];
    let [mut queries, mut keys, mut values] = [zeros(query), zeros(key), zeros(value)];
    let lengths = || spans.iter().map(|span| span.keys.len());
    let parts = by_text(&mut queries, spans.iter().map(|span| span.queries.len()), of_query)
        .into_iter()
        .zip(by_text(&mut keys, lengths(), of_key))
        .zip(by_text(&mut values, lengths(), of_key));
    for_each(spans.iter().zip(parts).collect(), Workspace::new, |workspace, (span, parts): (&Span, Parts<'_, T>)| {
        let of_queries = span.queries.start * of_query..span.queries.end * of_query;
        let of_keys = span.keys.start * of_key..span.keys.end * of_key;
        let inputs = [&query[of_queries.clone()], &key[of_keys.clone()], &value[of_keys]];
        differentiate(heads, inputs, &of_result[of_queries], span.first, workspace, parts);
    });
    [queries, keys, values]
}

/// Writes the gradients of a text.
fn differentiate<T: Real>(
    heads: Heads,
    [query, key, value]: [&[T]; 3],
    of_result: &[T],
    first: usize,
    workspace: &mut Workspace<T>,
    ((queries, keys), values): Parts<'_, T>,
) {
    let Workspace { weights, of_weights, columns, keys: key_columns, values: value_columns } = workspace;
    let (of_query, of_key, width) = (heads.queries(), heads.keys(), heads.width);
    let scale = T::one() / T::of(width as f64).sqrt();
    let room = as_columns(key, of_key, key_columns);
    as_columns(value, of_key, value_columns);
    let size = TILE * of_query;
    let tiles = query.chunks(size).zip(of_result.chunks(size)).zip(queries.chunks_mut(size));
    for (((query, of_result), queries), first) in tiles.zip((first..).step_by(TILE)) {
        let tile = Tile::new(query.len() / of_query, first);
        let stride = tile.stride();
        for head in 0..heads.count {
            let group = heads.keys_of(head);
            let [query, of_result] =
                [query, of_result].map(|values| Rows { values, stride: of_query, start: head * width });
            let in_group = group.start * room..group.end * room;
            tile.weigh(query, width, &key_columns[in_group.clone()], room, weights);
            of_weights.resize(weights.len(), T::zero());
            products(of_result, width, &value_columns[in_group], room, of_weights, stride, T::one());
            for (weights, of_weights) in weights.chunks_exact(stride).zip(of_weights.chunks_exact_mut(stride)) {
                of_scores(weights, of_weights, scale);
            }
            let to = To { values: &mut *queries, stride: of_query, start: head * width, width };
            mix(of_weights, stride, tile.last(), Rows { values: key, stride: of_key, start: group.start }, to, false);
            // What a position gives to each of the queries.
            for (weights, rows, sums) in [(&*weights, of_result, &mut *values), (&*of_weights, query, &mut *keys)] {
                columns.resize(stride * tile.count, T::zero());
                transpose(weights, stride, columns, tile.count);
                let to = To { values: sums, stride: of_key, start: group.start, width };
                mix(&columns[..tile.last() * tile.count], tile.count, tile.count, rows, to, true);
            }
        }
    }
}
