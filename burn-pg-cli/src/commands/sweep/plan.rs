//! The plan of a sweep: its trials, checked, and its rungs.

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::{
    base::Base,
    file::SweepFile,
    halving::{Rung, kept},
    setting::{Settings, argument, shown},
};
use crate::{commands::how_to_go_on::quoted, program};

/// All that decides what is trained. It is written to `plan.json`.
#[derive(Serialize)]
pub struct Plan {
    /// Settings of all runs.
    pub set: Settings,
    /// One of `factor` trials goes on to the next rung; `None` without successive halving.
    pub factor: Option<usize>,
    pub rungs: Vec<Rung>,
    pub trials: Vec<Trial>,
}

/// Settings that are tried with every seed.
#[derive(Serialize)]
pub struct Trial {
    /// Counted from 1.
    pub number: usize,
    pub base: Base,
    /// The settings that differ between trials.
    pub settings: Settings,
    pub facts: Facts,
}

/// A name of a column, and what a trial has in it.
pub type Part = (&'static str, fn(&Trial) -> Option<&str>);

impl Trial {
    #[allow(clippy::unnecessary_wraps)] // a `Part`
    fn env(&self) -> Option<&str> {
        Some(&self.facts.env)
    }

    #[allow(clippy::unnecessary_wraps)] // a `Part`
    pub fn algo(&self) -> Option<&str> {
        Some(&self.facts.algo)
    }

    pub fn preset(&self) -> Option<&str> {
        self.base.preset.as_deref()
    }

    pub fn config(&self) -> Option<&str> {
        self.base.config.as_deref()
    }
}

/// What the settings of a trial resolve to.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    pub env: String,
    pub algo: String,
    pub total_steps: u64,
}

/// Checks the arguments that a run gives to `train`, without training.
pub type Check<'a> = dyn Fn(&[String]) -> Result<Facts> + 'a;

impl Plan {
    /// Plans a sweep. Checks all settings of all trials.
    pub fn of(file: SweepFile, check: &Check) -> Result<Self> {
        let SweepFile { bases, seeds, set, trials: searched, halving, .. } = file;
        let mut trials: Vec<Trial> = Vec::new();
        for base in &bases {
            for settings in &searched {
                let number = trials.len() + 1;
                let facts = check(&arguments(base, &set, settings)).with_context(|| match settings.is_empty() {
                    true => format!("trial {number}"),
                    false => format!("trial {number} ({})", told(settings)),
                })?;
                trials.push(Trial { number, base: base.clone(), settings: settings.clone(), facts });
            }
        }
        let (factor, rungs) = match halving {
            None => (None, vec![Rung { steps: None, seeds }]),
            Some((halving, steps)) => {
                let most = by_env(&trials).iter().map(Vec::len).max().unwrap_or(0);
                (Some(halving.factor), halving.rungs(steps, &seeds, most)?)
            }
        };
        let plan = Self { set, factor, rungs, trials };
        // The steps of a rung may be too few for a rollout.
        for (trial, rung) in plan.trials.iter().flat_map(|trial| plan.rungs.iter().map(move |rung| (trial, rung))) {
            if let Some(steps) = rung.steps {
                let context = || format!("trial {}, {steps} steps", trial.number);
                check(&plan.arguments(trial, rung)).with_context(context)?;
            }
        }
        Ok(plan)
    }

    /// Returns the arguments of `train` for a trial, without those of a single run.
    pub fn arguments(&self, trial: &Trial, rung: &Rung) -> Vec<String> {
        let mut arguments = arguments(&trial.base, &self.set, &trial.settings);
        if let Some(steps) = rung.steps {
            arguments.extend(["--total-steps".into(), steps.to_string()]);
        }
        arguments
    }

    /// Returns the command that repeats the run of a trial of the last rung with a seed.
    pub fn command(&self, trial: &Trial, seed: u64) -> String {
        let mut arguments = self.rungs.last().map(|rung| self.arguments(trial, rung)).unwrap_or_default();
        arguments.extend(["--seed".into(), seed.to_string()]);
        let plain =
            |argument: &str| argument.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-=".contains(letter));
        let quoted = arguments.iter().map(|argument| match plain(argument) {
            true => argument.clone(),
            false => quoted(argument.as_ref()),
        });
        program::command(format_args!("train {}", quoted.collect::<Vec<_>>().join(" ")))
    }

