//! Curves as a chart, and in the terminal.

use burn_pg::statistics::{Bootstrap, Scores, Statistic};
use console::Term;

use super::{RETURN, X, read::EVALUATION};
use crate::{
    chart::{Axis, Band, Chart, Line, Panel, Reference, Stroke, blocks, short_numbers::short},
    curves::{Curve, unit_of_time},
    runs::Run,
};

/// Resamples of an interval: enough for a line on a chart.
const RESAMPLES: usize = 2000;
/// Rows of a curve in the terminal: alone, and among several.
const ROWS: [usize; 2] = [12, 6];
/// Columns of a curve in the terminal at most, and if there is no terminal.
const COLUMNS: [usize; 2] = [120, 80];

/// Returns the ends of the 95 % interval of the mean over runs.
pub fn interval(values: &[f64]) -> [f64; 2] {
    let scores = Scores::new(vec![values.to_vec()]).expect("points have finite numbers");
    let bootstrap = Bootstrap { resamples: RESAMPLES, ..Bootstrap::default() };
    let interval = bootstrap.interval(&[&scores], |resampled| Statistic::Mean.of(&resampled[0]));
    [interval.low, interval.high]
}

/// Curves, ready to be shown.
pub struct Drawn {
    pub chart: Chart,
    groups: Vec<String>,
}

impl Drawn {
    /// Draws the curves of the runs, which are of one environment.
    pub fn of(runs: &[Run], curves: &[Curve], x: X, y: &str) -> Self {
        let (unit, size) = match x {
            X::Steps => ("environment steps", 1.0),
            X::Time => unit_of_time(curves.iter().map(|curve| curve.longest).fold(0.0, f64::max)),
        };
        let of_each = |curve: &Curve| match curve.runs {
            1 => curve.group.clone(),
            several => format!("{} ({several} runs)", curve.group),
        };
        let groups: Vec<String> = curves.iter().map(of_each).collect();
        let lines = curves.iter().enumerate().map(|(colour, curve)| {
            let points = curve.points.iter().map(|point| [point.x / size, point.mean]).collect();
            Line { colour, stroke: Stroke::Bold, points }
        });
        let bands = curves.iter().enumerate().filter(|(_, curve)| curve.runs > 1).map(|(colour, curve)| {
            let points =
                curve.points.iter().filter_map(|point| point.interval.map(|[low, high]| [point.x / size, low, high]));
            Band { colour, points: points.collect() }
        });
        let bands: Vec<Band> = bands.collect();
        let (task, algo) = (runs[0].task(), runs[0].algo());
        let same = runs.iter().all(|run| run.algo() == algo);
        let title = algo.filter(|_| same).map_or_else(|| task.to_owned(), |algo| format!("{task}, {algo}"));
        let is_return = y == RETURN || y == EVALUATION;
        let threshold = runs[0].spec().and_then(|spec| spec.reward_threshold).filter(|_| is_return);
        let references = threshold.map(|y| Reference { y, label: format!("solved: {}", short(y)) });
        let chart = Chart {
            title,
            x: Axis { name: unit.into(), of_roots: false },
            legend: if groups.len() > 1 || curves[0].runs > 1 { groups.clone() } else { Vec::new() },
            bands: (!bands.is_empty()).then(|| "95 % interval of the mean".into()),
            patterns: curves.len() > 1,
            panels: vec![Panel {
                y: title_of(y),
                lines: lines.collect(),
                bands,
                references: references.into_iter().collect(),
            }],
            ..Chart::default()
        };
        Self { chart, groups }
    }

    /// Returns the curves as rows of text, one below the other.
    pub fn terminal(&self) -> Vec<String> {
        let columns = Term::stdout().size_checked().map_or(COLUMNS[1], |(_, columns)| usize::from(columns));
        let width = columns.saturating_sub(1).clamp(20, COLUMNS[0]);
        let panel = &self.chart.panels[0];
        let height = if self.groups.len() == 1 { ROWS[0] } else { ROWS[1] };
        let mut rows = vec![format!("{}: {}", self.chart.title, panel.y)];
        let all = panel.lines.iter().flat_map(|line| &line.points).map(|point| point[1]);
        let common = all.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], y| [low.min(y), high.max(y)]);
        for (group, line) in self.groups.iter().zip(&panel.lines) {
            let (values, ends) = evenly(&line.points);
            let [from, to] = ends.map(short);
            rows.push(String::new());
            rows.push(format!("{group}, last {}", short(values.last().copied().unwrap_or(f64::NAN))));
            rows.extend(blocks::curve(
                &values,
                [&from, &format!("{to} {}", self.chart.x.name)],
                width,
                height,
                Some(common),
            ));
        }
        rows
    }
}

/// Returns the values at evenly spaced places, and the first and the last place.
fn evenly(points: &[[f64; 2]]) -> (Vec<f64>, [f64; 2]) {
    let ends = [points[0][0], points[points.len() - 1][0]];
    let count = 4 * COLUMNS[0];
    let place = |index: usize| ends[0] + (ends[1] - ends[0]) * index as f64 / (count - 1) as f64;
    let value = |x: f64| points[points.partition_point(|point| point[0] < x).min(points.len() - 1)][1];
    ((0..count).map(|index| value(place(index))).collect(), ends)
}

/// Returns the title of the vertical axis.
fn title_of(y: &str) -> String {
    match y {
        RETURN => "mean return of the last 100 episodes".into(),
        EVALUATION => "mean return in evaluations".into(),
        other => other.replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_at_evenly_spaced_places() {
        let (values, ends) = evenly(&[[0.0, 1.0], [1.0, 2.0], [10.0, 3.0]]);
        assert_eq!(ends, [0.0, 10.0]);
        assert_eq!((values[0], values[values.len() - 1]), (1.0, 3.0));
        // Most of the axis belongs to the last point.
        assert_eq!(values.iter().filter(|value| **value == 3.0).count(), values.len() * 9 / 10);
        assert_eq!(evenly(&[[5.0, 7.0]]).0[0], 7.0);
    }

    #[test]
    fn the_interval_of_equal_runs_is_a_point() {
        assert_eq!(interval(&[3.0, 3.0, 3.0]), [3.0, 3.0]);
        assert_eq!(interval(&[0.0, 10.0]), [0.0, 10.0]);
    }
}
