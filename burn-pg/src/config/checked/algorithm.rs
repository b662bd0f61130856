//! Checks of settings that depend on the algorithm.

use super::ranges::check;
use crate::{
    config::{AlgorithmConfig, Config, ConfigError, PpoConfig},
    loss::TermSpec,
    optim::LearningRate,
};

impl Config {
    pub(super) fn check_algorithm(&self) -> Result<(), ConfigError> {
        match &self.algorithm {
            AlgorithmConfig::Trpo(_) => self.check_region()?,
            AlgorithmConfig::Ppo(ppo) => check_divergence(ppo)?,
            AlgorithmConfig::A2c(_) | AlgorithmConfig::Reinforce(_) => {}
        }
        self.check_learning_rate()?;
        let uses_values = self.algorithm.estimator().is_none_or(|estimator| estimator.build(1.0).needs_values());
        if !self.algorithm.acts_by_episodes() && uses_values {
            self.check_trained("the critic", TermSpec::trains_critic)?;
        }
        self.check_trained("the policy", |term| !term.trains_critic())
    }

    /// Checks that a learning rate that is adapted to the KL divergence has one to be adapted to.
    fn check_learning_rate(&self) -> Result<(), ConfigError> {
        let rate = self.optimiser.learning_rate;
        let (epochs, minibatches) = self.algorithm.passes();
        let range = match (rate, &self.algorithm) {
            (LearningRate::Scheduled(_), _) => return Ok(()),
            (_, AlgorithmConfig::Ppo(ppo)) if !measures_divergence(ppo) => {
                "a number or a schedule: `algorithm.loss` has no term that reports `approx_kl`"
            }
            (_, AlgorithmConfig::Ppo(_)) if epochs == 1 && minibatches == 1 => {
                "a number or a schedule: with a single step per rollout (`num_epochs` and `num_minibatches`), the KL \
                 divergence before the step is always 0"
            }
            (_, AlgorithmConfig::Ppo(_)) => return Ok(()),
            _ => "a number or a schedule: only `ppo` adapts it to the KL divergence",
        };
        check("optimiser.learning_rate", rate, false, range)
    }

    fn check_trained(&self, of: &'static str, trained: fn(&TermSpec) -> bool) -> Result<(), ConfigError> {
        let loss = self.algorithm.loss();
        if loss.is_empty() || loss.iter().any(|summand| trained(&summand.term)) {
            return Ok(());
        }
        Err(ConfigError::Untrained { algo: self.algorithm.algo(), of })
    }

    /// Checks that only the step within the trust region changes the policy.
    fn check_region(&self) -> Result<(), ConfigError> {
        let (shared, decay) = (self.network.shared_layers, self.optimiser.kind.weight_decay());
        let range = "false: the steps of the critic would take the policy of trpo out of its region";
        check("network.shared_layers", shared, !shared, range)?;
        let range = "0: the decay would take the policy of trpo out of its region";
        check("optimiser.weight_decay", decay, decay == 0.0, range)?;
        let learnt = self.network.exploration.sde.is_none_or(|noise| noise.learn_features);
        let range = "true: detached features would hide from trpo how far the standard deviations move";
        check("network.exploration.sde.learn_features", learnt, learnt, range)
    }
}

/// Checks that some term reports the KL divergence if `target_kl` is set.
fn check_divergence(ppo: &PpoConfig) -> Result<(), ConfigError> {
    let range = "none: `loss` has no term that reports `approx_kl`";
    check("algorithm.target_kl", ppo.target_kl, measures_divergence(ppo) || ppo.target_kl.is_infinite(), range)
}

/// True if some term reports the KL divergence.
fn measures_divergence(ppo: &PpoConfig) -> bool {
    ppo.loss.is_empty() || ppo.loss.iter().any(|summand| summand.term.reports_divergence())
}

#[cfg(test)]
mod tests {
    use crate::config::{Algo, ConfigError, read};

    #[test]
    fn an_objective_that_trains_no_policy_is_refused() {
        let value = "[[loss]]\nweight = 1\nterm = { kind = 'value' }";
        for algo in Algo::ALL {
            let text = format!("algorithm.kind = '{algo}'\n{value}");
            let error = read(&text).unwrap_err();
            assert_eq!(error, ConfigError::Untrained { algo, of: "the policy" });
            assert_eq!(
                error.to_string(),
                format!("`algorithm.loss` has no term that trains the policy, and {algo} needs one")
            );
        }
    }

    #[test]
    fn trpo_requires_learn_features_with_gsde() {
        let of_trpo = |learn: bool| {
            read(&format!(
                "algorithm.kind = 'trpo'\nnum_minibatches = 1\nexploration = {{ sde = {{ learn_features = {learn} }} }}"
            ))
        };
        assert!(of_trpo(true).is_ok());
        let error = of_trpo(false).unwrap_err().to_string();
        assert!(error.starts_with("`network.exploration.sde.learn_features` is false; it must be true"), "{error}");
    }

    #[test]
    fn target_kl_needs_a_term_that_reports_it() {
        let of = |algo: &str, rest: &str| {
            read(&format!("algorithm.kind = '{algo}'\ntarget_kl = 0.02\nnum_minibatches = 1\n{rest}"))
        };
        let value = "[[loss]]\nweight = 1\nterm = { kind = 'value' }";
        let term = |term: &str| format!("{value}\n[[loss]]\nweight = 1\nterm = {{ {term} }}");
        for measured in
            ["kind = 'ppo_clip', clip_range = 0.2", "kind = 'kl_penalty', target = 0.1", "kind = 'surrogate'"]
        {
            of("ppo", &term(measured)).unwrap();
        }
        of("ppo", "").unwrap();
        let error = of("ppo", &term("kind = 'policy_gradient'")).unwrap_err().to_string();
        assert_eq!(
            error,
            "`algorithm.target_kl` is 0.02; it must be none: `loss` has no term that reports `approx_kl`"
        );
        for algo in ["reinforce", "a2c"] {
            let error = read(&format!("algorithm.kind = '{algo}'\ntarget_kl = 0.02")).unwrap_err().to_string();
            assert_eq!(
                error,
                &*format!("`algorithm.target_kl` is not read: `{algo}` has no such setting, only `ppo` has")
            );
        }
    }
}
