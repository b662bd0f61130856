//! Runs that differ only in their seed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn_pg::run::directory::read_metrics;
use burn_pg_lm::{
    curve::{Fit, Form, Point, best_of, fall, kl_of_best, windows},
    task::{Settings, Task, Train, settings::RewardSpec},
};
use serde::Serialize;

use super::CLEARLY;
use crate::{
    commands::lm::{host, settings::of_run},
    failure::Failure,
};

/// Points of a curve, if nothing else is said.
const POINTS: usize = 20;

/// A run, with what it measured.
pub struct Run {
    pub path: PathBuf,
    pub settings: Settings,
    /// The index of the gold standard among the rewards.
    gold: usize,
    pub updates: Vec<Point>,
    /// Updates that are one point.
    pub window: usize,
    pub points: Vec<Point>,
}

/// Runs that differ only in their seed.
#[derive(Serialize)]
pub struct Group {
    pub name: String,
    #[serde(skip)]
    pub runs: Vec<Run>,
    /// Means over the runs.
    pub points: Vec<Point>,
    /// The curve of the gold standard, above that of the model before training.
    pub fit: Option<Fit>,
    /// The best of 1, 2, 4 and so on.
    pub best_of: Vec<Best>,
    pub best_of_fit: Option<Fit>,
}

/// The best of several completions by the proxy.
#[derive(Clone, Copy, Serialize)]
pub struct Best {
    /// Of how many.
    pub of: usize,
    #[serde(flatten)]
    pub point: Point,
}

impl Run {
    /// Reads a run.
    pub fn read(path: &Path, gold: Option<&str>, window: Option<usize>) -> Result<Self> {
        let what = || path.display().to_string();
        let settings = of_run(path)?;
        let Task::Rl(task) = &settings.task else {
            bail!("{} is a run of `lm {}`; expected one of `lm rl`", what(), settings.task.kind())
        };
        let gold = gold_standard(&task.rewards, gold).with_context(what)?;
        let metric = format!("reward_{}", task.rewards[gold].name());
        let updates = read_metrics(&path.join("metrics.jsonl"))?;
        let updates: Option<Vec<Point>> = updates
            .iter()
            .map(|stats| {
                let measured = |name: &str| stats.losses.get(name).copied();
                Some(Point {
                    kl: measured("kl_exact").or_else(|| measured("kl_per_text"))?,
                    proxy: measured("score")?,
                    gold: measured(&metric)?,
                })
            })
            .collect();
        let updates = updates.with_context(|| {
            format!("{} did not measure its KL divergence; train it with --set kl.measure=true", what())
        })?;
        if updates.is_empty() {
            bail!("{} has no updates", what());
        }
        let window = window.unwrap_or(updates.len().div_ceil(POINTS));
        Ok(Self { path: path.into(), points: windows(&updates, window), settings, gold, updates, window })
    }

    /// True if the gold standard has clearly fallen from its highest point, while the proxy has risen.
    pub fn is_over_optimised(&self) -> bool {
        let [lost, error] = fall(&self.updates, self.window);
        lost > CLEARLY * error && self.last().proxy > self.highest().proxy
    }

    /// Returns the point with the highest gold score.
    pub fn highest(&self) -> Point {
        *self.points.iter().max_by(|a, b| a.gold.total_cmp(&b.gold)).expect("a run has points")
    }

    pub fn last(&self) -> Point {
        *self.points.last().expect("a run has points")
    }

    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    /// Returns the settings with the seed of another run.
    fn with_seed_of(&self, other: &Self) -> Settings {
        let train = Train { seed: other.settings.train.seed, ..self.settings.train.clone() };
        Settings { train, ..self.settings.clone() }
    }
}

