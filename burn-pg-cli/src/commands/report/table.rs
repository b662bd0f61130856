//! The tables of a report.

use burn_pg::statistics::{Bootstrap, Scores, Statistic};

use crate::{commands::train::solved::Solved, curves::Curve, runs::Run};

/// The columns of the table of runs.
pub const COLUMNS: [&str; 7] = ["run", "seed", "steps", "seconds", "steps/s", "solved", "evaluation"];

/// Returns the cells of each run.
pub fn rows(runs: &[Run]) -> Vec<[String; 7]> {
    runs.iter().map(row).collect()
}

fn row(run: &Run) -> [String; 7] {
    let last = run.metrics.last();
    let threshold = run.spec().and_then(|spec| spec.reward_threshold);
    let solved = match (threshold, Solved::first(&run.metrics, threshold)) {
        (None, _) => "-".into(),
        (Some(_), None) => "no".into(),
        (Some(_), Some(solved)) => format!("{} steps, {:.2} s", solved.env_steps, solved.seconds),
    };
    let evaluation = match (run.outcome("eval_return_mean"), run.outcome("eval_return_std")) {
        (Some(mean), Some(std)) => format!("{mean:.1} ± {std:.1}"),
        _ => "not ended".into(),
    };
    [
        run.path.display().to_string(),
        run.config.run.seed.to_string(),
        last.map_or_else(String::new, |stats| stats.env_steps.to_string()),
        last.map_or_else(String::new, |stats| format!("{:.1}", stats.elapsed_seconds)),
        last.map_or_else(String::new, |stats| format!("{:.0}", stats.steps_per_second)),
        solved,
        evaluation,
    ]
}

/// The columns of the table of groups.
pub const OF_GROUPS: [&str; 4] = ["group", "runs", "mean of evaluations", "interquartile mean, 95 % interval"];

/// Returns one row for each group of runs; no rows if no group has several runs.
pub fn groups(runs: &[Run], curves: &[Curve]) -> Vec<[String; 4]> {
    if curves.iter().all(|curve| curve.runs < 2) {
        return Vec::new();
    }
    let labels = crate::curves::labels(&runs.iter().map(|run| run.settings.clone()).collect::<Vec<_>>());
    let of_group = |curve: &Curve| {
        let members = || runs.iter().zip(&labels).filter(|(_, label)| **label == curve.group).map(|(run, _)| run);
        let returns: Vec<f64> = members().filter_map(|run| run.outcome("eval_return_mean")).collect();
        let scores = Scores::new(vec![returns.clone()]).ok().filter(|_| returns.len() == curve.runs);
        let (mean, iqm) = match scores {
            None => ("not all runs have ended".into(), String::new()),
            Some(scores) => {
                let statistic = Statistic::InterquartileMean;
                let interval = Bootstrap::default().interval(&[&scores], |resampled| statistic.of(&resampled[0]));
                let middle = statistic.of(&scores);
                let interval = match curve.runs {
                    1 => String::new(),
                    _ => format!(" ({:.1} to {:.1})", interval.low, interval.high),
                };
                (format!("{:.1}", Statistic::Mean.of(&scores)), format!("{middle:.1}{interval}"))
            }
        };
        [curve.group.clone(), curve.runs.to_string(), mean, iqm]
    };
    curves.iter().map(of_group).collect()
}
