//! The return of a run so far, in a bounded number of points.

/// Largest number of points: more than a terminal has columns.
const MOST: usize = 1024;

/// Values of consecutive updates. When there are too many, neighbours are averaged, so that each point stands for more updates.
#[derive(Debug)]
pub struct History {
    points: Vec<f64>,
    /// Updates that a point stands for.
    each: u32,
    /// Sum and number of the finite values of the point that is not complete.
    sum: f64,
    finite: u32,
    /// Updates in it.
    updates: u32,
}

impl History {
    pub fn new() -> Self {
        Self { points: Vec::new(), each: 1, sum: 0.0, finite: 0, updates: 0 }
    }

    /// Adds the value of an update, if it has one.
    pub fn push(&mut self, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.sum += value;
            self.finite += 1;
        }
        self.updates += 1;
        if self.updates == self.each {
            self.points.push(self.sum / f64::from(self.finite));
            (self.sum, self.finite, self.updates) = (0.0, 0, 0);
        }
        if self.points.len() == MOST {
            self.points = self.points.chunks(2).map(mean).collect();
            self.each *= 2;
        }
    }

    /// Returns the points; NaN where no update had a value.
    pub fn points(&self) -> &[f64] {
        &self.points
    }
}

/// Returns the mean of the finite points, or NaN.
fn mean(points: &[f64]) -> f64 {
    let finite: Vec<f64> = points.iter().copied().filter(|point| point.is_finite()).collect();
    finite.iter().sum::<f64>() / finite.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_history_keeps_its_shape_in_few_points() {
        let mut history = History::new();
        (0..5 * MOST).for_each(|update| history.push(Some(update as f64)));
        let points = history.points();
        assert!((MOST / 2..MOST).contains(&points.len()), "{}", points.len());
        // Each point is the mean of eight updates.
        assert_eq!(points[..2], [3.5, 11.5]);
        assert!(points.windows(2).all(|pair| pair[1] == pair[0] + 8.0));
    }

    #[test]
    fn updates_without_a_value_are_gaps() {
        let mut history = History::new();
        for value in [None, Some(2.0), Some(f64::INFINITY)] {
            history.push(value);
        }
        assert!(history.points()[0].is_nan() && history.points()[1] == 2.0 && history.points()[2].is_nan());
        assert!(mean(&[f64::NAN, 4.0]) == 4.0 && mean(&[f64::NAN]).is_nan());
    }
}
