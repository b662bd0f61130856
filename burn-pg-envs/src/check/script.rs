//! Random possible actions.

use super::Check;
use crate::{ActionBuffer, EnvError, EnvRng, Space, StepBatch};

impl Check {
    /// Draws an action for each environment of `batch` among those that its masks allow.
    pub(super) fn draw(&self, batch: &StepBatch, rng: &mut EnvRng) -> Result<ActionBuffer, EnvError> {
        let mut actions = ActionBuffer::random(&self.spec.action_space, self.num_envs, rng);
        let sizes = match &self.spec.action_space {
            Space::Discrete { n, .. } => vec![*n],
            Space::MultiDiscrete { sizes } => sizes.clone(),
            _ => Vec::new(),
        };
        if let (true, ActionBuffer::Discrete(chosen) | ActionBuffer::MultiDiscrete(chosen)) =
            (self.spec.masks_actions, &mut actions)
        {
            let mut flags = batch.action_masks.as_slice();
            for (index, (action, &size)) in chosen.iter_mut().zip(sizes.iter().cycle()).enumerate() {
                let (mask, rest) = flags.split_at(size as usize);
                flags = rest;
                let possible: Vec<u32> = (0..size).filter(|&element| mask[element as usize]).collect();
                if possible.is_empty() {
                    let env = index / sizes.len();
                    return Err(self.broken(format!("environment {env} has a mask without a possible action")));
                }
                *action = possible[*action as usize % possible.len()];
            }
        }
        Ok(actions)
    }
}
