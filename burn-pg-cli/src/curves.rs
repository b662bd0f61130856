//! Learning curves of groups of runs: means over runs, with intervals.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

/// Points of a curve at most.
const GRID: usize = 200;
/// Settings in which the runs of a group may differ.
const CHANCE: [&str; 3] = ["seed", "device", "threads"];
/// Settings that are named by their value alone, and come first.
const PLAIN: [&str; 2] = ["env", "algo"];

/// The points of a run.
pub struct Run {
    pub group: String,
    /// Points (x, y) with finite numbers; x does not decrease.
    pub points: Vec<[f64; 2]>,
}

/// The curve of a group of runs.
#[derive(Debug, PartialEq)]
pub struct Curve {
    pub group: String,
    /// How many runs there are.
    pub runs: usize,
    /// The points, over the range that all runs of the group cover.
    pub points: Vec<Point>,
    /// Where the longest run ends. It is beyond the last point if another run is shorter.
    pub longest: f64,
}

/// A point of a curve.
#[derive(Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub mean: f64,
    /// The interval of the mean; none for a single run.
    pub interval: Option<[f64; 2]>,
}

/// Returns the curve of each group, in the order in which the groups first occur.
///
/// `interval` returns the ends of an interval of the mean, given the values of all runs at one point. If it resamples runs, it should use the same seed
/// at each point. It then draws the same runs at each point, and the ends are curves as smooth as the runs.
///
/// A curve covers the range that all runs of its group cover, because the mean would jump where a run ends. If all runs have the same points in that
/// range, and at most 200, the curve has them too. Otherwise its points are evenly spaced, with runs interpolated linearly; there are as many as the
/// run with the most points has, but at most 200.
///
/// # Errors
/// If a run has no points, or the runs of a group have no range in common.
pub fn curves(runs: &[Run], interval: impl Fn(&[f64]) -> [f64; 2]) -> Result<Vec<Curve>> {
    let mut groups: Vec<(&str, Vec<&[[f64; 2]]>)> = Vec::new();
    for run in runs {
        match groups.iter_mut().find(|(group, _)| *group == run.group) {
            Some((_, members)) => members.push(&run.points),
            None => groups.push((&run.group, vec![&run.points])),
        }
    }
    groups.into_iter().map(|(group, runs)| curve(group, &runs, &interval)).collect()
}

