//! The results of a sweep.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    plan::{Part, Plan, Trial},
    setting::shown,
    standing::Standing,
};

/// The seeds on which results are reported.
const REPORTED: std::ops::Range<u64> = 0..10;

/// How the trials of an environment compare in a rung.
#[derive(Debug, Serialize)]
pub struct Comparison {
    pub env: String,
    /// Counted from 1.
    pub rung: usize,
    pub total_steps: Option<u64>,
    /// The number of trials that go on to the next rung; `None` in the last.
    pub kept: Option<usize>,
    /// The best one first.
    pub standings: Vec<Standing>,
}

impl Comparison {
    /// Returns the numbers of the trials whose intervals overlap that of the first trial.
    pub fn ties(&self) -> Vec<usize> {
        let interval = |standing: &Standing| standing.summed.and_then(|summed| summed.interval);
        let Some((first, others)) = self.standings.split_first() else { return Vec::new() };
        let Some([first_low, first_high]) = interval(first) else { return Vec::new() };
        let is_tie =
            |other: &&Standing| interval(other).is_some_and(|[low, high]| low <= first_high && first_low <= high);
        others.iter().filter(is_tie).map(|other| other.trial).collect()
    }
}

/// The results of a sweep, the last rung first.
pub struct Results<'a> {
    pub plan: &'a Plan,
    pub folder: String,
    pub comparisons: Vec<Comparison>,
}

impl Results<'_> {
    /// Returns what to do with these results before they are reported, if trials were chosen by them.
    pub fn note(&self) -> Option<&'static str> {
        let is_reported = self.plan.rungs.iter().flat_map(|rung| &rung.seeds).any(|seed| REPORTED.contains(seed));
        match (self.is_search(), is_reported) {
            (false, _) => None,
            (true, true) => Some(
                "The best of several trials looks better than it is. Tune on seeds 1000 and up (first_seed = 1000), and report \
                 the chosen settings on seeds 0 to 9, in a sweep without a search.",
            ),
            (true, false) => Some(
                "The best of several trials looks better than it is. Report the chosen settings on seeds 0 to 9, in a sweep \
                 without a search.",
            ),
        }
    }

    pub fn to_json(&self) -> Value {
        let comparisons = self.comparisons.iter().map(|comparison| {
            let mut value = json!(comparison);
            value["ties_with_the_first"] = json!(comparison.ties());
            let standings = value["standings"].as_array_mut().into_iter().flatten().zip(&comparison.standings);
            for (rank, (value, standing)) in standings.enumerate() {
                let (trial, seed) = (self.trial(standing), standing.seeds[0]);
                value["rank"] = json!(rank + 1);
                value["algo"] = json!(trial.facts.algo);
                value["preset"] = json!(trial.base.preset);
                value["config"] = json!(trial.base.config);
                value["command"] = json!(self.plan.command(trial, seed));
                value["settings"] = json!(trial.settings);
            }
            value
        });
        json!({
            "sweep_dir": self.folder,
            "set": self.plan.set,
            "comparisons": comparisons.collect::<Vec<_>>(),
            "note": self.note(),
        })
    }

    /// Returns the command that repeats a run of the best trial of each comparison of the last rung, if there was a search.
    pub fn best(&self) -> Vec<String> {
        let best = |of: &Comparison| {
            let best = of.standings.first().filter(|best| best.summed.is_some())?;
            Some(self.plan.command(self.trial(best), best.seeds[0]))
        };
        self.comparisons.iter().filter(|of| self.is_search() && self.is_last(of)).filter_map(best).collect()
    }

    /// True if nothing was trained after this comparison.
    pub fn is_last(&self, comparison: &Comparison) -> bool {
        comparison.rung == self.plan.rungs.len()
    }

    pub fn have_all_failed(&self) -> bool {
        let mut standings = self.comparisons.iter().flat_map(|comparison| &comparison.standings);
        standings.all(|standing| standing.failed == standing.seeds.len())
    }

    /// True if settings were searched.
    fn is_search(&self) -> bool {
        self.plan.trials.iter().any(|trial| !trial.settings.is_empty())
    }

    pub fn trial(&self, standing: &Standing) -> &Trial {
        &self.plan.trials[standing.trial - 1]
    }

    /// Returns what tells the trials of a comparison apart: names of columns, and the values of each trial.
    pub fn columns(&self, comparison: &Comparison) -> (Vec<String>, Vec<Vec<String>>) {
        let trials: Vec<&Trial> = comparison.standings.iter().map(|standing| self.trial(standing)).collect();
        let parts: [Part; 3] = [("algo", Trial::algo), ("preset", Trial::preset), ("config", Trial::config)];
        let names: BTreeSet<&String> = trials.iter().flat_map(|trial| trial.settings.keys()).collect();
        let differs = |(_, part): &&Part| trials.iter().any(|trial| part(trial) != part(trials[0]));
        let mut differing: Vec<&Part> = parts.iter().filter(differs).collect();
        if differing.is_empty() && names.is_empty() {
            differing.push(&parts[0]);
        }
        let values = |trial: &Trial| {
            let parts = differing.iter().map(|(_, part)| part(trial).unwrap_or_default().to_owned());
            let settings = names.iter().map(|name| trial.settings.get(*name).map(shown).unwrap_or_default());
            parts.chain(settings).collect()
        };
        let head = differing.iter().map(|(name, _)| (*name).into()).chain(names.iter().map(|name| (*name).clone()));
        (head.collect(), trials.into_iter().map(values).collect())
    }
}
