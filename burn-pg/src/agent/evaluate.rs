//! Evaluation of an agent.

use burn_pg_envs::{Autoreset, VectorEnv};
use serde::{Deserialize, Serialize};

use super::{Agent, misfit::check_envs};
use crate::{
    Error,
    kernel::run_on,
    policy::{Observation, Policy},
    source::{step_envs, streams},
};

/// Maximum number of steps of an episode if the environment has no time limit.
pub(super) const STEP_LIMIT: u32 = 100_000;

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Undiscounted return of each episode.
    pub returns: Vec<f64>,
    /// Length of each episode, in steps.
    pub lengths: Vec<u32>,
}

impl Evaluation {
    /// Returns the mean return.
    #[must_use]
    pub fn return_mean(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len() as f64
    }

    /// Returns the standard deviation of the returns (of the population, as NumPy's `std`).
    #[must_use]
    pub fn return_std(&self) -> f64 {
        let mean = self.return_mean();
        let squares: f64 = self.returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        (squares / self.returns.len() as f64).sqrt()
    }

    /// Returns the mean length, in steps.
    #[must_use]
    pub fn length_mean(&self) -> f64 {
        self.lengths.iter().map(|&l| f64::from(l)).sum::<f64>() / self.lengths.len() as f64
    }
}

/// Plays one new episode in each environment of `envs`, with the most probable actions, or with sampled ones if
/// `stochastic`. Pass the environments as [`make`](burn_pg_envs::make) returns them, without wrappers: the agent
/// normalises observations and transforms actions itself. An episode of an environment without a time limit is cut off
/// after 100,000 steps. The episodes depend only on `seed`, and share no seeds with training.
///
/// # Errors
/// [`Error::EnvMisfit`] if the environments do not fit the agent, or are wrapped; [`Error::Observation`] or
/// [`Error::ImageValue`] if an observation is invalid, [`Error::Policy`] if the policy's output is not a distribution,
/// [`Error::Env`] if an environment fails, [`Error::Execution`] if the device fails.
pub fn evaluate<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    envs: Box<dyn VectorEnv>,
    seed: u64,
    stochastic: bool,
) -> Result<Evaluation, Error> {
    evaluate_with(agent, envs, seed, stochastic, |_| {})
}

/// [Evaluates](evaluate) an agent and calls `on_step` after each step of all environments, with the number of episodes
/// that have ended so far.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    mut envs: Box<dyn VectorEnv>,
    seed: u64,
    stochastic: bool,
    mut on_step: impl FnMut(usize) + Send,
) -> Result<Evaluation, Error> {
    let agent = agent.clone();
    run_on(&agent.device.clone(), move || {
        check_envs(agent.spec(), &*envs)?;
        let num_envs = envs.num_envs();
        let seed = streams::evaluation_seed(seed);
        envs.set_autoreset(Autoreset::SameStep)?;
        envs.reset(seed)?;
        let limit = envs.spec().max_episode_steps.unwrap_or(STEP_LIMIT);
        let mut outcome = Evaluation { returns: vec![0.0; num_envs], lengths: vec![0; num_envs] };
        let player = agent.player(num_envs);
        let mut player = if stochastic { player.stochastic(seed) } else { player };
        let mut playing = num_envs;
        for step in 1..=limit {
            let batch = envs.checked_batch()?;
            let actions = player.act(&batch.observations, &batch.action_masks)?;
            step_envs(&mut *envs, actions.as_actions())?;
            let batch = envs.checked_batch()?;
            player.begin_episodes(batch.ended());
            // Only the first episode of each environment counts: otherwise short episodes would be over-represented.
            for env in 0..num_envs {
                let ended = batch.terminated[env] || batch.truncated[env] || step == limit;
                if ended && outcome.lengths[env] == 0 {
                    outcome.returns[env] = batch.episode_returns[env];
                    outcome.lengths[env] = batch.episode_lengths[env];
                    playing -= 1;
                }
            }
            on_step(num_envs - playing);
            if playing == 0 {
                break;
            }
        }
        Ok(outcome)
    })
}
