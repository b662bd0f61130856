//! Ranges of settings that do not depend on other settings.

use std::fmt;

use crate::{
    config::{Config, ConfigError},
    loss::Objective,
};

/// Most environments, and most evaluation episodes: few enough to fit into memory.
const MANY: usize = 1 << 20;

pub(super) fn check(
    key: &'static str,
    value: impl fmt::Display,
    holds: bool,
    range: &'static str,
) -> Result<(), ConfigError> {
    if holds { Ok(()) } else { Err(ConfigError::OutOfRange { key, value: value.to_string(), range }) }
}

impl Config {
    pub(super) fn check_ranges(&self) -> Result<(), ConfigError> {
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        let fits = |v: usize, most: usize| (1..=most).contains(&v);

        check("seed", self.seed, i64::try_from(self.seed).is_ok(), "below 2^63")?;
        check("total_steps", self.total_steps, i64::try_from(self.total_steps).is_ok(), "below 2^63")?;
        check("threads", self.threads, self.threads <= 1024, "at most 1024")?;
        check("num_envs", self.num_envs, fits(self.num_envs, MANY), "between 1 and 1048576")?;
        check("num_steps", self.num_steps, fits(self.num_steps, usize::MAX), "at least 1")?;
        check("num_epochs", self.num_epochs, fits(self.num_epochs, 1_000_000), "between 1 and 1000000")?;
        check("num_minibatches", self.num_minibatches, fits(self.num_minibatches, usize::MAX), "at least 1")?;
        let parts = self.micro_batch_size;
        check("micro_batch_size", parts.unwrap_or_default(), parts != Some(0), "at least 1")?;
        let target = self.target_return.unwrap_or_default();
        check("target_return", target, target.is_finite(), "finite")?;
        check("block_size", self.block_size.unwrap_or_default(), self.block_size != Some(0), "at least 1")?;
        check("eval_episodes", self.eval_episodes, fits(self.eval_episodes, MANY), "between 1 and 1048576")?;
        check("checkpoint.keep", self.checkpoint.keep, self.checkpoint.keep > 0, "at least 1")?;
        let episodes = self.checkpoint.eval_episodes;
        check("checkpoint.eval_episodes", episodes, episodes <= MANY, "at most 1048576")?;
        check("gamma", self.gamma, unit(self.gamma), "between 0 and 1")?;
        check("gae_lambda", self.gae_lambda, unit(self.gae_lambda), "between 0 and 1")?;
        if let Some((key, value, range)) = self.estimator.and_then(|estimator| estimator.fault()) {
            check(key, value, false, range)?;
        }
        let range = "more than 0, and at the end 0 or more";
        check("clip_range", self.clip_range, self.clip_range.is_positive_before_its_end(), range)?;
        check("target_kl", self.target_kl, self.target_kl > 0.0, "more than 0")?;
        check("kl_in_reward", self.kl_in_reward, not_negative(self.kl_in_reward), "0 or more")?;
        let weights = self.entropy_weight.ends();
        check("entropy_weight", self.entropy_weight, weights.into_iter().all(not_negative), "0 or more")?;
        check("value_weight", self.value_weight, not_negative(self.value_weight), "0 or more")?;
        check("learning_rate", self.learning_rate, self.learning_rate.is_positive_before_its_end(), range)?;
        self.optimiser.validate().map_err(|error| ConfigError::Value(format!("`optimiser`: {error}")))?;
        check("max_grad_norm", self.max_grad_norm, positive(self.max_grad_norm), "more than 0 and finite")?;
        Objective::from_specs(&self.loss).map_err(|error| ConfigError::Value(format!("`loss`: {error}")))?;
        self.trust_region.validate().map_err(|error| ConfigError::Value(format!("`trust_region`: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{Config, ConfigError, read},
        loss::Objective,
        optim::Schedule,
    };

    #[test]
    fn a_return_that_is_not_finite_is_no_target() {
        assert_eq!(read("").unwrap().target_return, None);
        assert_eq!(read("target_return = -110").unwrap().target_return, Some(-110.0));
        let error = read("target_return = inf").unwrap_err().to_string();
        assert_eq!(error, "`target_return` is inf, but must be finite");
    }

    #[test]
    fn minibatches_and_environments_are_cut_up_if_a_size_is_given() {
        let config = read("").unwrap();
        assert_eq!((config.micro_batch_size, config.block_size), (None, None));
        let config = read("micro_batch_size = 64\nblock_size = 3").unwrap();
        assert_eq!((config.micro_batch_size, config.block_size), (Some(64), Some(3)));
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        for key in ["micro_batch_size", "block_size"] {
            let error = read(&format!("{key} = 0")).unwrap_err().to_string();
            assert_eq!(error, format!("`{key}` is 0, but must be at least 1"));
        }
    }

    #[test]
    fn an_objective_is_read_term_by_term() {
        let text = "
            [[loss]]
            weight = 1
            term = { kind = 'kl_penalty', target = 0.02 }
            [[loss]]
            weight = { kind = 'linear', start = 0.1 }
            term = { kind = 'kl_to_reference', estimator = 'k2' }
            [[loss]]
            weight = 0.5
            term = { kind = 'value', clip = { kind = 'hard', range = 0.2 } }
            [[loss]]
            weight = 0.01
            term = { kind = 'entropy' }
        ";
        let config = read(text).unwrap();
        let names = ["policy_loss", "reference_kl_loss", "value_loss", "entropy_loss"];
        assert!(Objective::from_specs(&config.loss).unwrap().terms().eq(names));
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        for (text, message) in [
            ("[[loss]]\nweight = -1\nterm = { kind = 'entropy' }", "entropy_loss"),
            (
                "[[loss]]\nweight = 1\nterm = { kind = 'ppo_clip', clip_range = 0 }",
                "`clip_range` of the term `policy_loss` is 0",
            ),
            ("[[loss]]\nweight = 1\nterm = { kind = 'entropi' }", "entropi"),
            ("[[loss]]\nweight = 1\nterm = { kind = 'entropy', clip_range = 1 }", "clip_range"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("`loss`") && error.contains(message), "{error}");
        }
    }

    #[test]
    fn a_clip_range_may_close_by_the_end() {
        let closing = Schedule::Linear { start: 0.2, end: 0.0 };
        assert_eq!(read("clip_range = { kind = 'linear', start = 0.2 }").unwrap().clip_range, closing);
        let term = |range: &str| {
            let range = format!("{{ kind = 'linear', {range} }}");
            read(&format!("[[loss]]\nweight = 1\nterm = {{ kind = 'ppo_clip', clip_range = {range} }}"))
        };
        assert!(term("start = 0.2").is_ok());
        let error = term("start = 0.2, end = -0.1").unwrap_err().to_string();
        let expected = "`loss`: `clip_range` of the term `policy_loss` is 0.2 to -0.1, but must be more than 0, and at \
                        the end 0 or more";
        assert_eq!(error, expected);
    }

    #[test]
    fn an_estimator_is_read_if_it_is_given() {
        let config = read("estimator = { kind = 'n_step', n = 5 }").unwrap();
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        assert!(!Config::default().to_toml().contains("estimator"));
        for (text, message) in [
            ("estimator = { kind = 'gae', lambda = 1.5 }", "`estimator.lambda` is 1.5, but must be between 0 and 1"),
            ("estimator = { kind = 'gae' }", "missing field `lambda`"),
            ("estimator = { kind = 'n_step', n = 0 }", "`estimator` = "),
            // V-trace is for actions of another policy, which do not occur here.
            ("estimator = { kind = 'vtrace', rho_clip = 1.0, c_clip = 1.0 }", "unknown variant `vtrace`"),
            ("estimator = { kind = 'reward_to_go', bootstrap = 'none' }", "unknown variant `none`"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (text, message) in [
            ("gamma = 1.5", "`gamma` is 1.5, but must be between 0 and 1"),
            ("gae_lambda = -0.1", "`gae_lambda` is -0.1, but must be between 0 and 1"),
            ("gamma = nan", "`gamma` is NaN, but must be between 0 and 1"),
            ("clip_range = -0.2", "`clip_range` is -0.2, but must be more than 0, and at the end 0 or more"),
            ("clip_range = 0", "`clip_range` is 0, but must be more than 0, and at the end 0 or more"),
            ("learning_rate = 0", "`learning_rate` is 0, but must be more than 0, and at the end 0 or more"),
            ("learning_rate = inf", "`learning_rate` is inf, but must be more than 0, and at the end 0 or more"),
            (
                "clip_range = { kind = 'linear', start = 0, end = 0.2 }",
                "`clip_range` is 0 to 0.2, but must be more than 0, and at the end 0 or more",
            ),
            (
                "clip_range = { kind = 'cosine', start = 0.2, end = -0.1 }",
                "`clip_range` is 0.2 to -0.1, but must be more than 0, and at the end 0 or more",
            ),
            (
                "entropy_weight = { kind = 'cosine', start = 0.1, end = -1 }",
                "`entropy_weight` is 0.1 to -1, but must be 0 or more",
            ),
            ("num_envs = 0", "`num_envs` is 0, but must be between 1 and 1048576"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        for key in ["num_steps", "num_epochs", "num_minibatches", "eval_episodes"] {
            assert!(read(&format!("{key} = 0")).is_err(), "{key}");
        }
        for key in ["entropy_weight", "value_weight", "max_grad_norm"] {
            assert!(read(&format!("{key} = -1.0")).is_err(), "{key}");
        }
        for text in ["num_envs = 1000000000", "eval_episodes = 1000000000", "threads = 60000"] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfRange { .. }), "{text}: {error}");
        }
        let huge = Config { total_steps: u64::MAX, ..Config::default() };
        assert!(huge.validate().is_err(), "TOML has no such number");
    }
}
