//! Checks that a rollout can be cut into minibatches and sequences, and that a run has at least one rollout.

use super::ranges::check;
use crate::config::{Algo, Config, ConfigError, RecurrentSpec, error::Errors};

/// Most samples of a rollout.
const LARGEST_ROLLOUT: usize = 1 << 26;

impl Config {
    pub(super) fn check_rollout(&self) -> Result<(), ConfigError> {
        let terms = self.algorithm.loss();
        let corrects =
            self.algorithm.algo() == Algo::Ppo && !terms.iter().any(|summand| summand.term.needs_own_rollouts());
        let range = "false here: it is only for `ppo`, with terms that correct for rollouts of an older policy (such as `ppo_clip`)";
        check("rollout.overlap", self.rollout.overlap, !self.rollout.overlap || corrects, range)?;
        let (num_envs, num_steps) = (self.env.num_envs, self.rollout.num_steps);
        let (_, num_minibatches) = self.algorithm.passes();
        if let Some(spec) = self.network.recurrence.spec() {
            check("network.recurrence.size", spec.size, (1..=4096).contains(&spec.size), "between 1 and 4096")?;
        }
        // The rollouts of `reinforce` depend on the environment, and its episodes are not cut.
        if self.algorithm.acts_by_episodes() || num_minibatches == 0 {
            return Ok(());
        }
        let batch = num_envs.saturating_mul(num_steps);
        let range = "such that a rollout has at most 2^26 samples";
        check("rollout.num_steps", num_steps, batch <= LARGEST_ROLLOUT, range)?;
        let mut errors = Errors::default();
        if !batch.is_multiple_of(num_minibatches) {
            errors.push(ConfigError::Minibatches { num_minibatches, batch, num_envs, num_steps });
        } else if let Some(spec) = self.network.recurrence.spec() {
            errors.add(self.check_sequences(spec));
        }
        let total_steps = self.run.total_steps;
        if total_steps < batch as u64 {
            errors.push(ConfigError::TooFewSteps { total_steps, batch });
        }
        errors.into_result()
    }

    fn check_sequences(&self, spec: RecurrentSpec) -> Result<(), ConfigError> {
        let RecurrentSpec { sequence_steps, burn_in, .. } = spec;
        let num_steps = self.rollout.num_steps;
        let steps = if sequence_steps == 0 { num_steps } else { sequence_steps };
        if steps == 0 {
            return Ok(());
        }
        let (divides, range) = (num_steps.is_multiple_of(steps), "a divisor of `rollout.num_steps`, or 0");
        check("network.recurrence.sequence_steps", sequence_steps, divides, range)?;
        check("network.recurrence.burn_in", burn_in, burn_in <= num_steps, "at most `rollout.num_steps`")?;
        let sequences = self.env.num_envs * (num_steps / steps);
        let (_, minibatches) = self.algorithm.passes();
        let range = "a divisor of the sequences of a rollout, which stay whole";
        check("algorithm.num_minibatches", minibatches, sequences.is_multiple_of(minibatches), range)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{ConfigError, read};

    #[test]
    fn errors_of_a_rollout_are_reported_beside_those_of_other_tables() {
        let several = |text: &str| read(text).unwrap_err().each().len();
        assert_eq!(several("num_minibatches = 3\ntotal_steps = 4\ngamma = 2"), 3);
        // What follows from a number that is out of range is not reported.
        assert_eq!(several("num_envs = 0\nnum_minibatches = 3"), 1);
    }

    #[test]
    fn a_rollout_that_is_not_cut_evenly_or_never_ends_is_refused() {
        let error = read("num_minibatches = 3").unwrap_err().to_string();
        let expected = "`algorithm.num_minibatches` is 3, which does not divide the 1024 samples of a rollout \
                        (`env.num_envs` 8 x `rollout.num_steps` 128)";
        assert_eq!(error, expected);
        let error = read("total_steps = 1000").unwrap_err().to_string();
        let expected = "`run.total_steps` is 1000, which is less than the 1024 steps of one rollout (`env.num_envs` x `rollout.num_steps`): give at least that many";
        assert_eq!(error, expected);
        let error = read("num_steps = 1000000000000").unwrap_err();
        assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error}");
    }

    #[test]
    fn whole_episodes_are_not_refused_for_sequences_that_they_are_not_cut_into() {
        let of = |algo: &str, state: &str| {
            read(&format!("algorithm.kind = '{algo}'\nrecurrence = {{ cell = 'gru', {state} }}"))
        };
        for (state, refused) in [("sequence_steps = 5", "sequence_steps` is 5"), ("burn_in = 200", "burn_in` is 200")] {
            assert!(of("reinforce", state).is_ok(), "{state}");
            let error = of("a2c", state).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`network.recurrence.{refused}; it must be ")), "{error}");
        }
        let error = of("reinforce", "size = 0").unwrap_err().to_string();
        assert_eq!(error, "`network.recurrence.size` is 0; it must be between 1 and 4096");
    }

    #[test]
    fn rollouts_overlap_only_where_the_objective_corrects_for_the_older_policy() {
        assert!(read("overlap = true").is_ok());
        let with = |term: &str| {
            let value = "[[loss]]\nweight = 1\nterm = { kind = 'value' }";
            format!("overlap = true\n{value}\n[[loss]]\nweight = 1\nterm = {{ {term} }}")
        };
        read(&with("kind = 'ppo_clip', clip_range = 0.2")).unwrap();
        let plain = with("kind = 'policy_gradient'");
        for settings in ["overlap = true\nalgorithm.kind = 'a2c'", "overlap = true\nalgorithm.kind = 'trpo'", &plain] {
            let error = read(settings).unwrap_err().to_string();
            assert!(
                error.starts_with("`rollout.overlap` is true; it must be false here: it is only for `ppo`"),
                "{error}"
            );
        }
    }
}
