//! Mean and standard deviation of a few values.

/// Count, mean and standard deviation of a group of values.
pub struct Statistics {
    /// Number of values.
    pub count: usize,
    /// Their mean; 0 if there are none.
    pub mean: f64,
    /// Their standard deviation with Bessel's correction; 0 if there are fewer than 2.
    pub deviation: f64,
}

impl Statistics {
    /// Computes the statistics of `numbers`. The mean is computed first, so that values that are large and close to
    /// each other lose no digits.
    pub fn of(numbers: impl Iterator<Item = f64> + Clone) -> Self {
        let count = numbers.clone().count();
        if count == 0 {
            return Self { count, mean: 0.0, deviation: 0.0 };
        }
        let mean = numbers.clone().sum::<f64>() / count as f64;
        let squares: f64 = numbers.map(|number| (number - mean).powi(2)).sum();
        let deviation = if count > 1 { (squares / (count - 1) as f64).sqrt() } else { 0.0 };
        Self { count, mean, deviation }
    }
}
