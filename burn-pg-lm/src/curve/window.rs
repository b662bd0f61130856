//! Means over several updates of a run, which are less noisy than single ones.

use serde::{Deserialize, Serialize};

/// What was measured in an update, or the means over several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// KL divergence from the reference, in nats a text.
    pub kl: f64,
    /// The score that is optimised.
    pub proxy: f64,
    /// The score that is meant.
    pub gold: f64,
}

impl Point {
    /// Returns the mean of points.
    ///
    /// # Panics
    /// If there are none.
    #[must_use]
    pub fn mean(points: &[Self]) -> Self {
        assert!(!points.is_empty(), "no points");
        let mean = |value: fn(&Self) -> f64| points.iter().map(value).sum::<f64>() / points.len() as f64;
        Self { kl: mean(|point| point.kl), proxy: mean(|point| point.proxy), gold: mean(|point| point.gold) }
    }
}

/// Returns the means of `size` updates each. If the last window would be smaller, it is joined to the one before.
///
/// # Panics
/// If `size` is 0.
#[must_use]
pub fn windows(updates: &[Point], size: usize) -> Vec<Point> {
    assert!(size > 0, "a window has updates");
    let count = (updates.len() / size).max(usize::from(!updates.is_empty()));
    let range = |i: usize| i * size..if i + 1 == count { updates.len() } else { (i + 1) * size };
    (0..count).map(|i| Point::mean(&updates[range(i)])).collect()
}

/// Returns by how much the gold score has fallen from its highest window to the last one (0 if the last one is the highest), and the standard error
/// of this fall, estimated from the differences between consecutive updates.
///
/// # Panics
/// If there are no updates, or `size` is 0.
#[must_use]
pub fn fall(updates: &[Point], size: usize) -> [f64; 2] {
    let windows = windows(updates, size);
    let highest = windows.iter().map(|window| window.gold).fold(f64::NEG_INFINITY, f64::max);
    let squares = updates.windows(2).map(|pair| (pair[1].gold - pair[0].gold).powi(2) / 2.0);
    let variance = squares.sum::<f64>() / (updates.len() as f64 - 1.0).max(1.0);
    let last = windows.last().expect("there are updates");
    [highest - last.gold, (2.0 * variance / size as f64).sqrt()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gold(values: &[f64]) -> Vec<Point> {
        values.iter().map(|&gold| Point { kl: 0.0, proxy: 0.0, gold }).collect()
    }

    #[test]
    fn windows_take_all_updates() {
        let means =
            |values: &[f64], size| windows(&gold(values), size).iter().map(|window| window.gold).collect::<Vec<_>>();
        assert_eq!(means(&[1.0, 3.0, 5.0, 7.0], 2), [2.0, 6.0]);
        assert_eq!(means(&[1.0, 3.0, 5.0, 7.0, 9.0], 2), [2.0, 7.0]);
        assert_eq!(means(&[1.0, 3.0], 5), [2.0]);
        assert!(means(&[], 5).is_empty());
    }

    #[test]
    fn a_fall_is_measured_from_the_highest_window() {
        let [lost, error] = fall(&gold(&[0.0, 0.0, 4.0, 4.0, 1.0, 1.0]), 2);
        assert_eq!(lost, 3.0);
        // Two differences, of 4 and 3, among five.
        assert!((error - (25.0 / (2.0 * 5.0_f64)).sqrt()).abs() < 1e-12, "{error}");
        assert_eq!(fall(&gold(&[0.0, 1.0, 2.0, 3.0]), 2)[0], 0.0);
    }
}
