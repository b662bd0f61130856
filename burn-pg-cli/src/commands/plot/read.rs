//! The points of runs.

use anyhow::{Result, bail};
use burn_pg::{UpdateStats, envs::UnknownName};

use super::{RETURN, X};
use crate::{
    curves::{self, labels},
    runs::{Run, check_same_task},
    tell::tell,
};

/// The mean return of the evaluations of checkpoints.
pub const EVALUATION: &str = "evaluation";
/// Metrics that an update always has as a field, besides its losses.
const FIELDS: [&str; 5] = [RETURN, "episode_length_mean", "learning_rate", "explained_variance", "steps_per_second"];

/// Returns the points of each run, in its group.
pub fn lines(runs: &[Run], x: X, y: &str) -> Result<Vec<curves::Run>> {
    check_same_task(runs)?;
    runs.iter().try_for_each(Run::check_metrics)?;
    let settings: Vec<_> = runs.iter().map(|run| run.settings.clone()).collect();
    let groups = labels(&settings);
    warn_of_equal_runs(runs, &groups);
    runs.iter().zip(groups).map(|(run, group)| Ok(curves::Run { group, points: points(run, x, y)? })).collect()
}

/// Warns if two runs of a group have the same seed: they are the same run, and the interval is too narrow.
fn warn_of_equal_runs(runs: &[Run], groups: &[String]) {
    let all: Vec<_> =
        runs.iter().zip(groups).map(|(run, group)| (group, run.config.run.seed, run.path.display())).collect();
    for (index, (group, seed, path)) in all.iter().enumerate() {
        if let Some((.., earlier)) = all[..index].iter().find(|(of, with, _)| (of, with) == (group, seed)) {
            tell(format_args!("warning: {earlier} and {path} have the same settings and seed, and count as two runs"));
        }
    }
}

fn points(run: &Run, x: X, y: &str) -> Result<Vec<[f64; 2]>> {
    let path = run.path.display();
    if y == EVALUATION {
        if x == X::Time {
            bail!("--x time: evaluations have no time of their own; leave it out");
        }
        let points = run.evaluations.iter().map(|evaluated| [evaluated.env_steps as f64, evaluated.return_mean]);
        let points: Vec<_> = points.collect();
        if points.is_empty() {
            bail!("{path} has no evaluations: its checkpoints were not evaluated (`checkpoint.episodes`)");
        }
        return Ok(points);
    }
    let known: Vec<String> = FIELDS.into_iter().map(str::to_owned).chain(names(&run.metrics)).collect();
    if !known.iter().any(|name| name == y) {
        let known = known.into_iter().chain(["return", EVALUATION].map(str::to_owned));
        bail!("{} (in {path})", UnknownName::new("metric", y, known).nearest_first());
    }
    let place = |stats: &UpdateStats| match x {
        X::Steps => stats.env_steps as f64,
        X::Time => stats.elapsed_seconds,
    };
    let points = run.metrics.iter().filter_map(|stats| Some([place(stats), value(stats, y)?]));
    let points: Vec<_> = points.filter(|point| point.iter().all(|number| number.is_finite())).collect();
    if points.is_empty() {
        bail!("{path} has no value of {y} yet");
    }
    Ok(points)
}

/// Returns the metrics of the losses and the source, in some update.
fn names(metrics: &[UpdateStats]) -> Vec<String> {
    let mut names: Vec<String> = metrics.iter().flat_map(|stats| stats.losses.keys().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn value(stats: &UpdateStats, name: &str) -> Option<f64> {
    match name {
        RETURN => stats.episode_return_mean,
        "episode_length_mean" => stats.episode_length_mean,
        "learning_rate" => Some(stats.learning_rate),
        "explained_variance" => stats.explained_variance,
        "steps_per_second" => Some(stats.steps_per_second),
        other => stats.losses.get(other).copied(),
    }
}
