//! Ranges of settings that do not depend on other settings.

use std::fmt;

use crate::{
    config::{AlgorithmConfig, Config, ConfigError, error::Errors},
    loss::Objective,
    optim::LearningRate,
};

/// Most environments, and most evaluation episodes: few enough to fit into memory.
const MANY: usize = 1 << 20;

pub(super) fn check(key: &str, value: impl fmt::Display, holds: bool, range: &str) -> Result<(), ConfigError> {
    match holds {
        true => Ok(()),
        false => Err(ConfigError::OutOfRange { key: key.into(), value: value.to_string(), range: range.into() }),
    }
}

fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

fn unit(value: f64) -> bool {
    (0.0..=1.0).contains(&value)
}

fn fits(value: usize, most: usize) -> bool {
    (1..=most).contains(&value)
}

impl Config {
    pub(super) fn check_ranges(&self, errors: &mut Errors) {
        let Self { run, env, rollout, algorithm, optimiser, checkpoint, .. } = self;
        errors.add(check("run.seed", run.seed, i64::try_from(run.seed).is_ok(), "below 2^63"));
        errors.add(check("run.total_steps", run.total_steps, i64::try_from(run.total_steps).is_ok(), "below 2^63"));
        errors.add(check("run.threads", run.threads, run.threads <= 1024, "at most 1024"));
        let target = run.target_return.unwrap_or_default();
        errors.add(check("run.target_return", target, target.is_finite(), "finite"));
        errors.add(check("env.num_envs", env.num_envs, fits(env.num_envs, MANY), "between 1 and 1048576"));
        errors.add(check("rollout.num_steps", rollout.num_steps, rollout.num_steps > 0, "at least 1"));
        errors.add(check("rollout.block_size", 0, rollout.block_size != Some(0), "at least 1"));
        let episodes = self.evaluation.episodes;
        errors.add(check("evaluation.episodes", episodes, fits(episodes, MANY), "between 1 and 1048576"));
        errors.add(check("checkpoint.keep", checkpoint.keep, checkpoint.keep > 0, "at least 1"));
        let episodes = checkpoint.episodes;
        errors.add(check("checkpoint.episodes", episodes, episodes <= MANY, "at most 1048576"));
        let stop = checkpoint.stop_return.unwrap_or_default();
        errors.add(check("checkpoint.stop_return", stop, stop.is_finite(), "finite"));
        if checkpoint.stop_return.is_some() && (episodes == 0 || checkpoint.interval.is_none_or(|every| every == 0)) {
            let reason = "it needs `checkpoint.episodes` and `checkpoint.interval`, both more than 0: evaluations by the \
                          clock would end the run at another update on another machine";
            errors.push(ConfigError::Invalid { key: "checkpoint.stop_return".into(), reason: reason.into() });
        }
        errors.add(check_learning_rate(optimiser.learning_rate));
        let norm = optimiser.max_grad_norm;
        errors.add(check("optimiser.max_grad_norm", norm, norm > 0.0, "more than 0, or none"));
        let invalid = |key: &str, reason: String| ConfigError::Invalid { key: key.into(), reason };
        errors.add(optimiser.kind.validate().map_err(|error| invalid("optimiser", error.to_string())));
        let objective = Objective::from_specs(algorithm.loss()).map(drop);
        errors.add(objective.map_err(|error| invalid("algorithm.loss", error.to_string())));
        algorithm.check_ranges(errors);
    }
}

fn check_learning_rate(rate: LearningRate) -> Result<(), ConfigError> {
    let key = "optimiser.learning_rate";
    match rate {
        LearningRate::Scheduled(rate) => check(key, rate, rate.is_positive_before_its_end(), BEFORE_ITS_END),
        LearningRate::Kl(rate) => match rate.fault() {
            Some((name, value, range)) => check(&format!("{key}.{name}"), value, false, range),
            None => Ok(()),
        },
    }
}

const BEFORE_ITS_END: &str = "more than 0, and at the end 0 or more";

