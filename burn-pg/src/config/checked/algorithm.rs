//! Checks of settings that depend on the algorithm.

use super::ranges::check;
use crate::{
    config::{Algo, Config, ConfigError},
    loss::TermSpec,
};

impl Config {
    pub(super) fn check_algorithm(&self) -> Result<(), ConfigError> {
        match self.algo {
            Algo::Reinforce | Algo::A2c => self.check_single_step()?,
            Algo::Trpo => self.check_region()?,
            Algo::Ppo => self.check_divergence()?,
        }
        self.check_trained("the policy", |term| !term.trains_critic())
    }

    /// Checks that there is one step per rollout: after it, the actions no longer come from the current policy.
    fn check_single_step(&self) -> Result<(), ConfigError> {
        let passes = format!("{} x {}", self.num_epochs, self.num_minibatches);
        let once = self.num_epochs == 1 && self.num_minibatches == 1;
        let range = "1 x 1: only ppo, and trpo for its critic, take several steps a rollout";
        check("num_epochs x num_minibatches", passes, once, range)?;
        let range = "inf: there is one pass over a rollout, and no other to leave out";
        check("target_kl", self.target_kl, self.target_kl.is_infinite(), range)
    }

    /// Checks that some term reports the KL divergence if `target_kl` is set.
    fn check_divergence(&self) -> Result<(), ConfigError> {
        let measured = self.loss.is_empty() || self.loss.iter().any(|summand| summand.term.reports_divergence());
        let range = "inf: `loss` has no term that reports `approx_kl`";
        check("target_kl", self.target_kl, measured || self.target_kl.is_infinite(), range)
    }

    fn check_trained(&self, of: &'static str, trained: fn(&TermSpec) -> bool) -> Result<(), ConfigError> {
        if self.loss.is_empty() || self.loss.iter().any(|summand| trained(&summand.term)) {
            return Ok(());
        }
        Err(ConfigError::Untrained { algo: self.algo, of })
    }

    /// Checks that only the step within the trust region changes the policy.
    fn check_region(&self) -> Result<(), ConfigError> {
        let (shared, decay) = (self.shared_layers, self.optimiser.weight_decay());
        let range = "false: the steps of the critic would take the policy of trpo out of its region";
        check("shared_layers", shared, !shared, range)?;
        let range = "0: the decay would take the policy of trpo out of its region";
        check("optimiser.weight_decay", decay, decay == 0.0, range)?;
        let range = "inf: what bounds the divergence of trpo is `trust_region.max_kl`";
        check("target_kl", self.target_kl, self.target_kl.is_infinite(), range)?;
        let learnt = self.exploration.sde.is_none_or(|noise| noise.learn_features);
        let range = "true: detached features would hide from trpo how far the deviations move";
        check("exploration.sde.learn_features", learnt, learnt, range)?;
        self.check_trained("the critic", TermSpec::trains_critic)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Algo, ConfigError, read};

    #[test]
    fn an_objective_that_trains_no_policy_is_refused() {
        let value = "[[loss]]\nweight = 1\nterm = { kind = 'value' }";
        for algo in Algo::ALL {
            let text = format!("algo = '{algo}'\nnum_epochs = 1\nnum_minibatches = 1\n{value}");
            let error = read(&text).unwrap_err();
            assert_eq!(error, ConfigError::Untrained { algo, of: "the policy" });
            assert_eq!(error.to_string(), format!("`loss` has no term that trains the policy, and {algo} needs one"));
        }
    }

    #[test]
    fn trpo_moves_the_features_of_held_noise_within_its_region() {
        let of_trpo = |learn: bool| {
            read(&format!(
                "algo = 'trpo'\nnum_minibatches = 1\nexploration = {{ sde = {{ learn_features = {learn} }} }}"
            ))
        };
        assert!(of_trpo(true).is_ok());
        let error = of_trpo(false).unwrap_err().to_string();
        assert!(error.starts_with("`exploration.sde.learn_features` is false, but must be true"), "{error}");
    }

    #[test]
    fn a_target_for_a_divergence_that_nobody_measures_is_refused() {
        let of =
            |algo: &str, rest: &str| read(&format!("algo = '{algo}'\ntarget_kl = 0.02\nnum_minibatches = 1\n{rest}"));
        let term = |term: &str| format!("[[loss]]\nweight = 1\nterm = {{ {term} }}");
        for measured in
            ["kind = 'ppo_clip', clip_range = 0.2", "kind = 'kl_penalty', target = 0.1", "kind = 'surrogate'"]
        {
            of("ppo", &term(measured)).unwrap();
        }
        of("ppo", "").unwrap();
        let error = of("ppo", &term("kind = 'policy_gradient'")).unwrap_err().to_string();
        assert_eq!(error, "`target_kl` is 0.02, but must be inf: `loss` has no term that reports `approx_kl`");
        for algo in ["reinforce", "a2c"] {
            let error = of(algo, "num_epochs = 1").unwrap_err().to_string();
            assert!(error.starts_with("`target_kl` is 0.02, but must be inf: there is one pass"), "{error}");
        }
    }
}
