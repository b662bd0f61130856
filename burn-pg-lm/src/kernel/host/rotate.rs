//! Rotary positions.

use burn_pg::kernel::parts::Real;

/// The angles of rotary positions: cosine and sine of `position / theta^(2 i / D)`, for i below `D / 2`.
#[derive(Debug, Clone)]
pub(crate) struct Angles<T> {
    half: usize,
    /// Shape `[positions, D / 2]`.
    cos: Vec<T>,
    sin: Vec<T>,
}

impl<T: Real> Angles<T> {
    /// Computes the angles of the positions below `positions` for heads of width `width`.
    pub fn new(positions: usize, width: usize, theta: f64) -> Self {
        let half = width / 2;
        let angles = (0..positions)
            .flat_map(|position| (0..half).map(move |i| position as f64 * theta.powf(-(i as f64) / half as f64)));
        let (cos, sin) = angles.map(|angle| (T::of(angle.cos()), T::of(angle.sin()))).unzip();
        Self { half, cos, sin }
    }

    /// Rotates all heads of rows at these positions, or, if `back`, rotates them back. Shape `[T, heads * D]`.
    pub fn rotate(&self, rows: &mut [T], width: usize, positions: impl Iterator<Item = usize>, back: bool) {
        for (row, position) in rows.chunks_exact_mut(width).zip(positions) {
            let at = position * self.half..(position + 1) * self.half;
            let (cos, sin) = (&self.cos[at.clone()], &self.sin[at]);
            for head in row.chunks_exact_mut(2 * self.half) {
                let (first, second) = head.split_at_mut(self.half);
                for i in 0..self.half {
                    let (a, b, sin) = (first[i], second[i], if back { -sin[i] } else { sin[i] });
                    first[i] = a * cos[i] - b * sin;
                    second[i] = b * cos[i] + a * sin;
                }
            }
        }
    }
}
