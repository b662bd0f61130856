//! Curves as a chart.

use burn_pg_lm::curve::Point;

use super::group::Group;
use crate::chart::{Axis, Chart, Line, Panel, Stroke};

/// Returns a chart with a panel for the gold standard and one for the proxy.
pub fn chart(groups: &[Group]) -> Chart {
    let panels = [
        panel(groups, "gold standard", |point| point.gold),
        panel(groups, "proxy, which is optimised", |point| point.proxy),
    ];
    let mut strokes = vec![(Stroke::Bold, "mean over seeds".to_owned()), (Stroke::Faint, "one seed".to_owned())];
    if groups.iter().all(|group| group.runs.len() < 2) {
        strokes.clear();
    }
    if groups.iter().any(|group| !group.best_of.is_empty()) {
        strokes.push((Stroke::Dashed, "best of n, without training".to_owned()));
    }
    Chart {
        title: "What optimising a reward does to what it stands for".into(),
        x: Axis { name: "KL divergence from the model before training, nats a text".into(), of_roots: true },
        panels: panels.into(),
        legend: groups.iter().map(|group| group.name.clone()).collect(),
        strokes,
        ..Chart::default()
    }
}

fn panel(groups: &[Group], y: &str, value: fn(&Point) -> f64) -> Panel {
    let mut lines = Vec::new();
    for (colour, group) in groups.iter().enumerate() {
        let mut add = |stroke, points: &mut dyn Iterator<Item = &Point>| {
            lines.push(Line { colour, stroke, points: points.map(|point| [point.kl, value(point)]).collect() });
        };
        if group.runs.len() > 1 {
            group.runs.iter().for_each(|run| add(Stroke::Faint, &mut run.points.iter()));
        }
        add(Stroke::Dashed, &mut group.best_of.iter().map(|best| &best.point));
        add(Stroke::Bold, &mut group.points.iter());
    }
    Panel { y: y.into(), lines, ..Panel::default() }
}