    /// Returns the number of runs and their steps, over all rungs.
    pub fn size(&self) -> (usize, u64) {
        let (mut runs, mut steps) = (0, 0);
        for of_env in by_env(&self.trials) {
            let mut count = of_env.len();
            for rung in &self.rungs {
                runs += count * rung.seeds.len();
                steps += match rung.steps {
                    Some(steps) => steps * (count * rung.seeds.len()) as u64,
                    None => of_env.iter().map(|trial| trial.facts.total_steps * rung.seeds.len() as u64).sum(),
                };
                count = kept(count, self.factor.unwrap_or(1));
            }
        }
        (runs, steps)
    }

    /// Describes a trial: what of its environment, algorithm, preset and file differs between trials, and its settings.
    pub fn label(&self, trial: &Trial) -> String {
        let parts: [Part; 4] =
            [("env", Trial::env), ("algo", Trial::algo), ("preset", Trial::preset), ("config", Trial::config)];
        let differing = parts.iter().filter(|(_, part)| self.trials.iter().any(|other| part(other) != part(trial)));
        let mut words: Vec<String> = differing.filter_map(|(_, part)| part(trial)).map(Into::into).collect();
        if !trial.settings.is_empty() {
            words.push(told(&trial.settings));
        }
        words.push(format!("trial {}", trial.number));
        words.join(", ")
    }

    pub fn to_json(&self) -> Result<Value> {
        serde_json::to_value(self).context("the plan cannot be written")
    }
}

fn arguments(base: &Base, set: &Settings, settings: &Settings) -> Vec<String> {
    let mut arguments = base.arguments();
    for (name, value) in set.iter().chain(settings) {
        arguments.extend(["--set".into(), argument(name, value)]);
    }
    arguments
}

/// Returns settings as people read them.
fn told(settings: &Settings) -> String {
    settings.iter().map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(", ")
}

/// Returns the trials of each environment, in their order. Scores of different environments are not comparable.
pub fn by_env<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Vec<Vec<&'a Trial>> {
    let mut envs: Vec<Vec<&Trial>> = Vec::new();
    for trial in trials {
        match envs.iter_mut().find(|of_env| of_env[0].facts.env == trial.facts.env) {
            Some(of_env) => of_env.push(trial),
            None => envs.push(vec![trial]),
        }
    }
    envs
}

/// Returns the first difference between two plans: its place, and both values in a few words.
pub fn difference(place: &str, now: &Value, earlier: &Value) -> Option<(String, String, String)> {
    match (now, earlier) {
        (Value::Object(now), Value::Object(earlier)) => {
            let names = now.keys().chain(earlier.keys().filter(|name| !now.contains_key(*name)));
            names.into_iter().find_map(|name| {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                let [now, earlier] = [now, earlier].map(|table| table.get(name).unwrap_or(&Value::Null));
                difference(&place, now, earlier)
            })
        }
        (Value::Array(now), Value::Array(earlier)) if now.len() == earlier.len() => {
            let mut pairs = now.iter().zip(earlier).enumerate();
            pairs.find_map(|(at, (now, earlier))| difference(&format!("{place}[{at}]"), now, earlier))
        }
        (now, earlier) if now == earlier => None,
        (now, earlier) => Some((place.into(), short(now), short(earlier))),
    }
}

/// Describes a value of a plan in a few words.
fn short(value: &Value) -> String {
    match value {
        Value::Null => "not given".into(),
        Value::Array(values) if values.iter().any(Value::is_object) => format!("a list of {}", values.len()),
        Value::String(text) if text.contains('\n') => "another text".into(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_difference_of_two_plans_is_named() {
        let of = |now: Value, earlier: Value| difference("", &now, &earlier);
        let told = |place: &str, now: &str, earlier: &str| Some((place.into(), now.into(), earlier.into()));
        assert_eq!(of(json!({ "a": [1, { "b": 2 }] }), json!({ "a": [1, { "b": 2 }] })), None);
        assert_eq!(of(json!({ "a": [1, { "b": 2 }] }), json!({ "a": [1, { "b": 3 }] })), told("a[1].b", "2", "3"));
        assert_eq!(of(json!({ "a": [1, 2] }), json!({ "a": [1] })), told("a", "[1,2]", "[1]"));
        assert_eq!(of(json!({}), json!({ "a": "x" })), told("a", "not given", "\"x\""));
    }
}
