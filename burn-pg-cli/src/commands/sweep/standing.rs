//! How the trials of an environment compare.

use std::cmp::Ordering;

use anyhow::Result;
use burn_pg::statistics::{Bootstrap, Interval, Scores, Statistic};
use serde::Serialize;

use super::{
    plan::Trial,
    state::{Outcome, Summary},
};

/// The runs of a trial, summed up.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The number of the trial.
    pub trial: usize,
    pub seeds: Vec<u64>,
    /// The score of each seed. A run that failed has the score of a failure.
    pub scores: Vec<Option<f64>>,
    /// The number of runs that failed.
    pub failed: usize,
    #[serde(flatten)]
    pub summed: Option<Summed>,
    /// The mean over the runs that did not fail.
    pub steps_per_second: Option<f64>,
    /// The mean over the runs that did not fail.
    pub train_seconds: Option<f64>,
    /// The most steps of a run.
    pub env_steps: Option<u64>,
}

/// Statistics of the scores of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summed {
    pub mean: f64,
    pub interquartile_mean: f64,
    /// The ends of the 95 % interval of the interquartile mean; `None` with a single seed.
    pub interval: Option<[f64; 2]>,
    pub worst: f64,
}

impl Summed {
    /// Sums up scores, which must be finite.
    fn of(scores: Vec<f64>) -> Result<Self> {
        let worst = scores.iter().copied().fold(f64::INFINITY, f64::min);
        let has_interval = scores.len() > 1;
        let scores = Scores::new(vec![scores])?;
        let of = |scores: &Scores| Statistic::InterquartileMean.of(scores);
        let interval = has_interval.then(|| {
            let Interval { low, high, .. } = Bootstrap::default().interval(&[&scores], |drawn| of(&drawn[0]));
            [low, high]
        });
        Ok(Self { mean: Statistic::Mean.of(&scores), interquartile_mean: of(&scores), interval, worst })
    }
}

/// Ranks the trials of one environment by the interquartile means of their scores, and equal ones by their means. The score of
/// a failure is the trial's `failure_score`, or else the lowest score of all these runs. If there is none, because all runs
/// failed, the trials keep their order.
pub fn rank(trials: &[(&Trial, Vec<(u64, Outcome)>)]) -> Result<Vec<Standing>> {
    let outcomes = trials.iter().flat_map(|(_, runs)| runs);
    let lowest = outcomes.filter_map(|(_, outcome)| score(outcome)).reduce(f64::min);
    let mut standings = Vec::new();
    for (trial, runs) in trials {
        let of_failure = trial.base.failure_score.or(lowest);
        let scores: Vec<_> = runs.iter().map(|(_, outcome)| score(outcome).or(of_failure)).collect();
        let done: Vec<&Summary> = runs.iter().filter_map(|(_, outcome)| summary(outcome)).collect();
        let known: Option<Vec<f64>> = scores.iter().copied().collect();
        standings.push(Standing {
            trial: trial.number,
            seeds: runs.iter().map(|(seed, _)| *seed).collect(),
            scores,
            failed: runs.len() - done.len(),
            summed: known.map(Summed::of).transpose()?,
            steps_per_second: mean(done.iter().filter_map(|summary| summary.steps_per_second)),
            train_seconds: mean(done.iter().map(|summary| summary.train_seconds)),
            env_steps: done.iter().map(|summary| summary.env_steps).max(),
        });
    }
    standings.sort_by(|a, b| order(a.summed.as_ref(), b.summed.as_ref()));
    Ok(standings)
}

/// Orders the better one first.
fn order(a: Option<&Summed>, b: Option<&Summed>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.interquartile_mean.total_cmp(&a.interquartile_mean).then(b.mean.total_cmp(&a.mean)),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

fn summary(outcome: &Outcome) -> Option<&Summary> {
    match outcome {
        Outcome::Done(summary) => Some(summary),
        Outcome::Failed(_) => None,
    }
}

fn score(outcome: &Outcome) -> Option<f64> {
    summary(outcome)?.eval_return_mean
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::sweep::{base::Base, plan::Facts, setting::Settings};

    fn trial(number: usize, failure_score: Option<f64>) -> Trial {
        let facts = Facts { env: "CartPole-v1".into(), algo: "ppo".into(), total_steps: 5 };
        let mut base = Base::default();
        base.failure_score = failure_score;
        Trial { number, base, settings: Settings::new(), facts }
    }

    /// Returns the outcomes of scores; a run without one has failed.
    fn runs(scores: &[Option<f64>]) -> Vec<(u64, Outcome)> {
        let outcome = |score: &Option<f64>| match score {
            None => Outcome::Failed("exit status: 1".into()),
            Some(score) => Outcome::Done(
                serde_json::from_value(serde_json::json!({
                    "env": "CartPole-v1", "seed": 0, "eval_return_mean": score, "env_steps": 5, "train_seconds": 2.0,
                    "steps_per_second": 2.5,
                }))
                .unwrap(),
            ),
        };
        (0..).zip(scores.iter().map(outcome)).collect()
    }

    #[test]
    fn trials_are_ranked_by_interquartile_mean() {
        let trials = [trial(1, None), trial(2, None), trial(3, None)];
        let scores = [[10.0, 10.0, 10.0, 10.0], [0.0, 20.0, 20.0, 20.0], [10.0, 10.0, 10.0, 20.0]];
        let of: Vec<_> = trials.iter().zip(scores.map(|scores| runs(&scores.map(Some)))).collect();
        let standings = rank(&of).unwrap();
        // 2: the outlier is left out; 3 before 1: equal interquartile means, and a higher mean.
        assert_eq!(standings.iter().map(|standing| standing.trial).collect::<Vec<_>>(), [2, 3, 1]);
        let summed = standings[0].summed.unwrap();
        assert_eq!((summed.mean, summed.interquartile_mean, summed.worst), (15.0, 20.0, 0.0));
        let [low, high] = summed.interval.unwrap();
        assert!(low < 20.0 && high == 20.0, "{low} to {high}");
        assert_eq!(standings[2].summed.unwrap().interval, Some([10.0, 10.0]));
        assert_eq!((standings[0].train_seconds, standings[0].steps_per_second), (Some(2.0), Some(2.5)));
    }

    #[test]
    fn a_failed_run_has_the_lowest_score_of_its_environment() {
        let trials = [trial(1, None), trial(2, None)];
        let of = [(&trials[0], runs(&[Some(30.0), None])), (&trials[1], runs(&[Some(5.0), Some(9.0)]))];
        let standings = rank(&of).unwrap();
        assert_eq!(standings[0].scores, [Some(30.0), Some(5.0)]);
        assert_eq!((standings[0].failed, standings[1].failed), (1, 0));
        assert_eq!(standings[0].summed.unwrap().mean, 17.5);
    }

    #[test]
    fn a_failure_score_is_used_if_it_is_given() {
        let trials = [trial(1, Some(-100.0))];
        let standings = rank(&[(&trials[0], runs(&[Some(30.0), None]))]).unwrap();
        assert_eq!(standings[0].scores, [Some(30.0), Some(-100.0)]);
    }

    #[test]
    fn trials_keep_their_order_if_all_runs_failed() {
        let trials = [trial(1, None), trial(2, None)];
        let standings = rank(&[(&trials[0], runs(&[None])), (&trials[1], runs(&[None]))]).unwrap();
        assert_eq!(standings.iter().map(|standing| standing.trial).collect::<Vec<_>>(), [1, 2]);
        assert!(standings.iter().all(|standing| standing.summed.is_none() && standing.failed == 1));
    }
}
