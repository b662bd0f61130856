//! The rungs of a sweep, one after the other. A sweep without successive halving has one.

use super::{
    WIDTH,
    folder::Folder,
    halving::kept,
    plan::{Plan, Trial, by_env},
    progress::Progress,
    results::{Comparison, Results},
    runner::{Run, Runner, Stopped},
    standing::{Standing, rank},
    state::{Outcome, has_ended},
};
use crate::numbers::grouped;

/// A sweep, checked and ready.
pub struct Sweep<'p, 'a> {
    pub plan: &'p Plan,
    pub folder: &'a Folder,
    pub runner: Runner<'a>,
    pub progress: &'a Progress,
}

impl<'p> Sweep<'p, '_> {
    /// Brings all rungs to their end.
    pub fn run(&self) -> Result<Results<'p>, Stopped> {
        self.announce();
        let Plan { rungs, trials, factor, .. } = self.plan;
        let mut trials: Vec<&Trial> = trials.iter().collect();
        let mut comparisons = Vec::new();
        for (place, rung) in rungs.iter().enumerate() {
            let is_last = place + 1 == rungs.len();
            let factor = factor.filter(|_| !is_last);
            if let Some(steps) = rung.steps {
                let (number, all, count) = (place + 1, rungs.len(), trials.len());
                let (trials, seeds) = (counted(count, "trial"), counted(rung.seeds.len(), "seed"));
                self.progress
                    .say(format_args!("rung {number} of {all}: {trials}, {seeds}, {} steps a run", grouped(steps)));
            }
            let compared = self.compare(place, &trials)?;
            trials = Vec::new();
            let mut of_rung = Vec::new();
            for (env, standings) in compared {
                let kept = factor.map(|factor| kept(standings.len(), factor));
                let on = standings.iter().take(kept.unwrap_or(0));
                trials.extend(on.map(|standing| &self.plan.trials[standing.trial - 1]));
                of_rung.push(Comparison { env, rung: place + 1, total_steps: rung.steps, kept, standings });
            }
            // The same order however the ranks are.
            trials.sort_by_key(|trial| trial.number);
            comparisons.splice(0..0, of_rung);
        }
        Ok(Results { plan: self.plan, folder: self.folder.path().display().to_string(), comparisons })
    }

    fn announce(&self) {
        let Plan { rungs, trials, .. } = self.plan;
        let (runs, _) = self.plan.size();
        let jobs = self.runner.jobs.min(runs);
        let places =
            rungs.iter().enumerate().flat_map(|(place, rung)| rung.seeds.iter().map(move |seed| (place, *seed)));
        let is_done = |(place, seed)| {
            trials.iter().filter(|trial| has_ended(&self.folder.run(self.plan, place, trial, seed))).count()
        };
        let done = match places.map(is_done).sum() {
            0 => String::new(),
            done => format!(", {done} of them done before"),
        };
        let (trials, runs, path) = (counted(trials.len(), "trial"), counted(runs, "run"), self.folder.path().display());
        let (counts, place) = (format!("{trials}, {runs}{done}, {jobs} at a time"), format!("in {path}"));
        let all = format!("{counts}, {place}");
        match all.chars().count() <= WIDTH {
            true => self.progress.say(all),
            false => [counts, place].iter().for_each(|line| self.progress.say(line)),
        }
        self.progress.begin();
    }

    /// Brings all runs of a rung to their end, and ranks its trials in each environment.
    fn compare(&self, place: usize, trials: &[&Trial]) -> Result<Vec<(String, Vec<Standing>)>, Stopped> {
        let runs = self.runs(place, trials);
        let outcomes = self.runner.run_all(&runs, &|run, event| self.progress.show(run, &event))?;
        let ended: Vec<(&Run, Outcome)> = runs.iter().zip(outcomes).collect();
        let of_trial = |trial: &Trial| {
            let of_trial = ended.iter().filter(|(run, _)| run.trial == trial.number);
            of_trial.map(|(run, outcome)| (run.seed, outcome.clone())).collect::<Vec<_>>()
        };
        let mut ranked = Vec::new();
        for of_env in by_env(trials.iter().copied()) {
            let env = of_env[0].facts.env.clone();
            let of_env: Vec<_> = of_env.into_iter().map(|trial| (trial, of_trial(trial))).collect();
            ranked.push((env, rank(&of_env)?));
        }
        Ok(ranked)
    }

    /// Returns the runs of a rung: all trials with one seed before the next seed, so that early on there is something to
    /// compare.
    fn runs(&self, place: usize, trials: &[&Trial]) -> Vec<Run> {
        let rung = &self.plan.rungs[place];
        let run = |trial: &Trial, seed| Run {
            dir: self.folder.run(self.plan, place, trial, seed),
            arguments: self.plan.arguments(trial, rung),
            env: trial.facts.env.clone(),
            seed,
            steps: rung.steps.unwrap_or(trial.facts.total_steps),
            trial: trial.number,
            label: self.plan.label(trial),
        };
        rung.seeds.iter().flat_map(|&seed| trials.iter().map(move |trial| run(trial, seed))).collect()
    }
}

/// Returns a number with its noun.
fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
