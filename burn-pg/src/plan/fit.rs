//! Does a run fit into the memory that there is?

use std::fmt;

use burn_pg_envs::EnvSpec;

use super::{Bytes, MemoryPlan, Part};
use crate::config::{CheckedConfig, Config};

/// A run would take more memory than there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the run would take {needed} of memory ({} bytes), and {available} are available; most of it: {}. {}",
    .needed.0, listed(.largest), advice(.remedies, .settings)
)]
pub struct DoesNotFit {
    /// What the plan comes to, as far as it is in the memory of the host.
    pub needed: Bytes,
    /// What there is.
    pub available: Bytes,
    /// The largest parts at the peak, the largest first.
    pub largest: Vec<(Part, Bytes)>,
    /// Changes of one setting with which it would fit.
    pub remedies: Vec<Remedy>,
    /// The settings that decide how much memory a run takes, as they are.
    pub settings: Vec<(&'static str, String)>,
}

/// What gives a setting another value.
type Change = fn(&mut Config, usize);

/// A setting with which a run would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// The setting: `micro_batch_size`, `num_envs` or `num_steps`.
    pub key: &'static str,
    /// Its value.
    pub value: usize,
    /// What the run would take then.
    pub needed: Bytes,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, needed } = self;
        write!(f, "`{key} = {value}`")?;
        if *key == MICRO_BATCH_SIZE {
            write!(f, " (gradients are added up over parts of minibatches: the same training in more time)")?;
        }
        write!(f, " takes {needed}")
    }
}

const MICRO_BATCH_SIZE: &str = "micro_batch_size";

impl MemoryPlan {
    /// Refuses a run that would not fit into the memory that is available; where nobody knows how much that is, none.
    ///
    /// # Errors
    /// [`DoesNotFit`], with what would fit.
    pub fn check(&self, config: &CheckedConfig, spec: &EnvSpec, available: Option<Bytes>) -> Result<(), DoesNotFit> {
        let needed = self.host_peak();
        let Some(available) = available.filter(|&available| needed > available) else { return Ok(()) };
        let counts = |part: &Part| !(self.has_device_memory && part.is_on_device());
        let mut largest: Vec<(Part, Bytes)> =
            self.peak().parts.clone().into_iter().filter(|(part, _)| counts(part)).collect();
        largest.sort_by_key(|&(_, bytes)| std::cmp::Reverse(bytes));
        largest.truncate(3);
        let is_evaluated = self.parts().contains_key(&Part::Evaluation);
        let with = |change: Change, value: usize| {
            let mut changed = (**config).clone();
            change(&mut changed, value);
            let changed = changed.validate().ok()?;
            let plan = Self::of(&changed, spec);
            let plan =
                if is_evaluated { plan.with_checkpoints(&changed, spec).with_evaluation(&changed, spec) } else { plan };
            Some(plan.host_peak()).filter(|&needed| needed <= available)
        };
        let minibatch = config.num_envs.saturating_mul(config.num_steps) / config.num_minibatches;
        let first = config.micro_batch_size.unwrap_or(minibatch).min(minibatch);
        let keys: [(_, _, Change); 5] = [
            (MICRO_BATCH_SIZE, first, |config, size| config.micro_batch_size = Some(size)),
            ("num_envs", config.num_envs, |config, count| config.num_envs = count),
            ("num_steps", config.num_steps, |config, count| config.num_steps = count),
            ("eval_episodes", config.eval_episodes, |config, count| config.eval_episodes = count),
            ("checkpoint.eval_episodes", config.checkpoint.eval_episodes, |config, count| {
                config.checkpoint.eval_episodes = count;
            }),
        ];
        let remedies = keys.into_iter().filter_map(|(key, now, change)| {
            let (value, needed) = powers_below(now).find_map(|value| Some((value, with(change, value)?)))?;
            Some(Remedy { key, value, needed })
        });
        let settings = vec![
            ("num_envs", config.num_envs.to_string()),
            ("num_steps", config.num_steps.to_string()),
            ("num_minibatches", config.num_minibatches.to_string()),
            (MICRO_BATCH_SIZE, config.micro_batch_size.map_or("none".into(), |size| size.to_string())),
            ("hidden_sizes", format!("{:?}", config.hidden_sizes)),
        ];
        Err(DoesNotFit { needed, available, largest, remedies: remedies.collect(), settings })
    }
}

/// The powers of two below a number, the largest first.
fn powers_below(number: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).rev().map(|power| 1 << power).filter(move |&power| power < number)
}

fn listed(parts: &[(Part, Bytes)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(part, bytes)| format!("{} {bytes}", part.name())).collect();
    parts.join(", ")
}

fn advice(remedies: &[Remedy], settings: &[(&'static str, String)]) -> String {
    let settings: Vec<String> = settings.iter().map(|(key, value)| format!("`{key}` ({value})")).collect();
    let lower = format!("it grows with {}", settings.join(", "));
    if remedies.is_empty() {
        return format!("No power of two for one setting alone would do; {lower}");
    }
    let remedies: Vec<String> = remedies.iter().map(ToString::to_string).collect();
    format!("It would fit with one of: {}; {lower}", remedies.join("; "))
}
