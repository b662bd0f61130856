//! Causal attention within texts.

use std::ops::Range;

use burn_pg::{
    kernel::parts::{Real, dot, for_each},
    vectorised,
};

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

    /// Attends with one query (shape `[heads * D]`) to rows of keys and values (shape `[count, groups * D]`).
    pub fn attend<T: Real>(self, query: &[T], keys: &[T], values: &[T], weights: &mut Vec<T>, result: &mut [T]) {
        let heads = query.chunks_exact(self.width).zip(result.chunks_exact_mut(self.width));
        for (head, (query, result)) in heads.enumerate() {
            self.weigh(head, query, keys, weights);
            result.fill(T::zero());
            mix(weights, values, self.keys(), self.keys_of(head).start, result);
        }
    }

    /// Writes the weights of a head for all rows of keys.
    fn weigh<T: Real>(self, head: usize, query: &[T], keys: &[T], weights: &mut Vec<T>) {
        weights.resize(keys.len() / self.keys(), T::zero());
        scores(query, keys, self.keys(), self.keys_of(head).start, weights);
        T::exp_all(weights);
        normalise(weights);
    }
}

vectorised! {
    /// Writes the scores of all keys, less the largest one.
    fn scores<'a, T>(query: &'a [T], keys: &'a [T], stride: usize, start: usize, weights: &'a mut [T]) -> () {
        let scale = T::one() / T::of(query.len() as f64).sqrt();
        let mut largest = T::neg_infinity();
        for (key, weight) in keys.chunks_exact(stride).zip(weights.iter_mut()) {
            let score = dot(query, &key[start..start + query.len()]) * scale;
            largest = if score > largest { score } else { largest };
            *weight = score;
        }
        for weight in weights {
            *weight = *weight - largest;
        }
    }

    /// Scales the weights to a sum of 1.
    fn normalise<'a, T>(weights: &'a mut [T]) -> () {
        let mut sum = T::zero();
        for &weight in &*weights {
            sum += weight;
        }
        for weight in weights {
            *weight = *weight / sum;
        }
    }

    /// Adds up rows, each times its weight.
    fn mix<'a, T>(weights: &'a [T], rows: &'a [T], stride: usize, start: usize, result: &'a mut [T]) -> () {
        let width = result.len();
        for (row, &weight) in rows.chunks_exact(stride).zip(weights) {
            for (sum, &value) in result.iter_mut().zip(&row[start..start + width]) {
                *sum = weight.mul_add(value, *sum);
            }
        }
    }

    /// Adds a row to each of `rows`, times its factor.
    fn spread<'a, T>(factors: &'a [T], row: &'a [T], rows: &'a mut [T], stride: usize, start: usize) -> () {
        for (sums, &factor) in rows.chunks_exact_mut(stride).zip(factors) {
            for (sum, &value) in sums[start..start + row.len()].iter_mut().zip(row) {
                *sum = factor.mul_add(value, *sum);
            }
        }
    }

    /// Writes the products of a row with each of `rows`.
    fn products<'a, T>(row: &'a [T], rows: &'a [T], stride: usize, start: usize, results: &'a mut [T]) -> () {
        for (other, result) in rows.chunks_exact(stride).zip(results) {
            *result = dot(row, &other[start..start + row.len()]);
        }
    }
}

/// Cuts rows of this width into the rows of each text.
fn by_text<'a, T>(mut rows: &'a mut [T], ranges: &[Range<usize>], width: usize) -> Vec<&'a mut [T]> {
    let mut texts = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (text, rest) = rows.split_at_mut(range.len() * width);
        texts.push(text);
        rows = rest;
    }
    texts
}

/// Attends with each query to the keys of its text, up to its own. Shapes: `query` `[T, heads * D]`, `key` and `value`
/// `[T, groups * D]`. `ranges` are the rows of the texts, in turn.
pub(crate) fn attend_all<T: Real>(heads: Heads, ranges: &[Range<usize>], [query, key, value]: [&[T]; 3]) -> Vec<T> {
    let (of_query, of_key) = (heads.queries(), heads.keys());
    let mut result = vec![T::zero(); query.len()];
    let tasks = ranges.iter().cloned().zip(by_text(&mut result, ranges, of_query)).collect();
    for_each(tasks, Vec::new, |weights, (range, result): (Range<usize>, &mut [T])| {
        let queries = query[range.start * of_query..range.end * of_query].chunks_exact(of_query);
        for (i, (query, result)) in queries.zip(result.chunks_exact_mut(of_query)).enumerate() {
            let until = range.start * of_key..(range.start + i + 1) * of_key;
            heads.attend(query, &key[until.clone()], &value[until], weights, result);
        }
    });
    result
}

/// The gradients of queries, keys and values of a text.
type Parts<'a, T> = ((&'a mut [T], &'a mut [T]), &'a mut [T]);

/// Returns the gradients of [`attend_all`] with respect to queries, keys and values, from that with respect to its results.
pub(crate) fn attend_backward<T: Real>(
    heads: Heads,
    ranges: &[Range<usize>],
    [query, key, value]: [&[T]; 3],
    of_result: &[T],
) -> [Vec<T>; 3] {
    let (of_query, of_key, width) = (heads.queries(), heads.keys(), heads.width);
    let zeros = |like: &[T]| vec![T::zero(); like.len()];
    let [mut queries, mut keys, mut values] = [zeros(query), zeros(key), zeros(value)];
    let parts = by_text(&mut queries, ranges, of_query)
        .into_iter()
        .zip(by_text(&mut keys, ranges, of_key))
        .zip(by_text(&mut values, ranges, of_key));
    let tasks = ranges.iter().cloned().zip(parts).collect();
    for_each(
        tasks,
        || (Vec::new(), Vec::new()),
        |(weights, of_weights), (range, parts): (Range<usize>, Parts<'_, T>)| {
            let ((queries, keys), values) = parts;
            let scale = T::one() / T::of(width as f64).sqrt();
            for i in 0..range.len() {
                let row = range.start + i;
                let until = range.start * of_key..(row + 1) * of_key;
                for head in 0..heads.count {
                    let at = row * of_query + head * width..row * of_query + (head + 1) * width;
                    let (query, of_result) = (&query[at.clone()], &of_result[at]);
                    let start = heads.keys_of(head).start;
                    heads.weigh(head, query, &key[until.clone()], weights);
                    let (keys, values) = (&mut keys[..(i + 1) * of_key], &mut values[..(i + 1) * of_key]);
                    spread(weights, of_result, values, of_key, start);
                    of_weights.resize(i + 1, T::zero());
                    products(of_result, &value[until.clone()], of_key, start, of_weights);
                    let mean = dot(weights, of_weights);
                    for (of_weight, &weight) in of_weights.iter_mut().zip(&*weights) {
                        *of_weight = weight * (*of_weight - mean) * scale;
                    }
                    spread(of_weights, query, keys, of_key, start);
                    let of_row = &mut queries[i * of_query + head * width..i * of_query + (head + 1) * width];
                    mix(of_weights, &key[until.clone()], of_key, start, of_row);
                }
            }
        },
    );
    [queries, keys, values]
}
