//! Causal attention within texts.
//!
//! A score is added up dimension by dimension, and a result position by position, whatever other queries are computed beside it: a token
//! gets the same bits in training as when it was sampled.

mod backward;
mod tile;

pub(crate) use backward::attend_backward;

use std::ops::Range;

use burn_pg::kernel::parts::{Real, for_each};

use self::tile::{Rows, Tile, To, mix, transpose};

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

/// Writes the attention of each query over all positions of the memory up to its own. The queries (shape `[count, heads * D]`) are at the last
/// `count` positions of the memory.
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

/// A text: the rows of its keys and values, and those of its queries, which are at consecutive positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub keys: Range<usize>,
    pub queries: Range<usize>,
    /// The position of the first query.
    pub first: usize,
}

impl Span {
    /// Returns the span of each text. `texts` are the rows of its keys, `asked` the positions of its queries.
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