impl AlgorithmConfig {
    fn check_ranges(&self, errors: &mut Errors) {
        errors.add(check("algorithm.gamma", self.gamma(), unit(self.gamma()), "between 0 and 1"));
        errors.add(check("algorithm.micro_batch_size", 0, self.micro_batch_size() != Some(0), "at least 1"));
        if let Some((key, value, range)) = self.estimator().and_then(|estimator| estimator.fault()) {
            errors.add(check(&format!("algorithm.{key}"), value, false, range));
        }
        let kl = self.kl_in_reward();
        errors.add(check("algorithm.kl_in_reward", kl, not_negative(kl), "0 or more"));
        let (epochs, minibatches) = self.passes();
        errors.add(check("algorithm.num_epochs", epochs, fits(epochs, 1_000_000), "between 1 and 1000000"));
        errors.add(check("algorithm.num_minibatches", minibatches, minibatches > 0, "at least 1"));
        let target = self.target_kl();
        errors.add(check("algorithm.target_kl", target, target > 0.0, "more than 0, or none"));
        let mut check_critic = |lambda: f64, weight: f64| {
            errors.add(check("algorithm.gae_lambda", lambda, unit(lambda), "between 0 and 1"));
            errors.add(check("algorithm.value_weight", weight, not_negative(weight), "0 or more"));
        };
        let entropy = match self {
            Self::Ppo(config) => {
                check_critic(config.gae_lambda, config.value_weight);
                let range = config.clip_range;
                errors.add(check("algorithm.clip_range", range, range.is_positive_before_its_end(), BEFORE_ITS_END));
                config.entropy_weight
            }
            Self::A2c(config) => {
                check_critic(config.gae_lambda, config.value_weight);
                config.entropy_weight
            }
            Self::Trpo(config) => {
                check_critic(config.gae_lambda, config.value_weight);
                let region = config.trust_region.validate();
                let key = "algorithm.trust_region".into();
                errors.add(region.map_err(|error| ConfigError::Invalid { key, reason: error.to_string() }));
                config.entropy_weight
            }
            Self::Reinforce(config) => config.entropy_weight,
        };
        errors.add(check(
            "algorithm.entropy_weight",
            entropy,
            entropy.ends().into_iter().all(not_negative),
            "0 or more",
        ));
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        config::{AlgorithmConfig, Config, ConfigError, PpoConfig, read},
        loss::Objective,
        optim::Schedule,
    };

    #[test]
    fn a_run_stops_at_an_evaluation_only_if_there_are_evaluations() {
        let read = |text: &str| read(text).map(|config| config.checkpoint.stop_return);
        assert_eq!(read("checkpoint = { episodes = 10, interval = 5, stop_return = 475 }").unwrap(), Some(475.0));
        for lacking in ["episodes = 10", "interval = 5", "episodes = 10, interval = 0"] {
            let error = read(&format!("checkpoint = {{ {lacking}, stop_return = 475 }}")).unwrap_err().to_string();
            assert!(error.contains("it needs `checkpoint.episodes` and `checkpoint.interval`"), "{error}");
        }
        let error = read("checkpoint = { episodes = 10, interval = 5, stop_return = nan }").unwrap_err().to_string();
        assert_eq!(error, "`checkpoint.stop_return` is NaN; it must be finite");
    }

    #[test]
    fn target_return_must_be_finite() {
        assert_eq!(read("").unwrap().run.target_return, None);
        assert_eq!(read("target_return = -110").unwrap().run.target_return, Some(-110.0));
        let error = read("target_return = inf").unwrap_err().to_string();
        assert_eq!(error, "`run.target_return` is inf; it must be finite");
    }

