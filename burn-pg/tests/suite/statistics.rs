//! Statistics of scores, compared with those of `rliable`.

use burn_pg::statistics::{Bootstrap, Scores, ScoresError, Statistic, probability_of_improvement};
use serde::Deserialize;

use crate::golden::golden;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    scores_x_runs_by_tasks: Vec<Vec<f64>>,
    scores_y_runs_by_tasks: Vec<Vec<f64>>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    median_of_task_means: f64,
    iqm: f64,
    mean: f64,
    optimality_gap: f64,
    probability_x_improves_on_y: f64,
    bootstrap95_low: [f64; 4],
    bootstrap95_high: [f64; 4],
}

/// Returns scores from those of each run in all tasks.
fn by_task(runs: &[Vec<f64>]) -> Scores {
    Scores::new((0..runs[0].len()).map(|task| runs.iter().map(|run| run[task]).collect()).collect()).unwrap()
}

#[test]
fn statistics_and_intervals_are_those_of_rliable() {
    let file: File = golden("stats/rliable.json");
    assert!(file.cases.len() >= 5);
    for Case { name, scores_x_runs_by_tasks, scores_y_runs_by_tasks, expected } in file.cases {
        let [x, y] = [&scores_x_runs_by_tasks, &scores_y_runs_by_tasks].map(|runs| by_task(runs));
        let close = |found: f64, expected: f64, what: &str| {
            assert!((found - expected).abs() < 1e-12, "{name} {what}: {found} {expected}");
        };
        close(probability_of_improvement(&x, &y), expected.probability_x_improves_on_y, "probability");
        let statistics = [
            (Statistic::Median, expected.median_of_task_means),
            (Statistic::InterquartileMean, expected.iqm),
            (Statistic::Mean, expected.mean),
            (Statistic::OptimalityGap { target: 1.0 }, expected.optimality_gap),
        ];
        let ends = expected.bootstrap95_low.into_iter().zip(expected.bootstrap95_high);
        for ((statistic, value), (low, high)) in statistics.into_iter().zip(ends) {
            close(statistic.of(&x), value, &format!("{statistic:?}"));
            // More draws than in the recording, so that nearly all of the difference is chance in the latter: at 20,000 draws an end has a
            // standard error of half a percent of the interval.
            let bootstrap = Bootstrap { resamples: 100_000, ..Bootstrap::default() };
            let found = bootstrap.interval(&[&x], |drawn| statistic.of(&drawn[0]));
            let tolerance = 0.02 * (high - low) + 1e-9;
            assert!((found.low - low).abs() < tolerance, "{name} {statistic:?}: {} {low}", found.low);
            assert!((found.high - high).abs() < tolerance, "{name} {statistic:?}: {} {high}", found.high);
        }
    }
}

#[test]
fn several_scores_are_resampled_independently() {
    let [x, y] = [[1.0, 2.0, 3.0], [1.5, 2.5, 3.5]].map(|runs| Scores::new(vec![runs.to_vec()]).unwrap());
    let both = |drawn: &[burn_pg::statistics::Scores]| probability_of_improvement(&drawn[0], &drawn[1]);
    let bootstrap = Bootstrap::default();
    let interval = bootstrap.interval(&[&x, &y], both);
    assert!((0.0..0.2).contains(&interval.low) && interval.high > 0.5, "{interval:?}");
    assert_eq!(bootstrap.interval(&[&x, &y], both), interval);
    assert!((probability_of_improvement(&x, &y) - 3.0 / 9.0).abs() < 1e-12);
    // Resamples of one set against itself would never be better or worse.
    assert!(bootstrap.interval(&[&x, &x], both).high > 0.9);
}

#[test]
fn scores_that_say_nothing_are_refused() {
    let refused = |tasks: Vec<Vec<f64>>| Scores::new(tasks).unwrap_err();
    assert_eq!(refused(vec![]), ScoresError::NoTasks);
    assert_eq!(refused(vec![vec![1.0], vec![]]), ScoresError::NoRuns { task: 1 });
    let message = refused(vec![vec![1.0, f64::INFINITY]]).to_string();
    assert!(message.starts_with("the score of run 1 in task 0 is inf; scores must be finite"), "{message}");
}
