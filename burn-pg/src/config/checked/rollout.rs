//! Checks that a rollout can be cut into minibatches and sequences, and that a run has at least one rollout.

use super::ranges::check;
use crate::config::{Algo, Config, ConfigError, RecurrentSpec};

/// Most samples of a rollout.
const LARGEST_ROLLOUT: usize = 1 << 26;

impl Config {
    pub(super) fn check_rollout(&self) -> Result<(), ConfigError> {
        let batch = self.num_envs.saturating_mul(self.num_steps);
        check("num_steps", self.num_steps, batch <= LARGEST_ROLLOUT, "such that a rollout has at most 2^26 samples")?;
        if !batch.is_multiple_of(self.num_minibatches) {
            let (num_minibatches, num_envs, num_steps) = (self.num_minibatches, self.num_envs, self.num_steps);
            return Err(ConfigError::Minibatches { num_minibatches, batch, num_envs, num_steps });
        }
        if let Some(spec) = self.recurrence.spec() {
            self.check_sequences(spec)?;
        }
        // For `reinforce`, the length of a rollout depends on the environment.
        if self.algo != Algo::Reinforce && self.total_steps < batch as u64 {
            return Err(ConfigError::TooFewSteps { total_steps: self.total_steps, batch });
        }
        Ok(())
    }

    fn check_sequences(&self, spec: RecurrentSpec) -> Result<(), ConfigError> {
        let RecurrentSpec { size, sequence_steps, burn_in } = spec;
        check("recurrence.size", size, (1..=4096).contains(&size), "between 1 and 4096")?;
        if self.algo == Algo::Reinforce {
            // Whole episodes are not cut.
            return Ok(());
        }
        let steps = if sequence_steps == 0 { self.num_steps } else { sequence_steps };
        let divides = self.num_steps.is_multiple_of(steps);
        check("recurrence.sequence_steps", sequence_steps, divides, "a divisor of `num_steps`, or 0")?;
        check("recurrence.burn_in", burn_in, burn_in <= self.num_steps, "at most `num_steps`")?;
        let sequences = self.num_envs * (self.num_steps / steps);
        let fits = sequences.is_multiple_of(self.num_minibatches);
        check(
            "num_minibatches",
            self.num_minibatches,
            fits,
            "a divisor of the sequences of a rollout, which stay whole",
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, read};

    #[test]
    fn a_rollout_that_is_not_cut_evenly_or_never_ends_is_refused() {
        let error = read("num_minibatches = 3").unwrap_err().to_string();
        let expected = "`num_minibatches` is 3, which does not divide the 1024 samples of a rollout \
                        (`num_envs` 8 x `num_steps` 128)";
        assert_eq!(error, expected);
        let error = read("total_steps = 1000").unwrap_err().to_string();
        let expected =
            "`total_steps` is 1000, which is less than the 1024 steps of one rollout (`num_envs` x `num_steps`)";
        assert_eq!(error, expected);
        let error = read("num_steps = 1000000000000").unwrap_err();
        assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error}");
    }

    #[test]
    fn whole_episodes_are_not_refused_for_sequences_that_they_are_not_cut_into() {
        let of = |algo: &str, state: &str| {
            let once = "num_epochs = 1\nnum_minibatches = 1\nnum_steps = 128";
            read(&format!("algo = '{algo}'\n{once}\nrecurrence = {{ cell = 'gru', {state} }}"))
        };
        for (state, refused) in [("sequence_steps = 5", "sequence_steps` is 5"), ("burn_in = 200", "burn_in` is 200")] {
            assert!(of("reinforce", state).is_ok(), "{state}");
            let error = of("a2c", state).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`recurrence.{refused}, but must be ")), "{error}");
        }
        let error = of("reinforce", "size = 0").unwrap_err().to_string();
        assert_eq!(error, "`recurrence.size` is 0, but must be between 1 and 4096");
    }
}