    #[test]
    fn a_limit_is_unset_with_none() {
        let text = "target_kl = 'none'\nmax_grad_norm = 'none'";
        let config = read(text).unwrap();
        assert_eq!((config.algorithm.target_kl(), config.optimiser.max_grad_norm), (f64::INFINITY, f64::INFINITY));
        assert_eq!(read(&text.replace("'none'", "inf")).unwrap(), config);
        let written = config.to_toml();
        for line in ["target_kl = \"none\"", "max_grad_norm = \"none\""] {
            assert!(written.lines().any(|other| other == line), "{line}: {written}");
        }
        assert_eq!(read(&written).unwrap(), config);
        for (text, message) in [
            ("target_kl = 0", "`algorithm.target_kl` is 0; it must be more than 0, or none"),
            ("max_grad_norm = -1", "`optimiser.max_grad_norm` is -1; it must be more than 0, or none"),
            ("max_grad_norm = 'off'", "`optimiser.max_grad_norm` is \"off\"; it must be a number, or \"none\""),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn minibatches_and_environments_are_cut_up_if_a_size_is_given() {
        let config = read("").unwrap();
        assert_eq!((config.algorithm.micro_batch_size(), config.rollout.block_size), (None, None));
        let config = read("micro_batch_size = 64\nblock_size = 3").unwrap();
        assert_eq!((config.algorithm.micro_batch_size(), config.rollout.block_size), (Some(64), Some(3)));
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        for (table, key) in [("algorithm", "micro_batch_size"), ("rollout", "block_size")] {
            let error = read(&format!("{key} = 0")).unwrap_err().to_string();
            assert_eq!(error, format!("`{table}.{key}` is 0; it must be at least 1"));
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
        assert!(Objective::from_specs(config.algorithm.loss()).unwrap().terms().eq(names));
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
            let error = read(&format!("{VALUE}{text}")).unwrap_err().to_string();
            assert!(error.starts_with("`algorithm.loss") && error.contains(message), "{error}");
        }
    }

    /// A term that trains the critic, which an objective of PPO needs.
    const VALUE: &str = "[[loss]]\nweight = 1\nterm = { kind = 'value' }\n";

    #[test]
    fn a_clip_range_schedule_may_end_at_zero() {
        let closing = Schedule::Linear { start: 0.2, end: 0.0 };
        let config = read("clip_range = { kind = 'linear', start = 0.2 }").unwrap();
        let expected = PpoConfig { clip_range: closing, ..PpoConfig::default() };
        assert_eq!(config.algorithm, AlgorithmConfig::Ppo(expected));
        let term = |range: &str| {
            let range = format!("{{ kind = 'linear', {range} }}");
            read(&format!("{VALUE}[[loss]]\nweight = 1\nterm = {{ kind = 'ppo_clip', clip_range = {range} }}"))
        };
        assert!(term("start = 0.2").is_ok());
        let error = term("start = 0.2, end = -0.1").unwrap_err().to_string();
        let expected = "`algorithm.loss`: `clip_range` of the term `policy_loss` is 0.2 to -0.1; it must be more than 0, and at \
                        the end 0 or more";
        assert_eq!(error, expected);
    }

    #[test]
    fn an_estimator_is_read_if_it_is_given() {
        let config = read("estimator = { kind = 'n_step', n = 5 }").unwrap();
        assert_eq!(read(&config.to_toml()).unwrap(), config);
        assert!(Config::default().to_toml().contains("estimator = \"none\""));
        for (text, message) in [
            (
                "estimator = { kind = 'gae', lambda = 1.5 }",
                "`algorithm.estimator.lambda` is 1.5; it must be between 0 and 1",
            ),
            ("estimator = { kind = 'gae' }", "`algorithm.estimator.lambda` is missing; it must be a number"),
            (
                "estimator = { kind = 'n_step', n = 0 }",
                "`algorithm.estimator.n` is 0; it must be a whole number, 1 or more",
            ),
            // V-trace is for actions of another policy, which do not occur here.
            (
                "estimator = { kind = 'vtrace', rho_clip = 1.0, c_clip = 1.0 }",
                "`algorithm.estimator.kind` is \"vtrace\"; it must be",
            ),
            (
                "estimator = { kind = 'reward_to_go', bootstrap = 'none' }",
                "`algorithm.estimator.bootstrap` is \"none\"; it must be",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused_by_name() {
        for (text, message) in [
            ("gamma = 1.5", "`algorithm.gamma` is 1.5; it must be between 0 and 1"),
            ("gae_lambda = -0.1", "`algorithm.gae_lambda` is -0.1; it must be between 0 and 1"),
            ("gamma = nan", "`algorithm.gamma` is NaN; it must be between 0 and 1"),
            ("clip_range = -0.2", "`algorithm.clip_range` is -0.2; it must be more than 0, and at the end 0 or more"),
            ("clip_range = 0", "`algorithm.clip_range` is 0; it must be more than 0, and at the end 0 or more"),
            ("learning_rate = 0", "`optimiser.learning_rate` is 0; it must be more than 0, and at the end 0 or more"),
            (
                "learning_rate = inf",
                "`optimiser.learning_rate` is inf; it must be more than 0, and at the end 0 or more",
            ),
            (
                "clip_range = { kind = 'linear', start = 0, end = 0.2 }",
                "`algorithm.clip_range` is 0 to 0.2; it must be more than 0, and at the end 0 or more",
            ),
            (
                "clip_range = { kind = 'cosine', start = 0.2, end = -0.1 }",
                "`algorithm.clip_range` is 0.2 to -0.1; it must be more than 0, and at the end 0 or more",
            ),
            (
                "entropy_weight = { kind = 'cosine', start = 0.1, end = -1 }",
                "`algorithm.entropy_weight` is 0.1 to -1; it must be 0 or more",
            ),
            ("num_envs = 0", "`env.num_envs` is 0; it must be between 1 and 1048576"),
        ] {
            assert_eq!(read(text).unwrap_err().to_string(), message);
        }
        for key in ["num_steps", "num_epochs", "num_minibatches", "evaluation.episodes"] {
            assert!(read(&format!("{key} = 0")).is_err(), "{key}");
        }
        for key in ["entropy_weight", "value_weight", "max_grad_norm"] {
            assert!(read(&format!("{key} = -1.0")).is_err(), "{key}");
        }
        for text in ["num_envs = 1000000000", "evaluation.episodes = 1000000000", "threads = 60000"] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, ConfigError::OutOfRange { .. }), "{text}: {error}");
        }
        let huge = Config::default().with(|config| config.run.total_steps = u64::MAX);
        assert!(huge.validate().is_err(), "TOML has no such number");
    }
}