fn curve(group: &str, runs: &[&[[f64; 2]]], interval: &impl Fn(&[f64]) -> [f64; 2]) -> Result<Curve> {
    let mut common = [f64::NEG_INFINITY, f64::INFINITY];
    let mut longest = f64::NEG_INFINITY;
    for run in runs {
        let (Some(&[first, _]), Some(&[last, _])) = (run.first(), run.last()) else {
            bail!("a run of `{group}` has no points");
        };
        common = [common[0].max(first), common[1].min(last)];
        longest = longest.max(last);
    }
    let [from, to] = common;
    if from > to {
        bail!("the runs of `{group}` have no range in common: one ends at {to}, another starts at {from}");
    }
    let point = |x: f64| {
        let values: Vec<f64> = runs.iter().map(|run| value_at(run, x)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Point { x, mean, interval: (values.len() > 1).then(|| interval(&values)) }
    };
    let points = grid(runs, common).into_iter().map(point).collect();
    Ok(Curve { group: group.to_owned(), runs: runs.len(), points, longest })
}

/// Returns where the points of a curve are.
fn grid(runs: &[&[[f64; 2]]], [from, to]: [f64; 2]) -> Vec<f64> {
    if from == to {
        return vec![from];
    }
    let within = |run: &[[f64; 2]]| -> Vec<f64> {
        let mut places: Vec<f64> = run.iter().map(|[x, _]| *x).filter(|x| (from..=to).contains(x)).collect();
        places.dedup();
        places
    };
    let places: Vec<Vec<f64>> = runs.iter().map(|run| within(run)).collect();
    let most = places.iter().map(Vec::len).max().unwrap_or(0);
    if most <= GRID && places.iter().all(|of_run| *of_run == places[0]) {
        return places.into_iter().next().unwrap_or_default();
    }
    let count = most.clamp(2, GRID);
    let share = |at: usize| at as f64 / (count - 1) as f64;
    (0..count).map(|at| from * (1.0 - share(at)) + to * share(at)).collect()
}

/// Returns the value of a run at a place, by linear interpolation; outside its points, the value of the nearest one.
fn value_at(run: &[[f64; 2]], x: f64) -> f64 {
    let after = run.partition_point(|[place, _]| *place <= x);
    match (after.checked_sub(1).map(|before| run[before]), run.get(after)) {
        (Some([x0, y0]), Some([x1, y1])) => y0 + (x - x0) / (x1 - x0) * (y1 - y0),
        (Some([_, y]), None) | (None, Some(&[_, y])) => y,
        (None, None) => f64::NAN,
    }
}

/// Returns a label for each run, from its settings. Runs with the same label are a group.
///
/// A label has the settings in which the runs differ, except seeds, devices and threads: `gamma 0.98`, or `ppo, gamma 0.98`. It leaves out those that
/// are the same in all runs of an environment and an algorithm, such as different defaults of two algorithms. If the runs differ in nothing else,
/// the label is the environment and the algorithm. Names of settings may have parts, separated by dots. A label has the last part only, unless
/// two settings share it.
pub fn labels(settings: &[BTreeMap<String, String>]) -> Vec<String> {
    let names: BTreeSet<&str> = settings.iter().flat_map(|of_run| of_run.keys()).map(String::as_str).collect();
    let value = |run: usize, name: &str| settings[run].get(name).map(String::as_str);
    let runs = 0..settings.len();
    let kind = |run: usize| PLAIN.map(|name| value(run, name));
    let differ = |name: &str| runs.clone().any(|run| value(run, name) != value(0, name));
    // Also within an environment and an algorithm.
    let differ_within = |name: &str| {
        runs.clone().any(|run| (0..run).any(|other| kind(run) == kind(other) && value(run, name) != value(other, name)))
    };
    let plain: Vec<&str> = PLAIN.into_iter().filter(|name| differ(name)).collect();
    let others: Vec<&str> = names
        .into_iter()
        .filter(|name| !PLAIN.contains(name) && !CHANCE.contains(&last_part(name)) && differ_within(name))
        .collect();
    let title = |name: &str| {
        let is_clear = others.iter().filter(|other| last_part(other) == last_part(name)).count() == 1;
        if is_clear { last_part(name).replace('_', " ") } else { name.replace(['_', '.'], " ") }
    };
    let label = |run: usize| {
        let mut parts: Vec<String> = plain.iter().filter_map(|name| value(run, name).map(str::to_owned)).collect();
        for name in &others {
            match value(run, name) {
                Some(value) => parts.push(format!("{} {value}", title(name))),
                // Beside the name of an algorithm it is clear that what is not there is not part of it.
                None if plain.is_empty() => parts.push(format!("no {}", title(name))),
                None => {}
            }
        }
        if parts.is_empty() {
            parts = vec![kind(run).into_iter().flatten().collect::<Vec<_>>().join(" ")];
        }
        if parts[0].is_empty() { "all runs".into() } else { parts.join(", ") }
    };
    runs.clone().map(label).collect()
}

fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Returns the unit for times up to this many seconds: its name, and how many seconds it has.
pub fn unit_of_time(seconds: f64) -> (&'static str, f64) {
    match seconds {
        _ if seconds < 300.0 => ("seconds", 1.0),
        _ if seconds < 2.0 * 3600.0 => ("minutes", 60.0),
        _ => ("hours", 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(group: &str, points: &[[f64; 2]]) -> Run {
        Run { group: group.into(), points: points.to_vec() }
    }

    /// Stands for an interval: the least and the largest value.
    fn extremes(values: &[f64]) -> [f64; 2] {
        values.iter().fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)])
    }

    fn points(curve: &Curve) -> Vec<[f64; 2]> {
        curve.points.iter().map(|point| [point.x, point.mean]).collect()
    }

    #[test]
    fn runs_with_the_same_points_are_averaged_there() {
        let runs = [
            run("a", &[[0.0, 1.0], [1.0, 3.0], [5.0, 2.0]]),
            run("b", &[[0.0, 7.0]]),
            run("a", &[[0.0, 3.0], [1.0, 6.0], [5.0, 4.0]]),
        ];
        let curves = curves(&runs, extremes).unwrap();
        let [a, b] = &curves[..] else { panic!("{curves:?}") };
        assert_eq!((a.group.as_str(), a.runs, b.group.as_str(), b.runs), ("a", 2, "b", 1));
        assert_eq!(points(a), [[0.0, 2.0], [1.0, 4.5], [5.0, 3.0]]);
        assert_eq!(a.points[1].interval, Some([3.0, 6.0]));
        // A single run has no interval.
        assert_eq!(b.points, [Point { x: 0.0, mean: 7.0, interval: None }]);
    }

    #[test]
    fn other_points_are_interpolated_over_the_range_in_common() {
        // In common: 2 to 8, where the second run has the points 2, 5 and 8.
        let runs = [run("a", &[[0.0, 0.0], [10.0, 20.0]]), run("a", &[[2.0, 1.0], [5.0, 1.0], [8.0, 4.0]])];
        let [curve] = &curves(&runs, extremes).unwrap()[..] else { panic!() };
        // The first has 4, 10 and 16 there, the second 1, 1 and 4.
        assert_eq!(points(curve), [[2.0, 2.5], [5.0, 5.5], [8.0, 10.0]]);
        assert_eq!(curve.points[2].interval, Some([4.0, 16.0]));
        assert_eq!(curve.longest, 10.0);
    }

    #[test]
    fn long_runs_have_200_points() {
        let line: Vec<[f64; 2]> = (0..=1000).map(|x| [f64::from(x), 2.0 * f64::from(x)]).collect();
        let [curve] = &curves(&[run("a", &line)], extremes).unwrap()[..] else { panic!() };
        assert_eq!(curve.points.len(), 200);
        assert_eq!((curve.points[0].x, curve.points[199].x), (0.0, 1000.0));
        assert!(curve.points.iter().all(|point| (point.mean - 2.0 * point.x).abs() < 1e-9));
    }

    #[test]
    fn the_later_of_two_points_at_the_same_place_counts() {
        let points = [[0.0, 1.0], [1.0, 2.0], [1.0, 4.0], [2.0, 6.0]];
        assert_eq!([0.0, 0.5, 1.0, 1.5, 3.0].map(|x| value_at(&points, x)), [1.0, 1.5, 4.0, 5.0, 6.0]);
    }

    #[test]
    fn runs_without_points_or_a_common_range_are_refused() {
        let error = curves(&[run("ppo", &[])], extremes).unwrap_err().to_string();
        assert_eq!(error, "a run of `ppo` has no points");
        let runs = [run("ppo", &[[0.0, 1.0], [10.0, 1.0]]), run("ppo", &[[20.0, 1.0], [30.0, 1.0]])];
        let error = curves(&runs, extremes).unwrap_err().to_string();
        assert_eq!(error, "the runs of `ppo` have no range in common: one ends at 10, another starts at 20");
    }

    fn labels_of(runs: &[&[(&str, &str)]]) -> Vec<String> {
        let map = |run: &&[(&str, &str)]| run.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        labels(&runs.iter().map(map).collect::<Vec<_>>())
    }

    #[test]
    fn labels_have_what_differs_between_runs() {
        let base = [("env", "CartPole-v1"), ("algo", "ppo")];
        let with = |more: &[(&'static str, &'static str)]| [&base, more].concat();
        assert_eq!(
            labels_of(&[&with(&[("gamma", "0.98"), ("seed", "1")]), &with(&[("gamma", "0.99"), ("seed", "2")])]),
            ["gamma 0.98", "gamma 0.99"]
        );
        assert_eq!(
            labels_of(&[
                &with(&[("ppo.learning_rate", "0.001"), ("gamma", "0.9")]),
                &with(&[("ppo.learning_rate", "0.003"), ("gamma", "1")]),
            ]),
            ["gamma 0.9, learning rate 0.001", "gamma 1, learning rate 0.003"]
        );
        // Twice the same last part.
        assert_eq!(
            labels_of(&[
                &with(&[("actor.lr", "1"), ("critic.lr", "1")]),
                &with(&[("actor.lr", "2"), ("critic.lr", "3")])
            ]),
            ["actor lr 1, critic lr 1", "actor lr 2, critic lr 3"]
        );
        assert_eq!(labels_of(&[&with(&[]), &with(&[("target_kl", "0.02")])]), ["no target kl", "target kl 0.02"]);
    }

    #[test]
    fn seeds_devices_and_threads_do_not_part_runs() {
        let run = |seed, device| [("env", "CartPole-v1"), ("algo", "ppo"), ("run.seed", seed), ("device", device)];
        assert_eq!(labels_of(&[&run("1", "flex"), &run("2", "cuda")]), ["CartPole-v1 ppo", "CartPole-v1 ppo"]);
        assert_eq!(labels_of(&[&[("seed", "1")]]), ["all runs"]);
        assert!(labels_of(&[]).is_empty());
    }

    #[test]
    fn algorithms_are_named_without_the_settings_that_come_with_them() {
        let ppo = [("env", "CartPole-v1"), ("algo", "ppo"), ("clip", "0.2"), ("lr", "0.0003")];
        let a2c = [("env", "CartPole-v1"), ("algo", "a2c"), ("lr", "0.0007")];
        assert_eq!(labels_of(&[&ppo, &a2c]), ["ppo", "a2c"]);
        let wide = [("env", "CartPole-v1"), ("algo", "ppo"), ("clip", "0.3"), ("lr", "0.0003")];
        assert_eq!(labels_of(&[&ppo, &a2c, &wide]), ["ppo, clip 0.2", "a2c", "ppo, clip 0.3"]);
        let other = [("env", "Acrobot-v1"), ("algo", "a2c"), ("lr", "0.0007")];
        assert_eq!(labels_of(&[&ppo, &other]), ["CartPole-v1, ppo", "Acrobot-v1, a2c"]);
    }

    #[test]
    fn times_have_units_that_suit_them() {
        assert_eq!([60.0, 600.0, 86_400.0].map(unit_of_time), [("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0)]);
    }
}
