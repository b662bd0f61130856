//! Episodes that an agent plays one after the other, to be watched.

use std::ops::ControlFlow;

use burn_pg_envs::{Autoreset, VectorEnv};

use super::{Agent, evaluate::STEP_LIMIT, misfit::check_envs};
use crate::{
    Error,
    kernel::run_on,
    policy::{Observation, Policy},
    source::{step_envs, streams},
};

/// A moment of an episode that is played.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// One environment in its current state, for [`VectorEnv::render`]; `None` at the end of an episode if the environment can only
    /// reset itself at once ([`Autoreset::SameStep`]), so that its last state is gone.
    pub env: Option<&'a dyn VectorEnv>,
    /// The episode, counted from 0.
    pub episode: usize,
    /// Steps so far.
    pub step: u32,
    /// Sum of the rewards so far, without discount.
    pub episode_return: f64,
    /// True if the last step ended in a terminal state.
    pub terminated: bool,
    /// True if the episode was cut off by its step limit.
    pub truncated: bool,
}

/// Plays `episodes` episodes in `env`, a batch of one environment, with the most probable actions, or with sampled ones if
/// `stochastic`. Calls `watch` at the start of each episode and after each step; [`ControlFlow::Break`] ends the last episode there.
/// Without `stochastic`, the episodes are the first ones that [`evaluate`](super::evaluate) plays with the same seed.
///
/// # Errors
/// As [`evaluate`](super::evaluate).
pub fn play<P: Policy<Observation = Observation>>(
    agent: &Agent<P>,
    mut env: Box<dyn VectorEnv>,
    seed: u64,
    stochastic: bool,
    episodes: usize,
    mut watch: impl FnMut(&Moment<'_>) -> ControlFlow<()> + Send,
) -> Result<(), Error> {
    let agent = agent.clone();
    run_on(&agent.device.clone(), move || {
        check_envs(agent.spec(), &*env)?;
        let seed = streams::evaluation_seed(seed);
        let keeps_its_end = env.set_autoreset(Autoreset::Disabled).is_ok();
        let limit = env.spec().max_episode_steps.unwrap_or(STEP_LIMIT);
        let player = agent.player(1);
        let mut player = if stochastic { player.stochastic(seed) } else { player };
        for episode in 0..episodes {
            env.reset_each(&[seed.wrapping_add(episode as u64)])?;
            player.begin_episodes([0]);
            let mut moment =
                Moment { env: Some(&*env), episode, step: 0, episode_return: 0.0, terminated: false, truncated: false };
            if watch(&moment).is_break() {
                return Ok(());
            }
            while !(moment.terminated || moment.truncated) {
                let (step, batch) = (moment.step + 1, env.checked_batch()?);
                let actions = player.act(&batch.observations, &batch.action_masks)?;
                step_envs(&mut *env, actions.as_actions())?;
                let batch = env.checked_batch()?;
                let (terminated, truncated) = (batch.terminated[0], batch.truncated[0] || step >= limit);
                let (episode_return, ended) = (batch.episode_returns[0], batch.terminated[0] || batch.truncated[0]);
                let env = Some(&*env).filter(|_| keeps_its_end || !ended);
                moment = Moment { env, episode, step, episode_return, terminated, truncated };
                if watch(&moment).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}
