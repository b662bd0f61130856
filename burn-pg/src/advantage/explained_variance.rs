//! The explained variance of a critic.

/// Returns `1 - Var(returns - values) / Var(returns)`, or `None` if the returns do not vary.
#[must_use]
pub fn explained_variance(values: &[f32], returns: &[f64]) -> Option<f64> {
    let variance = |numbers: &mut dyn Iterator<Item = f64>| {
        let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
        for number in numbers {
            count += 1.0;
            let delta = number - mean;
            mean += delta / count;
            squares += delta * (number - mean);
        }
        squares / count
    };
    let total = variance(&mut returns.iter().copied());
    let errors = returns.iter().zip(values).map(|(r, &v)| r - f64::from(v));
    let left = variance(&mut { errors });
    (total > 0.0).then(|| 1.0 - left / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explained_variance_is_one_for_perfect_values_and_zero_for_a_constant() {
        assert_eq!(explained_variance(&[1.0, 2.0, 4.0], &[1.0, 2.0, 4.0]), Some(1.0));
        assert_eq!(explained_variance(&[3.0, 3.0, 3.0], &[1.0, 2.0, 4.0]), Some(0.0));
        assert_eq!(explained_variance(&[1.0, 2.0], &[5.0, 5.0]), None);
        // Var(returns) = 14/9, Var(errors) = 2/3 at errors -1, 0, 1.
        let share = explained_variance(&[2.0, 2.0, 3.0], &[1.0, 2.0, 4.0]).unwrap();
        assert!((share - (1.0 - (2.0 / 3.0) / (14.0 / 9.0))).abs() < 1e-12);
    }
}
