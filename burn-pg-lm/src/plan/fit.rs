//! Checks whether a run fits into the available memory.

use std::{cmp::Reverse, fmt};

use burn_pg::plan::Bytes;

use super::{Part, TextPlan};
use crate::{
    model::Lora,
    task::settings::{Settings, Task},
};

/// The error for a run that would take more memory than is available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the run would take {needed} ({} bytes), and {available} are available; its largest parts are {}. {}",
    .needed.0, listed(.largest), advice(.fixes, .settings)
)]
pub struct DoesNotFit {
    /// The most memory that the run would take.
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

/// A change of a setting with which the run would fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// The setting: `train.micro_batch`, `task.prompts`, `task.group_size`, `task.tokens` or `lora.rank`.
    pub key: &'static str,
    /// Its new value: a power of two below the current one, or, for adapters that the run does not have, the rank.
    pub value: usize,
    /// The memory that the run would then take.
    pub needed: Bytes,
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, needed } = self;
        let effect = match *key {
            MICRO_BATCH => " (adds up gradients over smaller parts: the same training, but slower)",
            RANK => " (trains adapters in place of all weights)",
            _ => "",
        };
        write!(f, "`{key} = {value}`{effect} takes {needed}")
    }
}

const MICRO_BATCH: &str = "train.micro_batch";
const RANK: &str = "lora.rank";

impl Fix {
    /// Changes the setting.
    pub fn apply(&self, settings: &mut Settings) {
        if self.key == RANK {
            settings.lora.get_or_insert_with(Lora::default).rank = self.value;
        } else if let Some(number) = number(settings, self.key) {
            *number = self.value;
        }
    }
}

/// The settings that a smaller number is tried for.
const NUMBERS: [&str; 4] = [MICRO_BATCH, "task.prompts", "task.group_size", "task.tokens"];

/// Returns the setting with this name, if the task has it.
fn number<'a>(settings: &'a mut Settings, key: &str) -> Option<&'a mut usize> {
    match (key, &mut settings.task) {
        (MICRO_BATCH, _) => Some(&mut settings.train.micro_batch),
        ("task.prompts", Task::Rl(task)) => Some(&mut task.prompts),
        ("task.group_size", Task::Rl(task)) => Some(&mut task.group_size),
        ("task.tokens", Task::Rl(task)) => Some(&mut task.tokens),
        _ => None,
    }
}

impl TextPlan {
    /// Checks that the run fits into the available memory. `None` if that is not known: then everything fits.
    ///
    /// # Errors
    /// [`DoesNotFit`], with changes of settings with which the run would fit.
    pub fn check(&self, available: Option<Bytes>) -> Result<(), DoesNotFit> {
        let needed = self.peak().total();
        match available.filter(|&available| needed > available) {
            None => Ok(()),
            Some(available) => Err(self.misfit(needed, available)),
        }
    }

    fn misfit(&self, needed: Bytes, available: Bytes) -> DoesNotFit {
        let mut largest: Vec<_> = self.peak().parts.iter().map(|(&part, &bytes)| (part, bytes)).collect();
        largest.sort_by_key(|&(_, bytes)| Reverse(bytes));
        largest.truncate(3);
        let mut settings = self.settings.clone();
        let (mut fixes, mut known) = (Vec::new(), Vec::new());
        for key in NUMBERS {
            let Some(&mut now) = number(&mut settings, key) else { continue };
            let changed = |value| self.changed(Fix { key, value, needed });
            fixes.extend(powers_below(now).filter_map(changed).find(|fix| fix.needed <= available));
            if changed(now / 2).is_some_and(|fix| fix.needed < needed) {
                known.push((key, now.to_string()));
            }
        }
        if settings.lora.is_none() {
            let adapters = self.changed(Fix { key: RANK, value: Lora::default().rank, needed });
            fixes.extend(adapters.filter(|fix| fix.needed <= available));
        }
        DoesNotFit { needed, available, largest, fixes, settings: known }
    }

    /// Plans again with a change. `None` if the settings do not allow it.
    fn changed(&self, fix: Fix) -> Option<Fix> {
        let mut settings = self.settings.clone();
        fix.apply(&mut settings);
        settings.validate().ok()?;
        Some(Fix { needed: Self::of(&settings, &self.shapes).peak().total(), ..fix })
    }
}

/// Returns the powers of two below `limit`, the largest first.
fn powers_below(limit: usize) -> impl Iterator<Item = usize> {
    (0..usize::BITS).rev().map(|power| 1 << power).filter(move |&power| power < limit)
}

fn listed(parts: &[(Part, Bytes)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(part, bytes)| format!("{} {bytes}", part.name())).collect();
    parts.join(", ")
}

fn advice(fixes: &[Fix], settings: &[(&'static str, String)]) -> String {
    let settings: Vec<String> = settings.iter().map(|(key, value)| format!("`{key}` ({value})")).collect();
    let growth = match settings.is_empty() {
        true => "the memory is mostly that of the model's weights".to_owned(),
        false => format!("the memory grows with the weights of the model, {}", settings.join(", ")),
    };
    if fixes.is_empty() {
        return format!("Lowering one setting to a power of two is not enough; {growth}");
    }
    let fixes: Vec<String> = fixes.iter().map(ToString::to_string).collect();
    format!("Any one of these changes would make it fit: {}; {growth}", fixes.join("; "))
}