/// Returns the index of the gold standard.
fn gold_standard(rewards: &[RewardSpec], wanted: Option<&str>) -> Result<usize> {
    let mut found = rewards.iter().enumerate().filter(|(_, reward)| match wanted {
        Some(wanted) => reward.name() == wanted,
        None => reward.weight == 0.0,
    });
    let first = found.next();
    match (first, found.next(), wanted) {
        (Some((index, _)), None, _) => Ok(index),
        (None, _, Some(wanted)) => {
            bail!(
                "there is no reward `{wanted}`; there are {}",
                rewards.iter().map(RewardSpec::name).collect::<Vec<_>>().join(", ")
            )
        }
        (None, ..) => bail!(
            "no reward has weight 0, so there is no gold standard; add one to the settings of the run ([[task.rewards]]), or name a \
             reward with --gold"
        ),
        _ => bail!("several rewards have weight 0 or this name; name the gold standard with --gold"),
    }
}

impl Group {
    /// Puts runs that differ only in their seed together.
    pub fn all(runs: Vec<Run>) -> Vec<Self> {
        let mut groups: Vec<Vec<Run>> = Vec::new();
        for run in runs {
            match groups.iter_mut().find(|group| run.with_seed_of(&group[0]) == group[0].settings) {
                Some(group) => group.push(run),
                None => groups.push(vec![run]),
            }
        }
        groups.into_iter().map(Self::of).collect()
    }

    fn of(mut runs: Vec<Run>) -> Self {
        // A point stands for the same updates of each run.
        let window = runs.iter().map(|run| run.window).max().expect("a group has runs");
        for run in &mut runs {
            (run.window, run.points) = (window, windows(&run.updates, window));
        }
        let count = runs.iter().map(|run| run.points.len()).min().expect("a group has runs");
        let mean = |i: usize| Point::mean(&runs.iter().map(|run| run.points[i]).collect::<Vec<_>>());
        let points: Vec<Point> = (0..count).map(mean).collect();
        let first = Point::mean(&runs.iter().map(|run| run.updates[0]).collect::<Vec<_>>());
        let fit = fitted(Form::Reinforcement, &points, first.gold);
        Self { name: common_name(&runs), points, fit, best_of: Vec::new(), best_of_fit: None, runs }
    }

    /// Adds what the best of several completions of the model before training is worth.
    pub fn write_best_of(&mut self, count: usize, prompts: usize) -> Result<(), Failure> {
        let run = &self.runs[0];
        let device = host().map_err(Failure::refused)?;
        let written = run.settings.untrained(prompts, count, &device).map_err(Failure::of)?;
        let texts: Vec<Vec<[f64; 2]>> = written
            .iter()
            .map(|written| written.scores.iter().copied().zip(written.rewards[run.gold].iter().copied()))
            .map(|texts| {
                texts.map(|(proxy, gold)| [proxy, gold]).filter(|text| text.iter().all(|score| score.is_finite()))
            })
            .map(Iterator::collect)
            .collect();
        let of = |n: usize| {
            let enough = texts.iter().filter(|texts| texts.len() >= n).map(|texts| best_of(n, texts));
            let points = enough.map(|[proxy, gold]| Point { kl: kl_of_best(n), proxy, gold });
            let points: Vec<Point> = points.collect();
            (!points.is_empty()).then(|| Best { of: n, point: Point::mean(&points) })
        };
        let powers = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n <= count);
        self.best_of = powers.filter_map(of).collect();
        if let Some(start) = self.best_of.first().map(|best| best.point.gold) {
            let points: Vec<Point> = self.best_of.iter().map(|best| best.point).collect();
            self.best_of_fit = fitted(Form::BestOf, &points, start);
        }
        Ok(())
    }
}

fn fitted(form: Form, points: &[Point], start: f64) -> Option<Fit> {
    let points: Vec<[f64; 2]> = points.iter().map(|point| [point.kl, point.gold - start]).collect();
    form.fit(&points)
}

/// Returns what the names of runs begin with.
fn common_name(runs: &[Run]) -> String {
    let names: Vec<String> = runs.iter().map(Run::name).collect();
    if let [name] = &names[..] {
        return name.clone();
    }
    let first = &names[0];
    let is_common = |prefix: &str| names.iter().all(|name| name.starts_with(prefix));
    let length = (0..=first.len()).filter(|&n| first.is_char_boundary(n)).rfind(|&n| is_common(&first[..n]));
    let name = first[..length.unwrap_or(0)].trim_end_matches(['-', '_', '.', ' ']);
    if name.is_empty() { first.clone() } else { name.to_owned() }
}
