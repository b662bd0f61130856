//! Matrix products with many columns, computed in tiles whose sums stay in vector registers.
//!
//! Uses explicit vectors, because whether the compiler vectorises a loop over arrays depends on the code around it.

use pulp::{Arch, Simd, WithSimd};

/// Number of rows that are computed together. With two vectors per row, they fill most of sixteen registers.
const HEIGHT: usize = 6;
/// The same for thirty-two registers.
const TALL: usize = 12;

/// Float types that have tiles.
pub trait Tiled: Sized {
    /// Returns the number of columns that are computed together: two vectors of this machine.
    fn panel_width() -> usize;

    /// Multiplies the rows of a matrix (shape `[rows, depth]`) by panels of [`panel_width`](Self::panel_width) columns
    /// (shape `[depth + 1, width]` each). The first row of each panel is added to the product. The result has shape
    /// `[rows, columns]`; the columns of the last panel beyond `columns` are ignored.
    fn times_panels(depth: usize, columns: usize, matrix: &[Self], panels: &[Self], result: &mut [Self]);

    /// Computes `result += left^T right` for the columns in whole panels. Shapes: left `[rows, height]`, right
    /// `[rows, width]`, result `[height, width]`.
    fn add_outer_products(height: usize, width: usize, left: &[Self], right: &[Self], result: &mut [Self]);
}

/// Evaluates `$run` for runs of `TALL` or `HEIGHT` out of `$count` items, then for shorter runs of the remaining items.
/// `$registers` is the number of registers of the machine.
macro_rules! in_runs {
    ($registers:expr, $count:expr, |$first:ident, $size:ident| $run:expr) => {{
        let (mut $first, count) = (0, $count);
        let tallest = if $registers >= 32 { TALL } else { HEIGHT };
        in_runs!(@ tallest, $first, count, $size, $run, TALL, HEIGHT, 4, 2, 1);
    }};
    (@ $tallest:ident, $first:ident, $count:ident, $size:ident, $run:expr, $($height:expr),*) => {
        $(
            while $height <= $tallest && $count - $first >= $height {
                const $size: usize = $height;
                $run;
                $first += $height;
            }
        )*
    };
}

macro_rules! tiled {
    ($float:ident, $module:ident, $vectors:ident, $lanes:ident, $split:ident, $split_mut:ident, $splat:ident,
     $mul_add:ident, $add:ident, $partial_store:ident) => {
        mod $module {
            use super::*;

            pub struct PanelWidth;

            impl WithSimd for PanelWidth {
                type Output = usize;

                #[inline(always)]
                fn with_simd<S: Simd>(self, _: S) -> usize {
                    2 * S::$lanes
                }
            }

            pub struct TimesPanels<'a> {
                pub depth: usize,
                pub columns: usize,
                pub matrix: &'a [$float],
                pub panels: &'a [$float],
                pub result: &'a mut [$float],
            }

            impl WithSimd for TimesPanels<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) {
                    let Self { depth, columns, matrix, panels, result } = self;
                    let width = 2 * S::$lanes;
                    for (panel, first) in panels.chunks_exact((depth + 1) * width).zip((0..).step_by(width)) {
                        let (panel, _) = S::$split(panel);
                        let panel = panel.as_chunks::<2>().0;
                        in_runs!(S::REGISTER_COUNT, matrix.len() / depth, |row, R| {
                            let sums = times_panel::<S, R>(simd, depth, &matrix[row * depth..][..R * depth], panel);
                            for (i, sums) in sums.into_iter().enumerate() {
                                let end = columns.min(first + width);
                                store(simd, sums, &mut result[(row + i) * columns + first..(row + i) * columns + end]);
                            }
                        });
                    }
                }
            }

            /// Writes two vectors to `result`, or only their beginning if `result` is shorter.
            #[inline(always)]
            fn store<S: Simd>(simd: S, sums: [S::$vectors; 2], result: &mut [$float]) {
                match S::$split_mut(result) {
                    ([first, second], _) => [*first, *second] = sums,
                    _ => {
                        let (first, second) = result.split_at_mut(S::$lanes.min(result.len()));
                        simd.$partial_store(first, sums[0]);
                        simd.$partial_store(second, sums[1]);
                    }
                }
            }

            /// Computes R rows of a product with one panel.
            #[inline(always)]
            fn times_panel<S: Simd, const R: usize>(
                simd: S,
                depth: usize,
                rows: &[$float],
                panel: &[[S::$vectors; 2]],
            ) -> [[S::$vectors; 2]; R] {
                let rows: [&[$float]; R] = std::array::from_fn(|row| &rows[row * depth..][..depth]);
                let (start, panel) = (panel[0], &panel[1..][..depth]);
                let mut sums = [start; R];
                for k in 0..depth {
                    for row in 0..R {
                        let left = simd.$splat(rows[row][k]);
                        for half in 0..2 {
                            sums[row][half] = simd.$mul_add(left, panel[k][half], sums[row][half]);
                        }
                    }
                }
                sums
            }

            pub struct AddOuterProducts<'a> {
                pub height: usize,
                pub width: usize,
                pub left: &'a [$float],
                pub right: &'a [$float],
                pub result: &'a mut [$float],
            }

            impl WithSimd for AddOuterProducts<'_> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) {
                    let Self { height, width, left, right, result } = self;
                    for column in (0..width / (2 * S::$lanes)).map(|panel| panel * 2 * S::$lanes) {
                        in_runs!(S::REGISTER_COUNT, height, |first, R| {
                            let rows = left.chunks_exact(height).zip(right.chunks_exact(width));
                            let mut sums = [[simd.$splat(0.0); 2]; R];
                            for (left, right) in rows {
                                let (left, right) = (&left[first..][..R], S::$split(&right[column..]).0);
                                let right = [right[0], right[1]];
                                for row in 0..R {
                                    let left = simd.$splat(left[row]);
                                    for half in 0..2 {
                                        sums[row][half] = simd.$mul_add(left, right[half], sums[row][half]);
                                    }
                                }
                            }
                            for (row, sums) in sums.iter().enumerate() {
                                let (result, _) = S::$split_mut(&mut result[(first + row) * width + column..]);
                                for half in 0..2 {
                                    result[half] = simd.$add(result[half], sums[half]);
                                }
                            }
                        });
                    }
                }
            }
        }

        impl Tiled for $float {
            fn panel_width() -> usize {
                Arch::new().dispatch($module::PanelWidth)
            }

            fn times_panels(depth: usize, columns: usize, matrix: &[$float], panels: &[$float], result: &mut [$float]) {
                Arch::new().dispatch($module::TimesPanels { depth, columns, matrix, panels, result });
            }

            fn add_outer_products(
                height: usize,
                width: usize,
                left: &[$float],
                right: &[$float],
                result: &mut [$float],
            ) {
                Arch::new().dispatch($module::AddOuterProducts { height, width, left, right, result });
            }
        }
    };
}

tiled! {
    f32, single, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, mul_add_f32s, add_f32s, partial_store_f32s
}
tiled! {
    f64, double, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, mul_add_f64s, add_f64s, partial_store_f64s
}
