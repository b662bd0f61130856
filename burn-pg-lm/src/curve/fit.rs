//! The two published curves of a gold score over the KL divergence.

use serde::{Deserialize, Serialize};

/// How a gold score depends on the distance from the reference, `d = sqrt(KL)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The best of n: `d (alpha - beta d)`.
    BestOf,
    /// Reinforcement: `d (alpha - beta log d)`.
    Reinforcement,
}

/// A curve that was fitted to a gold score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Its form.
    pub form: Form,
    /// Coefficient of `d`. With [`Form::BestOf`] it is the derivative at `d = 0`; with [`Form::Reinforcement`] it is the gold score at `d = 1`.
    pub alpha: f64,
    /// Coefficient of the term that is subtracted: `d^2` with [`Form::BestOf`], `d log d` with [`Form::Reinforcement`].
    pub beta: f64,
    /// The share of the variance of the gold score that the curve explains, at most 1; NaN if the score does not vary.
    pub r_squared: f64,
}

impl Form {
    /// Returns what `alpha` and `beta` are multiplied by.
    fn factors(self, divergence: f64) -> [f64; 2] {
        let distance = divergence.max(0.0).sqrt();
        match self {
            Self::BestOf => [distance, -distance * distance],
            Self::Reinforcement if distance == 0.0 => [0.0; 2],
            Self::Reinforcement => [distance, -distance * distance.ln()],
        }
    }

    /// Fits the curve by least squares to points of a KL divergence (in nats) and a gold score, of which the score without optimisation
    /// has been subtracted. Returns `None` if fewer than three points have different divergences.
    #[must_use]
    pub fn fit(self, points: &[[f64; 2]]) -> Option<Fit> {
        let mut divergences: Vec<f64> = points.iter().map(|[divergence, _]| *divergence).collect();
        divergences.sort_by(f64::total_cmp);
        divergences.dedup();
        if divergences.len() < 3 {
            return None;
        }
        // The normal equations, which have two unknowns.
        let (mut products, mut right) = ([[0.0; 2]; 2], [0.0; 2]);
        for &[divergence, score] in points {
            let factors = self.factors(divergence);
            for i in 0..2 {
                right[i] += factors[i] * score;
                for j in 0..2 {
                    products[i][j] += factors[i] * factors[j];
                }
            }
        }
        let [[a, b], [_, d]] = products;
        let determinant = a * d - b * b;
        if determinant <= 1e-12 * a * d {
            return None;
        }
        let fit = Fit {
            form: self,
            alpha: (d * right[0] - b * right[1]) / determinant,
            beta: (a * right[1] - b * right[0]) / determinant,
            r_squared: f64::NAN,
        };
        let mean = points.iter().map(|[_, score]| score).sum::<f64>() / points.len() as f64;
        let left: f64 = points.iter().map(|&[divergence, score]| (score - fit.at(divergence)).powi(2)).sum();
        let all: f64 = points.iter().map(|[_, score]| (score - mean).powi(2)).sum();
        Some(Fit { r_squared: if all > 0.0 { 1.0 - left / all } else { f64::NAN }, ..fit })
    }
}

impl Fit {
    /// Returns the gold score that the curve has at a KL divergence in nats.
    #[must_use]
    pub fn at(&self, divergence: f64) -> f64 {
        let [rise, loss] = self.form.factors(divergence);
        self.alpha * rise + self.beta * loss
    }

    /// Returns the KL divergence at which the curve is highest, if it rises and then falls.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        let Self { form, alpha, beta, .. } = *self;
        let distance = match form {
            Form::BestOf => alpha / (2.0 * beta),
            Form::Reinforcement => (alpha / beta - 1.0).exp(),
        };
        (beta > 0.0 && distance > 0.0 && distance.is_finite()).then_some(distance * distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_found_again_with_its_peak() {
        for form in [Form::BestOf, Form::Reinforcement] {
            let curve = Fit { form, alpha: 1.3, beta: 0.4, r_squared: 1.0 };
            let points: Vec<[f64; 2]> = (0..30).map(|i| f64::from(i) * 0.7).map(|kl| [kl, curve.at(kl)]).collect();
            let found = form.fit(&points).unwrap();
            assert!((found.alpha - 1.3).abs() < 1e-9 && (found.beta - 0.4).abs() < 1e-9, "{found:?}");
            assert!((found.r_squared - 1.0).abs() < 1e-12, "{found:?}");
            let peak = found.peak().unwrap();
            let around = [0.99 * peak, 1.01 * peak].map(|kl| curve.at(kl));
            assert!(around.iter().all(|score| *score < curve.at(peak)), "{peak} {around:?}");
        }
    }

    #[test]
    fn too_few_points_give_no_curve_and_a_rising_one_has_no_peak() {
        assert_eq!(Form::BestOf.fit(&[[1.0, 1.0], [2.0, 1.0], [1.0, 3.0]]), None);
        assert_eq!(Form::BestOf.fit(&[[0.0, 1.0]; 5]), None);
        let rising = Form::BestOf.fit(&[[1.0, 1.0], [4.0, 2.5], [9.0, 4.5]]).unwrap();
        assert_eq!((rising.beta < 0.0, rising.peak()), (true, None), "{rising:?}");
        let flat = Form::BestOf.fit(&[[1.0, 2.0], [4.0, 2.0], [9.0, 2.0]]).unwrap();
        assert!(flat.r_squared.is_nan());
    }
}
