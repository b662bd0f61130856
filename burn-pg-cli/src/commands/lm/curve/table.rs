//! Curves as text.

use std::fmt::Write;

use burn_pg_lm::curve::{Fit, Form, fall};

use super::{CLEARLY, group::Group};

/// Returns the curves as a table of runs, and what was fitted to them.
pub fn shown(groups: &[Group]) -> String {
    let runs = || groups.iter().flat_map(|group| &group.runs);
    let width = runs().map(|run| run.name().chars().count()).max().unwrap_or(0).max(3);
    let mut text = format!(
        "{:<width$}  {:>8}  {:>17}  {:>26}  {:>15}\n",
        "run", "KL nats", "proxy", "gold: first, highest, last", "lost"
    );
    for run in runs() {
        let (first, highest, end) = (run.points[0], run.highest(), run.last());
        let [lost, error] = fall(&run.updates, run.window);
        let mark = if run.is_over_optimised() { "  over-optimised" } else { "" };
        let _ = writeln!(
            text,
            "{:<width$}  {:>8.1}  {:>7.2} to {:>6.2}  {:>8.2} {:>8.2} {:>8.2}  {:>7.2} ± {:<5.2}{mark}",
            run.name(),
            end.kl,
            first.proxy,
            end.proxy,
            first.gold,
            highest.gold,
            end.gold,
            lost,
            error,
        );
    }
    let _ = writeln!(
        text,
        "\nthe gold standard fell by more than {CLEARLY} standard errors while the proxy rose in {} of {} runs\n",
        runs().filter(|run| run.is_over_optimised()).count(),
        runs().count(),
    );
    for group in groups {
        let _ = writeln!(text, "{}", group.name);
        let furthest = group.points.iter().map(|point| point.kl).fold(0.0, f64::max);
        line(&mut text, "reinforcement", group.fit.as_ref(), furthest);
        if !group.best_of.is_empty() {
            for best in &group.best_of {
                let (of, point) = (best.of, best.point);
                let _ = writeln!(
                    text,
                    "  best of {of:<5} {:>6.2} nats, proxy {:>6.2}, gold {:>6.2}",
                    point.kl, point.proxy, point.gold
                );
            }
            let furthest = group.best_of.last().map_or(0.0, |best| best.point.kl);
            line(&mut text, "best of n", group.best_of_fit.as_ref(), furthest);
        }
    }
    text
}

/// Adds a line about a fitted curve. `furthest` is the largest KL divergence that was measured.
fn line(text: &mut String, of: &str, fit: Option<&Fit>, furthest: f64) {
    let Some(fit) = fit else {
        let _ = writeln!(text, "  {of}: too few points for a curve");
        return;
    };
    let (distance, sign) = match fit.form {
        Form::BestOf => ("d", if fit.beta < 0.0 { '+' } else { '-' }),
        Form::Reinforcement => ("log d", if fit.beta < 0.0 { '+' } else { '-' }),
    };
    let peak = match fit.peak().filter(|peak| *peak <= furthest) {
        Some(peak) => format!("highest at {peak:.1} nats"),
        None => format!("the curve has no peak up to {furthest:.1} nats"),
    };
    let _ = writeln!(
        text,
        "  {of}: gold rises by d ({:.3} {sign} {:.3} {distance}), d = sqrt(KL); R^2 {:.3}; {peak}",
        fit.alpha,
        fit.beta.abs(),
        fit.r_squared
    );
}
