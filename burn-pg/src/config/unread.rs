//! Settings that nothing reads, because of other settings.

use burn_pg_envs::{EnvSpec, Space};

use super::{AlgorithmConfig, Config, OnEnvironment, OnNumbers};
use crate::{
    optim::OptimiserSpec,
    policy::{ActionDistribution, Exploration},
};

/// Returns the keys that nothing reads in this configuration, with the reason: in an environment of this specification,
/// if there is one.
pub(super) fn unread(config: &Config, spec: Option<&EnvSpec>) -> Vec<(&'static str, &'static str)> {
    let mut keys = Vec::new();
    let mut add = |unread: bool, of: &[&'static str], reason| {
        if unread {
            keys.extend(of.iter().map(|&key| (key, reason)));
        }
    };
    let is_reinforce = matches!(config.algorithm, AlgorithmConfig::Reinforce(_));
    let episodes = "the rollouts of reinforce are whole episodes";
    add(is_reinforce, &["rollout.num_steps"], episodes);
    let sequences = ["network.recurrence.sequence_steps", "network.recurrence.burn_in"];
    add(is_reinforce && config.network.recurrence.spec().is_some(), &sequences, episodes);

    let has_loss = !config.algorithm.loss().is_empty();
    let objective: &[_] = match config.algorithm {
        AlgorithmConfig::Ppo(_) => {
            &["algorithm.entropy_weight", "algorithm.value_weight", "algorithm.clip_range", "algorithm.clip_value"]
        }
        AlgorithmConfig::A2c(_) | AlgorithmConfig::Trpo(_) => &["algorithm.entropy_weight", "algorithm.value_weight"],
        AlgorithmConfig::Reinforce(_) => &["algorithm.entropy_weight"],
    };
    add(has_loss, objective, "the objective is `algorithm.loss`");
    let has_estimator = config.algorithm.estimator().is_some();
    add(has_estimator && !is_reinforce, &["algorithm.gae_lambda"], "the estimator is `algorithm.estimator`");

    let skips = config.faults.numbers == OnNumbers::Skip || config.faults.environment == OnEnvironment::Restart;
    let no_skips = "no update is skipped, unless `faults.numbers` is \"skip\" or `faults.environment` is \"restart\"";
    add(!skips, &["faults.limit"], no_skips);

    let without_momentum = matches!(&config.optimiser.kind, OptimiserSpec::Sgd(sgd) if sgd.momentum == 0.0);
    add(without_momentum, &["optimiser.dampening"], "it is for `optimiser.momentum`, which is 0");

    let is_discrete = spec.is_some_and(|spec| !matches!(spec.action_space, Space::Box { .. }));
    let Exploration { distribution, squash, state_dependent, log_std, sde } = config.network.exploration;
    let continuous = "it is for continuous actions, and the environment has none";
    let is_beta = distribution == ActionDistribution::Beta;
    add(is_discrete && is_beta, &["network.exploration.distribution"], continuous);
    add(is_discrete && squash, &["network.exploration.squash"], continuous);
    add(is_discrete && state_dependent, &["network.exploration.state_dependent"], continuous);
    add(is_discrete && log_std != 0.0, &["network.exploration.log_std"], continuous);
    add(is_discrete && sde.is_some(), &["network.exploration.sde"], continuous);
    keys
}
