//! The figures of the live screen, and whether each is in its healthy range.
//!
//! `docs/troubleshooting.md` explains the ranges and the hints, which are the same there.

use std::collections::VecDeque;

use burn_pg::UpdateStats;

/// The newest value counts this much in a smoothed figure, so that one unusual update is not reported.
const NEWEST: f64 = 0.2;
/// Gradient norms whose median is the usual one.
const USUAL: usize = 65;

/// A figure, and a hint if it has left its healthy range.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    pub label: &'static str,
    pub value: f64,
    pub hint: Option<&'static str>,
}

/// What is needed to judge the figures of an update.
#[derive(Debug, Default)]
pub struct Health {
    kl: Smoothed,
    clipped: Smoothed,
    entropy: Smoothed,
    explained: Smoothed,
    has_trust_region: bool,
    first_entropy: Option<f64>,
    grad_norm: Option<f64>,
    grad_norms: VecDeque<f64>,
}

/// A value that follows another one slowly.
#[derive(Debug, Default, Clone, Copy)]
struct Smoothed {
    newest: Option<f64>,
    smooth: f64,
}

impl Smoothed {
    fn push(&mut self, value: Option<f64>) {
        if let Some(value) = value {
            self.smooth = self.newest.map_or(value, |_| NEWEST * value + (1.0 - NEWEST) * self.smooth);
        }
        self.newest = value.or(self.newest);
    }

    /// Returns the newest value, with the hint if the smoothed one is not healthy.
    fn figure(self, label: &'static str, hint: &'static str, is_healthy: impl Fn(f64) -> bool) -> Option<Figure> {
        Some(Figure { label, value: self.newest?, hint: (!is_healthy(self.smooth)).then_some(hint) })
    }
}

impl Health {
    /// Takes note of an update.
    pub fn push(&mut self, stats: &UpdateStats) {
        let metric = |name: &str| stats.losses.get(name).copied();
        self.has_trust_region = metric("step_fraction").is_some();
        self.kl.push(metric("kl").or(metric("approx_kl")));
        self.clipped.push(metric("clip_fraction"));
        self.entropy.push(metric("entropy"));
        self.explained.push(stats.explained_variance);
        self.first_entropy = self.first_entropy.or(metric("entropy"));
        self.grad_norm = metric("grad_norm");
        self.grad_norms.extend(self.grad_norm);
        if self.grad_norms.len() > USUAL {
            self.grad_norms.pop_front();
        }
    }

    /// Returns the figures of the newest update. `share` of the run is over; `is_solved` if the task is.
    pub fn figures(&self, share: f64, is_solved: bool) -> Vec<Figure> {
        let lower = match self.has_trust_region {
            true => "steps are large: lower trust_region.max_kl",
            false => "steps are large: lower learning_rate or num_epochs",
        };
        let kl = self.kl.figure("KL", lower, |kl| kl <= 0.05);
        let clipped = self.clipped.figure(
            "clip fraction",
            "many samples are clipped: lower learning_rate or num_epochs",
            |share| share <= 0.4,
        );
        // Continuous actions with little noise have a negative entropy. That is no fault.
        let floor = self.first_entropy.filter(|first| *first > 0.0 && !is_solved).map(|first| 0.05 * first);
        let entropy =
            self.entropy.figure("entropy", "hardly any exploration is left: raise entropy_weight", |entropy| {
                floor.is_none_or(|floor| entropy >= floor || entropy < 0.0)
            });
        let explained = self.explained.figure(
            "explained variance",
            "values predict nothing: scale rewards, raise value_weight",
            // Returns that hardly differ any more leave nothing to explain.
            |explained| share < 0.2 || explained >= 0.0 || is_solved,
        );
        let usual = self.median_grad_norm();
        let grad_norm = self.grad_norm.map(|value| Figure {
            label: "gradient norm",
            value,
            hint: (value > 20.0 * usual).then_some("unusually large gradient: lower learning_rate"),
        });
        [kl, clipped, entropy, explained, grad_norm].into_iter().flatten().collect()
    }

    /// Returns the usual gradient norm; infinity if few are known.
    fn median_grad_norm(&self) -> f64 {
        let mut norms: Vec<f64> = self.grad_norms.iter().copied().collect();
        norms.sort_by(f64::total_cmp);
        if norms.len() < 5 { f64::INFINITY } else { norms[norms.len() / 2] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stats(explained_variance: Option<f64>, losses: &[(&str, f64)]) -> UpdateStats {
        let losses: BTreeMap<String, f64> = losses.iter().map(|&(name, value)| (name.to_owned(), value)).collect();
        let line = serde_json::json!({
            "update": 1, "env_steps": 1, "episodes": 0, "episode_return_mean": null, "episode_length_mean": null,
            "learning_rate": 1.0, "epochs": 1, "explained_variance": explained_variance, "elapsed_seconds": 1.0,
            "steps_per_second": 1.0,
        });
        UpdateStats { losses, ..serde_json::from_value(line).unwrap() }
    }

    /// Returns the labels of the figures that have a hint after ten such updates.
    fn unhealthy(explained_variance: Option<f64>, losses: &[(&str, f64)], share: f64) -> Vec<&'static str> {
        let mut health = Health::default();
        (0..10).for_each(|_| health.push(&stats(explained_variance, losses)));
        let figures = health.figures(share, false);
        figures.into_iter().filter(|figure| figure.hint.is_some()).map(|figure| figure.label).collect()
    }

    #[test]
    fn each_figure_is_marked_beyond_its_range_only() {
        let healthy = [("approx_kl", 0.049), ("clip_fraction", 0.39), ("entropy", 0.6), ("grad_norm", 3.0)];
        assert!(unhealthy(Some(0.0), &healthy, 1.0).is_empty());
        assert_eq!(unhealthy(None, &[("approx_kl", 0.051)], 0.0), ["KL"]);
        assert_eq!(unhealthy(None, &[("kl", 0.051)], 0.0), ["KL"]);
        assert_eq!(unhealthy(None, &[("clip_fraction", 0.41)], 0.0), ["clip fraction"]);
        assert_eq!(unhealthy(Some(-0.1), &[], 0.2), ["explained variance"]);
        assert!(unhealthy(Some(-0.1), &[], 0.1).is_empty(), "values have not been learnt yet");
    }

    #[test]
    fn entropy_may_fall_once_the_task_is_solved_and_below_zero() {
        let mut health = Health::default();
        health.push(&stats(None, &[("entropy", 1.0)]));
        (0..30).for_each(|_| health.push(&stats(None, &[("entropy", 0.01)])));
        assert!(health.figures(0.5, false)[0].hint.is_some());
        assert!(health.figures(0.5, true)[0].hint.is_none());
        (0..30).for_each(|_| health.push(&stats(None, &[("entropy", -1.0)])));
        assert!(health.figures(0.5, false)[0].hint.is_none());
    }

    #[test]
    fn one_unusual_update_is_reported_for_gradients_only() {
        let mut health = Health::default();
        let usual = [("approx_kl", 0.01), ("grad_norm", 1.0)];
        (0..10).for_each(|_| health.push(&stats(None, &usual)));
        health.push(&stats(None, &[("approx_kl", 0.1), ("grad_norm", 21.0)]));
        let hints = health.figures(0.5, false).into_iter().map(|figure| (figure.label, figure.hint.is_some()));
        assert_eq!(hints.collect::<Vec<_>>(), [("KL", false), ("gradient norm", true)]);
    }
}
