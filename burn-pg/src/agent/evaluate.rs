//! Evaluation of an agent.

use burn_pg_envs::{Autoreset, VectorEnv, is_of_python};
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

/// Most environments of Python that an evaluation makes: each of them takes the memory of a whole environment.
const MOST_OF_PYTHON: usize = 8;

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
    let episodes = envs.num_envs();
    evaluate_episodes(agent, envs, episodes, seed, stochastic, |_| {})
}

/// Returns how many environments called `name` to make for an evaluation of `episodes` episodes: one for each, but only
/// a few of Python, which play several episodes one after the other.
#[must_use]
pub fn evaluation_envs(name: &str, episodes: usize) -> usize {
    if is_of_python(name) { episodes.min(MOST_OF_PYTHON) } else { episodes }
}

/// [Evaluates](evaluate) an agent over `episodes` episodes: the environments play as many rounds as that takes, of one
/// new episode each. Each episode has its own seed, so that the returns do not depend on the number of environments,
/// unless actions are sampled. Calls `on_step` after each step of all environments, with the number of episodes that have
/// ended so far.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_episodes<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    mut envs: Box<dyn VectorEnv>,
    episodes: usize,
    seed: u64,
    stochastic: bool,
    mut on_step: impl FnMut(usize) + Send,
) -> Result<Evaluation, Error> {
    let agent = agent.clone();
    run_on(&agent.device.clone(), move || {
        check_envs(agent.spec(), &*envs)?;
        envs.set_autoreset(Autoreset::SameStep)?;
        let seed = streams::evaluation_seed(seed);
        let mut outcome = Evaluation { returns: Vec::new(), lengths: Vec::new() };
        while outcome.returns.len() < episodes {
            let done = outcome.returns.len();
            let count = envs.num_envs().min(episodes - done);
            let mut on_step = |ended| on_step(done + ended);
            let round =
                play_round(&agent, &mut *envs, count, seed.wrapping_add(done as u64), stochastic, &mut on_step)?;
            outcome.returns.extend(round.returns);
            outcome.lengths.extend(round.lengths);
        }
        Ok(outcome)
    })
}

/// Plays one new episode in each of the first `count` environments.
fn play_round<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    envs: &mut dyn VectorEnv,
    count: usize,
    seed: u64,
    stochastic: bool,
    on_step: &mut impl FnMut(usize),
) -> Result<Evaluation, Error> {
    envs.reset(seed)?;
    let limit = envs.spec().max_episode_steps.unwrap_or(STEP_LIMIT);
    let mut outcome = Evaluation { returns: vec![0.0; count], lengths: vec![0; count] };
    let player = agent.player(envs.num_envs());
    let mut player = if stochastic { player.stochastic(seed) } else { player };
    let mut playing = count;
    for step in 1..=limit {
        let batch = envs.checked_batch()?;
        let actions = player.act(&batch.observations, &batch.action_masks)?;
        step_envs(envs, actions.as_actions())?;
        let batch = envs.checked_batch()?;
        player.begin_episodes(batch.ended());
        // Only the first episode of each environment counts: otherwise short episodes would be over-represented.
        for env in 0..count {
            let ended = batch.terminated[env] || batch.truncated[env] || step == limit;
            if ended && outcome.lengths[env] == 0 {
                outcome.returns[env] = batch.episode_returns[env];
                outcome.lengths[env] = batch.episode_lengths[env];
                playing -= 1;
            }
        }
        on_step(count - playing);
        if playing == 0 {
            break;
        }
    }
    Ok(outcome)
}
