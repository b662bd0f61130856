//! Networks that start with the weights of a trained policy.

use super::StartMisfit;
use crate::{
    Agent, CheckedConfig,
    policy::{ActorCritic, Observation, Policy},
    storage::{tensors, weights},
};

/// The parts of the networks that only the critic uses.
const OF_CRITIC: [&str; 3] = ["critic.", "critic_encoder.", "critic_memory."];

/// Returns the network `fresh` with the weights of `policy`.
pub(super) fn with_weights_of<P: Policy>(fresh: P, policy: &P) -> Result<P, StartMisfit> {
    let (expected, given) = (weights::in_single_precision(&fresh)?, weights::in_single_precision(policy)?);
    Ok(tensors::into_module(fresh, given, &expected)?)
}

/// Returns the networks `fresh` with the weights of `policy`. If only one of the two has a critic, `fresh` keeps its
/// own, or none.
pub(super) fn with_weights_of_actor_critic(
    fresh: ActorCritic,
    policy: &ActorCritic,
) -> Result<ActorCritic, StartMisfit> {
    let expected = weights::in_single_precision(&fresh)?;
    let mut given = weights::in_single_precision(policy)?;
    if fresh.has_critic() != policy.has_critic() {
        let is_of_critic = |name: &str| OF_CRITIC.iter().any(|part| name.starts_with(part));
        given.retain(|name, _| !is_of_critic(name));
        let own = expected.iter().filter(|(name, _)| is_of_critic(name));
        given.extend(own.map(|(name, data)| (name.clone(), data.clone())));
    }
    let started = tensors::into_module(fresh, given, &expected)?;
    for ((key, given), (_, of_policy)) in started.formulas().into_iter().zip(policy.formulas()) {
        compare(key, given, of_policy)?;
    }
    Ok(started)
}

/// Checks that the configuration normalises observations as the agent does: its policy was trained on such
/// observations.
pub(super) fn check_observations<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    config: &CheckedConfig,
) -> Result<(), StartMisfit> {
    let [given, of_policy] = [config.env.normalize_observations, agent.normalizer().is_some()];
    compare("env.normalize_observations", given.to_string(), of_policy.to_string())
}

fn compare(key: &'static str, given: String, of_policy: String) -> Result<(), StartMisfit> {
    match given == of_policy {
        true => Ok(()),
        false => Err(StartMisfit::Setting { key, given, of_policy }),
    }
}
