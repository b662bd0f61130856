//! Checks whether a run fits into the available memory.

use std::fmt;

use burn_pg_envs::EnvSpec;

use super::{Available, Bytes, MemoryPlan, Part, Place};
use crate::config::{CheckedConfig, Config};

/// The error for a run that would take more memory than is available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} {needed} ({} bytes), and {available} are available; {}",
    begun(*.place), .needed.0, rest(*.place, .largest, .fixes, .settings)
)]
pub struct DoesNotFit {
    /// The memory that is too small.
    pub place: Place,
    /// The most memory that the run would take there.
    pub needed: Bytes,
    /// The available memory.
    pub available: Bytes,
    /// The largest parts at the peak, at most three, the largest first.
    pub largest: Vec<(Part, Bytes)>,
    /// Changes of a single setting with which the run would fit.
    pub fixes: Vec<Fix>,
    /// The settings that determine the memory of the run, with their current values.
    pub settings: Vec<(&'static str, String)>,
}

/// A function that changes the value of a setting.
type Change = fn(&mut Config, usize);

/// A change of a setting with which the run would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// The setting: `micro_batch_size`, `num_envs`, `num_steps`, `evaluation.episodes` or
    /// `checkpoint.episodes`.
    pub key: &'static str,
    /// Its new value, a power of two below the current one.
    pub value: usize,
    /// The memory that the run would then take at the same place.
    pub needed: Bytes,
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, needed } = self;
        write!(f, "`{key} = {value}`")?;
        if *key == MICRO_BATCH_SIZE {
            write!(f, " (adds up gradients over parts of minibatches: the same training, but slower)")?;
        }
        write!(f, " takes {needed}")
    }
}

const MICRO_BATCH_SIZE: &str = "micro_batch_size";

impl MemoryPlan {
    /// Checks that the run fits into the available memory, on the host and on the device. What is not known is not checked.
    ///
    /// # Errors
    /// [`DoesNotFit`], with changes of settings with which the run would fit.
    pub fn check(
        &self,
        config: &CheckedConfig,
        spec: &EnvSpec,
        available: impl Into<Available>,
    ) -> Result<(), DoesNotFit> {
        let available = available.into();
        let exceeded = |place: Place| available.at(place).filter(|&available| self.peak_at(place) > available);
        let mut places = [Place::Host, Place::Device, Place::Buffer].into_iter();
        match places.find_map(|place| Some((place, exceeded(place)?))) {
            None => Ok(()),
            Some((place, available)) => Err(self.misfit(config, spec, place, available)),
        }
    }

    fn misfit(&self, config: &CheckedConfig, spec: &EnvSpec, place: Place, available: Bytes) -> DoesNotFit {
        let mut largest = self.parts_at_peak(place);
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
            Some(plan.peak_at(place))
        };
        let Config { env, rollout, algorithm, network, evaluation, checkpoint, .. } = &**config;
        let (_, num_minibatches) = algorithm.passes();
        let minibatch = env.num_envs.saturating_mul(rollout.num_steps) / num_minibatches;
        let first = algorithm.micro_batch_size().unwrap_or(minibatch).min(minibatch);
        let steps = if algorithm.acts_by_episodes() { 0 } else { rollout.num_steps };
        let keys: [(_, _, Change); 5] = [
            (MICRO_BATCH_SIZE, first, |config, size| config.algorithm.set_micro_batch_size(Some(size))),
            ("num_envs", env.num_envs, |config, count| config.env.num_envs = count),
            ("num_steps", steps, |config, count| config.rollout.num_steps = count),
            ("evaluation.episodes", evaluation.episodes, |config, count| config.evaluation.episodes = count),
            ("checkpoint.episodes", checkpoint.episodes, |config, count| {
                config.checkpoint.episodes = count;
            }),
        ];
        let fixes = keys.into_iter().filter_map(|(key, now, change)| {
            let needed = |value| with(change, value).filter(|&needed| needed <= available);
            let (value, needed) = powers_below(now).find_map(|value| Some((value, needed(value)?)))?;
            Some(Fix { key, value, needed })
        });
        let micro_batch = algorithm.micro_batch_size().map_or("none".into(), |size| size.to_string());
        // Those that change what does not fit: halved, or, for the number of minibatches, doubled.
        let now = self.peak_at(place);
        let grows = |change: Change, value: usize| with(change, value).is_none_or(|needed| needed < now);
        let by_steps = !algorithm.acts_by_episodes();
        let settings: [(_, _, bool); 5] = [
            (
                "num_envs",
                env.num_envs.to_string(),
                grows(|config, count| config.env.num_envs = count, env.num_envs / 2),
            ),
            (
                "num_steps",
                steps.to_string(),
                by_steps && grows(|config, count| config.rollout.num_steps = count, steps / 2),
            ),
            (
                "num_minibatches",
                num_minibatches.to_string(),
                by_steps && grows(|config, count| config.algorithm.set_num_minibatches(count), 2 * num_minibatches),
            ),
            (MICRO_BATCH_SIZE, micro_batch, self.unfused.is_some() && place != Place::Buffer),
            (
                "hidden_sizes",
                format!("{:?}", network.hidden_sizes),
                network.custom.is_none()
                    && grows(|config, part| config.network.hidden_sizes.iter_mut().for_each(|size| *size /= part), 2),
            ),
        ];
        let settings = settings.into_iter().filter(|(.., grows)| *grows).map(|(key, value, _)| (key, value)).collect();
        DoesNotFit { place, needed: self.peak_at(place), available, largest, fixes: fixes.collect(), settings }
    }
}

/// Returns the powers of two below `limit`, the largest first.
fn powers_below(limit: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).rev().map(|power| 1 << power).filter(move |&power| power < limit)
}

fn begun(place: Place) -> &'static str {
    match place {
        Place::Host => "the run would take",
        Place::Device => "on the device, the run would take",
        Place::Buffer => "the largest buffer on the device would take",
    }
}

fn rest(place: Place, largest: &[(Part, Bytes)], fixes: &[Fix], settings: &[(&'static str, String)]) -> String {
    let holds = if place == Place::Buffer { "it is for the" } else { "its largest parts are" };
    format!("{holds} {}. {}", listed(largest), advice(fixes, settings))
}

fn listed(parts: &[(Part, Bytes)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(part, bytes)| format!("{} {bytes}", part.name())).collect();
    parts.join(", ")
}

fn advice(fixes: &[Fix], settings: &[(&'static str, String)]) -> String {
    let settings: Vec<String> = settings.iter().map(|(key, value)| format!("`{key}` ({value})")).collect();
    let growth = format!("the memory grows with {}", settings.join(", "));
    if fixes.is_empty() {
        return format!("Lowering one setting to a power of two is not enough; {growth}");
    }
    let fixes: Vec<String> = fixes.iter().map(ToString::to_string).collect();
    format!("Any one of these changes would make it fit: {}; {growth}", fixes.join("; "))
}
