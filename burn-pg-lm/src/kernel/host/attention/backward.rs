//! The gradients of attention.

use burn_pg::kernel::parts::{Real, for_each};

use super::{
    Heads, Span, TILE, Workspace, as_columns, by_text,
    tile::{Rows, Tile, To, mix, of_scores, products, transpose},
};

/// The gradients of queries, keys and values of a text.
type Parts<'a, T> = ((&'a mut [T], &'a mut [T]), &'a mut [T]);

/// Returns the gradients of [`attend_all`](super::attend_all) with respect to queries, keys and values, from that with respect to its results.
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
