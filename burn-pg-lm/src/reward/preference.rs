//! How well a model predicts preferences.

use burn_pg::envs::EnvRng;

/// How often a model prefers what was preferred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Share of the pairs whose preferred text has the higher score; equal scores count half.
    pub share: f64,
    /// The ends of the 95 % interval of the share.
    pub interval: [f64; 2],
    /// Number of pairs.
    pub pairs: usize,
}

/// Compares the scores of preferred and rejected texts. `None` without pairs, or if a score is not a number. The interval is Wilson's, for
/// pairs that have nothing in common.
///
/// Source of the interval: E. Wilson, *Probable inference, the law of succession, and statistical inference* (1927).
#[must_use]
pub fn accuracy(chosen: &[f64], rejected: &[f64]) -> Option<Accuracy> {
    /// The quantile of the standard normal distribution for an interval of 95 %.
    const QUANTILE: f64 = 1.959_963_984_540_054;
    let pairs = chosen.len().min(rejected.len());
    if pairs == 0 || chosen.iter().chain(rejected).any(|score| score.is_nan()) {
        return None;
    }
    let right: f64 = chosen.iter().zip(rejected).map(|(chosen, rejected)| of_pair(*chosen, *rejected)).sum();
    let (count, square) = (pairs as f64, QUANTILE * QUANTILE);
    let share = right / count;
    let centre = (share + square / (2.0 * count)) / (1.0 + square / count);
    let half =
        QUANTILE * (share * (1.0 - share) / count + square / (4.0 * count * count)).sqrt() / (1.0 + square / count);
    Some(Accuracy { share, interval: [centre - half, centre + half], pairs })
}

/// Drawn samples of units, for an interval.
const SAMPLES: usize = 1000;

/// Compares scores as [`accuracy`] does, for pairs that may share texts or prompts. `units` has two numbers for each pair: one for each of its
/// texts, or twice the number of its prompt. Pairs that share a number are not independent. If there are such pairs, the interval also covers that
/// of a bootstrap, which draws numbers with replacement. The weight of a pair is then how often its first number was drawn, times how often its
/// second one was, if that is another number.
///
/// Source: A. Owen, *The pigeonhole bootstrap* (2007). The intervals are rather too wide than too narrow.
///
/// # Panics
/// If there are not as many pairs of numbers as of scores.
#[must_use]
pub fn accuracy_of_related(chosen: &[f64], rejected: &[f64], units: &[[usize; 2]]) -> Option<Accuracy> {
    let independent = accuracy(chosen, rejected)?;
    assert_eq!(units.len(), independent.pairs, "each pair is made of something");
    let count = units.iter().flatten().max().map_or(0, |largest| largest + 1);
    let mut pairs_of = vec![0; count];
    for [first, second] in units {
        pairs_of[*first] += 1;
        pairs_of[*second] += usize::from(first != second);
    }
    if pairs_of.iter().all(|pairs| *pairs < 2) {
        return Some(independent);
    }
    let right: Vec<f64> = chosen.iter().zip(rejected).map(|(chosen, rejected)| of_pair(*chosen, *rejected)).collect();
    let drawn: Vec<usize> = (0..count).filter(|unit| pairs_of[*unit] > 0).collect();
    let mut rng = EnvRng::new(0);
    let mut shares: Vec<f64> = (0..SAMPLES)
        .filter_map(|_| {
            let mut votes = vec![0_u32; count];
            for _ in &drawn {
                votes[drawn[rng.below(u32::try_from(drawn.len()).expect("fewer than 2^32 units")) as usize]] += 1;
            }
            let (mut sum, mut total) = (0.0, 0.0);
            for (right, [first, second]) in right.iter().zip(units) {
                let others = if first == second { 1 } else { votes[*second] };
                let weight = f64::from(votes[*first]) * f64::from(others);
                sum += weight * right;
                total += weight;
            }
            (total > 0.0).then_some(sum / total)
        })
        .collect();
    shares.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // an index
        shares.get((share * (shares.len() as f64 - 1.0)).round() as usize).copied()
    };
    let [low, high] = independent.interval;
    let interval = at(0.025).zip(at(0.975)).map_or([low, high], |ends| [low.min(ends.0), high.max(ends.1)]);
    Some(Accuracy { interval, ..independent })
}

/// Returns 1 if the preferred text has the higher score, 1/2 if the scores are equal, otherwise 0.
fn of_pair(chosen: f64, rejected: f64) -> f64 {
    if chosen > rejected {
        1.0
    } else if chosen < rejected {
        0.0
    } else {
        0.5
    }
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

    #[test]
    fn pairs_with_texts_in_common_tell_less_than_their_number_says() {
        // 40 texts, of which each is in 20 pairs; a model that is wrong about two texts is wrong about all of their pairs.
        let mut units = Vec::new();
        for first in 0..40 {
            units.extend((1..=10).map(|step| [first, (first + step) % 40]));
        }
        let chosen: Vec<f64> =
            units.iter().map(|pair| if pair.iter().any(|text| *text < 4) { -1.0 } else { 1.0 }).collect();
        let zeros = vec![0.0; chosen.len()];
        let (alone, related) =
            (accuracy(&chosen, &zeros).unwrap(), accuracy_of_related(&chosen, &zeros, &units).unwrap());
        let width = |accuracy: &Accuracy| accuracy.interval[1] - accuracy.interval[0];
        assert_eq!((alone.share, alone.pairs), (related.share, related.pairs));
        assert!(width(&related) > 2.0 * width(&alone), "{alone:?} {related:?}");
        assert!(related.interval[0] < related.share && related.share < related.interval[1], "{related:?}");
        // Pairs that have nothing in common.
        let apart: Vec<[usize; 2]> = (0..units.len()).map(|i| [2 * i, 2 * i + 1]).collect();
        assert_eq!(accuracy_of_related(&chosen, &zeros, &apart), Some(alone));
        // Each prompt has ten pairs, which are all right or all wrong: as many observations as prompts.
        let prompts: Vec<[usize; 2]> = (0..400).map(|i| [i / 10; 2]).collect();
        let chosen: Vec<f64> = (0..400).map(|i| if i / 10 % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let by_prompt = accuracy_of_related(&chosen, &zeros, &prompts).unwrap();
        let expected = accuracy(
            &chosen[..40].iter().enumerate().map(|(i, _)| if i % 2 == 0 { 1.0 } else { -1.0 }).collect::<Vec<_>>(),
            &[0.0; 40],
        )
        .unwrap();
        assert!((width(&by_prompt) / width(&expected) - 1.0).abs() < 0.15, "{by_prompt:?} {expected:?}");
    }
}
