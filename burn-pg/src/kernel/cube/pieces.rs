//! Many small tensors as one vector, in few launches.

use burn::tensor::Tensor;
use cubecl::{client::Client, prelude::*};

use super::{
    buffer::{Buffer, client},
    rollout::workgroups,
};

/// Tensors of one launch: few enough for the bindings of every adapter.
const TOGETHER: usize = 6;

const THREADS: u32 = 64;

/// Joins `parts` into one vector, in their order. `None` if they are not on a GPU.
pub(crate) fn join(parts: &[Tensor<1>]) -> Option<Tensor<1>> {
    let client = client(parts.first()?)?;
    let lengths: Vec<usize> = parts.iter().map(|part| part.dims()[0]).collect();
    let whole = Tensor::empty([lengths.iter().sum::<usize>()], &parts[0].device());
    copy(&client, parts, &lengths, &whole, true)?;
    Some(whole)
}

/// Returns consecutive pieces of a vector, of these lengths. `None` if it is not on a GPU.
pub(crate) fn split(whole: &Tensor<1>, lengths: &[usize]) -> Option<Vec<Tensor<1>>> {
    let client = client(whole)?;
    let parts: Vec<Tensor<1>> = lengths.iter().map(|&len| Tensor::empty([len], &whole.device())).collect();
    copy(&client, &parts, lengths, whole, false)?;
    Some(parts)
}

/// Copies the pieces to the vector, or the vector to the pieces.
#[allow(clippy::many_single_char_names)] // the six arguments of a kernel
fn copy(client: &Client, parts: &[Tensor<1>], lengths: &[usize], whole: &Tensor<1>, to_whole: bool) -> Option<()> {
    let buffer = Buffer::of(whole.clone())?;
    let mut start = 0;
    for (parts, lengths) in parts.chunks(TOGETHER).zip(lengths.chunks(TOGETHER)) {
        let mut padded = lengths.to_vec();
        padded.resize(TOGETHER, 0);
        let mut buffers = parts.iter().map(|part| Buffer::of(part.clone())).collect::<Option<Vec<_>>>()?;
        while buffers.len() < TOGETHER {
            buffers.push(Buffer::of(Tensor::<1>::empty([1], &whole.device()))?);
        }
        let total = lengths.iter().sum::<usize>();
        let (count, dim) = (CubeCount::Static(workgroups(total, THREADS), 1, 1), CubeDim::new_1d(THREADS));
        let [a, b, c, d, e, f] = std::array::from_fn(|i| buffers[i].arg());
        match to_whole {
            true => gather::launch(client, count, dim, a, b, c, d, e, f, buffer.arg(), start, padded),
            false => scatter::launch(client, count, dim, a, b, c, d, e, f, buffer.arg(), start, padded),
        }
        start += total;
    }
    Some(())
}

/// Copies six pieces to a part of the vector.
#[cube(launch)]
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
fn gather(
    a: &[f32],
    b: &[f32],
    c: &[f32],
    d: &[f32],
    e: &[f32],
    f: &[f32],
    whole: &mut [f32],
    start: usize,
    #[comptime] lengths: Vec<usize>,
) {
    let place = ABSOLUTE_POS;
    let ends = comptime!(ends(&lengths));
    if place < comptime!(ends[0]) {
        whole[start + place] = a[place];
    } else if place < comptime!(ends[1]) {
        whole[start + place] = b[place - comptime!(ends[0])];
    } else if place < comptime!(ends[2]) {
        whole[start + place] = c[place - comptime!(ends[1])];
    } else if place < comptime!(ends[3]) {
        whole[start + place] = d[place - comptime!(ends[2])];
    } else if place < comptime!(ends[4]) {
        whole[start + place] = e[place - comptime!(ends[3])];
    } else if place < comptime!(ends[5]) {
        whole[start + place] = f[place - comptime!(ends[4])];
    }
}

/// Copies a part of the vector to six pieces.
#[cube(launch)]
#[allow(clippy::too_many_arguments, clippy::many_single_char_names)]
fn scatter(
    a: &mut [f32],
    b: &mut [f32],
    c: &mut [f32],
    d: &mut [f32],
    e: &mut [f32],
    f: &mut [f32],
    whole: &[f32],
    start: usize,
    #[comptime] lengths: Vec<usize>,
) {
    let place = ABSOLUTE_POS;
    let ends = comptime!(ends(&lengths));
    if place < comptime!(ends[0]) {
        a[place] = whole[start + place];
    } else if place < comptime!(ends[1]) {
        b[place - comptime!(ends[0])] = whole[start + place];
    } else if place < comptime!(ends[2]) {
        c[place - comptime!(ends[1])] = whole[start + place];
    } else if place < comptime!(ends[3]) {
        d[place - comptime!(ends[2])] = whole[start + place];
    } else if place < comptime!(ends[4]) {
        e[place - comptime!(ends[3])] = whole[start + place];
    } else if place < comptime!(ends[5]) {
        f[place - comptime!(ends[4])] = whole[start + place];
    }
}

/// Returns where each piece ends.
fn ends(lengths: &[usize]) -> Vec<usize> {
    lengths
        .iter()
        .scan(0, |end, len| {
            *end += len;
            Some(*end)
        })
        .collect()
}
