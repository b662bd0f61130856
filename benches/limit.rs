//! The limit of training small networks on a machine: products of matrices 64x64 whose sums stay in registers and whose operands stay in
//! the first-level cache.

use std::{hint::black_box, thread, time::Instant};

use pulp::{Arch, Simd, WithSimd};

const SIZE: usize = 64;
const PRODUCTS: usize = 20_000;

/// Multiplies the same two matrices again and again, in tiles of 6 rows and two vectors.
struct Products<'a> {
    left: &'a [f32],
    right: &'a [f32],
}

impl WithSimd for Products<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f32 {
        const ROWS: usize = 6;
        let (right, _) = S::as_simd_f32s(self.right);
        let per_row = SIZE / S::F32_LANES;
        let mut total = simd.splat_f32s(0.0);
        for _ in 0..PRODUCTS {
            for first in (0..=SIZE - ROWS).step_by(ROWS) {
                let rows: [&[f32]; ROWS] = std::array::from_fn(|row| &self.left[(first + row) * SIZE..][..SIZE]);
                for column in (0..per_row).step_by(2) {
                    let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
                    for k in 0..SIZE {
                        let right = [right[k * per_row + column], right[k * per_row + column + 1]];
                        for (row, sums) in rows.iter().zip(&mut sums) {
                            let left = simd.splat_f32s(row[k]);
                            sums[0] = simd.mul_add_f32s(left, right[0], sums[0]);
                            sums[1] = simd.mul_add_f32s(left, right[1], sums[1]);
                        }
                    }
                    for [first, second] in sums {
                        total = simd.add_f32s(total, simd.add_f32s(first, second));
                    }
                }
            }
        }
        simd.reduce_sum_f32s(total)
    }
}

/// Returns how many GFLOP/s such products reach on this number of threads.
pub fn gflops(threads: usize) -> f64 {
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let matrix = black_box(vec![1e-3_f32; SIZE * SIZE]);
                black_box(Arch::new().dispatch(Products { left: &matrix, right: &matrix }));
            });
        }
    });
    // Ten tiles of six rows.
    let flop = 2.0 * (60 * SIZE * SIZE * PRODUCTS * threads) as f64;
    flop / start.elapsed().as_secs_f64() / 1e9
}
