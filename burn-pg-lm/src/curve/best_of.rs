//! The best of several texts.

/// Returns the expected proxy score and gold score of the best of `count` texts: the one with the highest proxy score. The `count` texts are drawn
/// without replacement from `texts`, which are pairs of a proxy score and a gold score.
///
/// If the texts were written independently, this is an unbiased estimate, with less variance than one draw. With N texts in ascending order of
/// their proxy scores and `n = count`, text i (from 0) is the best of the draw with probability `C(i, n - 1) / C(N, n)`.
///
/// # Panics
/// If `count` is not between 1 and the number of texts.
#[must_use]
pub fn best_of(count: usize, texts: &[[f64; 2]]) -> [f64; 2] {
    assert!((1..=texts.len()).contains(&count), "the best of {count} of {} texts", texts.len());
    let mut ascending = texts.to_vec();
    ascending.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let mut sums = [0.0; 2];
    let mut probability = count as f64 / texts.len() as f64;
    for (i, scores) in ascending.iter().enumerate().skip(count - 1).rev() {
        for (sum, score) in sums.iter_mut().zip(scores) {
            *sum += probability * score;
        }
        if i > 0 {
            probability *= (i + 1 - count) as f64 / i as f64;
        }
    }
    sums
}

/// Returns the KL divergence of the best of `count` texts from the distribution that they are drawn from, in nats: `log n - (n - 1) / n`.
/// It is exact if no two texts have the same score, and too large otherwise.
#[must_use]
pub fn kl_of_best(count: usize) -> f64 {
    let count = count as f64;
    count.ln() - (count - 1.0) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the mean over all draws, one by one.
    fn by_enumeration(count: usize, texts: &[[f64; 2]]) -> [f64; 2] {
        let draws: Vec<u32> = (0..1_u32 << texts.len()).filter(|draw| draw.count_ones() as usize == count).collect();
        let mut sums = [0.0; 2];
        for draw in &draws {
            let chosen = (0..texts.len()).filter(|i| draw & (1 << i) != 0).map(|i| texts[i]);
            let best = chosen.max_by(|a, b| a[0].total_cmp(&b[0])).unwrap();
            sums.iter_mut().zip(best).for_each(|(sum, score)| *sum += score);
        }
        sums.map(|sum| sum / draws.len() as f64)
    }

    #[test]
    fn the_best_of_several_is_the_mean_over_all_draws() {
        let texts = [[0.3, 1.0], [-1.0, 2.0], [2.5, -3.0], [0.9, 0.5], [1.1, 4.0], [-0.2, -1.0], [0.0, 7.0]];
        for count in 1..=texts.len() {
            let (ours, all) = (best_of(count, &texts), by_enumeration(count, &texts));
            assert!((0..2).all(|i| (ours[i] - all[i]).abs() < 1e-12), "{count}: {ours:?} {all:?}");
        }
        assert_eq!(best_of(texts.len(), &texts), [2.5, -3.0]);
    }

    #[test]
    fn the_divergence_of_the_best_is_that_of_its_distribution() {
        assert_eq!(kl_of_best(1), 0.0);
        // The score as a number u from 0 to 1: the best of n has the density n u^(n - 1), whose divergence from 1 is its mean log.
        let (count, pieces) = (8, 1_000_000_usize);
        let density = |u: f64| f64::from(count) * u.powi(count - 1);
        let middle = |i: usize| (i as f64 + 0.5) / pieces as f64;
        let integral: f64 = (0..pieces).map(|i| density(middle(i)) * density(middle(i)).ln() / pieces as f64).sum();
        assert!((integral - kl_of_best(8)).abs() < 1e-6, "{integral}");
    }
}
