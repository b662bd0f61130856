//! Checks of the optional parts. Each returns whether the part is implemented.

use super::{Check, SEED, part};
use crate::{EnvError, EnvRng, SavedEnvs, StepBatch, VectorEnv, check_blocks};

impl Check {
    /// Checks that a batch that is saved as JSON and loaded into another one continues the same, bit for bit, or begins
    /// new episodes.
    pub fn saving(&self, envs: &mut impl VectorEnv, other: &mut impl VectorEnv) -> Result<bool, EnvError> {
        let saved = match envs.save() {
            Err(EnvError::Unsupported { .. }) => return Ok(false),
            saved => saved?,
        };
        let unusable = |error: serde_json::Error| EnvError::State { reason: error.to_string() };
        let text = serde_json::to_string(&saved).map_err(unusable)?;
        let read: SavedEnvs = serde_json::from_str(&text).map_err(unusable)?;
        if read != saved {
            return Err(self.broken("the saved state changes when it is written to JSON and read back"));
        }
        let mut renamed = saved;
        renamed.id.push_str(", renamed");
        if other.load(&renamed).is_ok() {
            return Err(
                self.broken("`load` accepts a state saved by environments with another name; use `SavedEnvs::open`")
            );
        }
        other.reset(SEED + 100)?;
        other.load(&read)?;
        if read.begins_anew() {
            self.begun(other.checked_batch()?)?;
            return Ok(false);
        }
        self.alike(envs.checked_batch()?, other.checked_batch()?, "a batch that was saved and one that was loaded")?;
        self.steps_alike(envs, other, "a batch that was saved and one that was loaded")?;
        Ok(true)
    }

    /// Checks that blocks give the same results as the whole batch.
    pub fn blocks(&self, envs: &mut impl VectorEnv, other: &mut impl VectorEnv) -> Result<bool, EnvError> {
        if envs.blocks(1).is_none() {
            return Ok(false);
        }
        for size in [1, 2, self.num_envs] {
            self.reset_twice(envs, other, "two batches")?;
            let mut rng = EnvRng::new(SEED);
            for _ in 0..50 {
                let actions = self.draw(other.batch(), &mut rng)?;
                other.step(actions.as_actions())?;
                let Some(mut blocks) = envs.blocks(size) else {
                    return Err(self.broken(format!("there are blocks of 1, but not of {size}")));
                };
                check_blocks(&blocks, &self.spec, self.num_envs, size)?;
                for block in &mut blocks {
                    let (first, len) = (block.first(), block.view().rewards.len());
                    block.step(part(&actions, &self.spec.action_space, first, len).as_actions())?;
                }
                check_blocks(&blocks, &self.spec, self.num_envs, size)?;
                drop(blocks);
                let what = format!("the same actions, in blocks of {size} and in the whole batch");
                self.alike(envs.checked_batch()?, other.checked_batch()?, &what)?;
            }
        }
        Ok(true)
    }

    /// Checks that the first environment can be reset without a change of the others.
    pub fn reset_some(&self, envs: &mut impl VectorEnv) -> Result<bool, EnvError> {
        let n = self.num_envs;
        let before = envs.batch().clone();
        let mask: Vec<bool> = (0..n).map(|env| env == 0).collect();
        match envs.reset_where(&mask) {
            Err(EnvError::Unsupported { .. }) => return Ok(false),
            outcome => outcome?,
        };
        self.others_stay(&before, envs, "reset_where")?;
        if envs.reset_where(&vec![true; n + 1]).is_ok() {
            return Err(self.broken(format!("`reset_where` takes {} flags for {n} environments", n + 1)));
        }
        Ok(true)
    }

    /// Checks that a restart gives the episode of its seed, and that the other environments do not change.
    pub fn restart_one(&self, envs: &mut impl VectorEnv, other: &mut impl VectorEnv) -> Result<bool, EnvError> {
        let before = envs.batch().clone();
        let seed = SEED + 1000;
        match envs.restart(0, seed) {
            Err(EnvError::Unsupported { .. }) => return Ok(false),
            outcome => outcome?,
        };
        self.others_stay(&before, envs, "restart")?;
        for env in 1..self.num_envs {
            envs.restart(env, seed)?;
        }
        other.reset_each(&vec![seed; self.num_envs])?;
        let what = "the same seed, in `restart` and in `reset_each`";
        self.alike(envs.checked_batch()?, other.checked_batch()?, what)?;
        self.steps_alike(envs, other, what)?;
        Ok(true)
    }

    fn others_stay(&self, before: &StepBatch, envs: &impl VectorEnv, method: &str) -> Result<(), EnvError> {
        let (after, len) = (envs.checked_batch()?, self.spec.observation_space.flat_len());
        if after.episode_lengths[0] != 0 {
            return Err(
                self.broken(format!("after `{method}`, the new episode has a length of {}", after.episode_lengths[0]))
            );
        }
        let unchanged = after.observations[len..] == before.observations[len..]
            && after.episode_lengths[1..] == before.episode_lengths[1..]
            && after.episode_returns[1..] == before.episode_returns[1..];
        if unchanged { Ok(()) } else { Err(self.broken(format!("`{method}` of environment 0 changes another one"))) }
    }
}
