//! Checks of the lengths of the vectors in a batch.

use super::{StepBatch, StepView, batch::RowLens};
use crate::{EnvError, EnvSpec};

impl StepBatch {
    /// Checks that all vectors are as long as `num_envs` environments of `spec` need. Reads no element.
    ///
    /// # Errors
    /// [`EnvError::BatchLen`] names the first vector that is not.
    pub fn check(&self, spec: &EnvSpec, num_envs: usize) -> Result<(), EnvError> {
        self.view().check(spec, num_envs)
    }
}

impl StepView<'_> {
    /// Checks that all vectors are as long as `num_envs` environments of `spec` need.
    ///
    /// # Errors
    /// [`EnvError::BatchLen`] names the first vector that is not.
    pub fn check(&self, spec: &EnvSpec, num_envs: usize) -> Result<(), EnvError> {
        let RowLens { observation, mask, .. } = RowLens::of(spec);
        let vectors = [
            ("valid", self.valid.len(), 1),
            ("observations", self.observations.len(), observation),
            ("rewards", self.rewards.len(), 1),
            ("terminated", self.terminated.len(), 1),
            ("truncated", self.truncated.len(), 1),
            ("action_masks", self.action_masks.len(), mask),
            ("final_observations", self.final_observations.len(), observation),
            ("episode_returns", self.episode_returns.len(), 1),
            ("episode_lengths", self.episode_lengths.len(), 1),
        ];
        check(spec, num_envs, vectors)
    }
}

/// Checks vectors, each given as its name, its length and the elements that one environment needs.
fn check<const N: usize>(
    spec: &EnvSpec,
    envs: usize,
    vectors: [(&'static str, usize, usize); N],
) -> Result<(), EnvError> {
    match vectors.into_iter().find(|&(_, given, each)| given != envs * each) {
        None => Ok(()),
        Some((vector, given, each)) => {
            Err(EnvError::BatchLen { id: spec.id.clone(), vector, given, expected: envs * each, envs })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Space;

    type Shorten = fn(&mut StepBatch);

    #[test]
    fn a_vector_of_a_wrong_length_is_named() {
        let spec = EnvSpec::new("Grid-v0", Space::symmetric(&[1.0; 3]), Space::discrete(2));
        let spec = EnvSpec { masks_actions: true, ..spec };
        let batch = StepBatch::new(&spec, 4);
        assert_eq!(batch.check(&spec, 4), Ok(()));
        let error = batch.check(&spec, 5).unwrap_err();
        assert!(matches!(error, EnvError::BatchLen { vector: "valid", given: 4, expected: 5, .. }), "{error}");
        let shorten: [(&str, Shorten); 9] = [
            ("observations", |batch| batch.observations.truncate(11)),
            ("rewards", |batch| batch.rewards.truncate(3)),
            ("terminated", |batch| batch.terminated.clear()),
            ("truncated", |batch| batch.truncated.push(true)),
            ("valid", |batch| batch.valid.truncate(1)),
            ("action_masks", |batch| batch.action_masks.truncate(7)),
            ("final_observations", |batch| batch.final_observations.clear()),
            ("episode_returns", |batch| batch.episode_returns.clear()),
            ("episode_lengths", |batch| batch.episode_lengths.clear()),
        ];
        for (name, shorten) in shorten {
            let mut batch = batch.clone();
            shorten(&mut batch);
            let Err(EnvError::BatchLen { vector, .. }) = batch.check(&spec, 4) else { panic!("{name}") };
            assert_eq!(vector, name);
        }
        let mut short = batch;
        short.final_observations.truncate(9);
        assert_eq!(
            short.check(&spec, 4).unwrap_err().to_string(),
            "the vector `final_observations` of `Grid-v0` has 9 elements; 4 environments need 12"
        );
    }
}
