//! How well a model predicts preferences.

/// How often a model prefers what was preferred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Share of the pairs whose preferred text has the higher score; equal scores count half.
    pub share: f64,
    /// The ends of the 95 % interval of the share (Wilson's).
    pub interval: [f64; 2],
    /// Number of pairs.
    pub pairs: usize,
}

/// Compares the scores of preferred and rejected texts. `None` without pairs, or if a score is not a number.
///
/// Source of the interval: E. Wilson, *Probable inference, the law of succession, and statistical inference* (1927).
#[must_use]
pub fn accuracy(chosen: &[f64], rejected: &[f64]) -> Option<Accuracy> {
    /// The quantile of the standard normal distribution for an interval of 95 %.
    const QUANTILE: f64 = 1.959_963_984_540_054;
    let pairs = chosen.len().min(rejected.len());
    let mut right = 0.0;
    for (chosen, rejected) in chosen.iter().zip(rejected) {
        right += match chosen.partial_cmp(rejected)? {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        };
    }
    if pairs == 0 {
        return None;
    }
    let (count, square) = (pairs as f64, QUANTILE * QUANTILE);
    let share = right / count;
    let centre = (share + square / (2.0 * count)) / (1.0 + square / count);
    let half =
        QUANTILE * (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt() / (1.0 + square / count);
    Some(Accuracy { share, interval: [centre - half, centre + half], pairs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_has_an_interval_and_ties_count_half() {
        let all = accuracy(&[1.0, 2.0, 3.0, 0.0], &[0.0, 2.0, 4.0, -1.0]).unwrap();
        assert_eq!((all.share, all.pairs), (0.625, 4));
        assert_eq!(accuracy(&[], &[]), None);
        assert_eq!(accuracy(&[f64::NAN], &[0.0]), None);
        // 81 of 263: Wilson's interval is 0.2553 to 0.3662 (R. Newcombe, 1998, table I).
        let chosen: Vec<f64> = (0..263).map(|i| if i < 81 { 1.0 } else { -1.0 }).collect();
        let [low, high] = accuracy(&chosen, &[0.0; 263]).unwrap().interval;
        assert!((low - 0.2553).abs() < 5e-5 && (high - 0.3662).abs() < 5e-5, "{low} {high}");
    }
}
