//! How good a policy is.

use burn::tensor::Device;
use burn_pg_envs::{ActionBuffer, Autoreset, VectorEnv};
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    device::readback::read,
    distribution::Distribution,
    policy::{HostWorkspace, Observation, Policy, Prediction},
    source::{Recall, check_observations, observe, streams},
};

/// Steps after which an episode of an environment without a time limit is cut off.
const STEP_LIMIT: u32 = 100_000;

/// The outcome of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Undiscounted return of each episode.
    pub returns: Vec<f64>,
    /// Length of each episode, in steps.
    pub lengths: Vec<u32>,
}

impl Evaluation {
    /// Mean return.
    #[must_use]
    pub fn return_mean(&self) -> f64 {
        self.returns.iter().sum::<f64>() / self.returns.len() as f64
    }

    /// Standard deviation of the returns (of the population, as NumPy's `std`).
    #[must_use]
    pub fn return_std(&self) -> f64 {
        let mean = self.return_mean();
        let squares: f64 = self.returns.iter().map(|r| (r - mean) * (r - mean)).sum();
        (squares / self.returns.len() as f64).sqrt()
    }

    /// Mean length, in steps.
    #[must_use]
    pub fn length_mean(&self) -> f64 {
        self.lengths.iter().map(|&l| f64::from(l)).sum::<f64>() / self.lengths.len() as f64
    }
}

/// Plays one fresh episode in each environment of `envs`, with the most probable actions, or with sampled ones if
/// `stochastic`. The policy must be without autodiff, on `device`. The episodes depend on `seed` only, and share no
/// seeds with training.
///
/// # Errors
/// [`Error::Observation`] if an observation is not finite, [`Error::Policy`] if the policy's output is not a
/// distribution, [`Error::Env`] if an environment fails, [`Error::Execution`] if the device does.
pub fn evaluate<P: Policy<Observation = Observation>>(
    policy: &P,
    mut envs: Box<dyn VectorEnv>,
    seed: u64,
    stochastic: bool,
    device: &Device,
) -> Result<Evaluation, Error> {
    let num_envs = envs.num_envs();
    let seed = streams::evaluation_seed(seed);
    envs.set_autoreset(Autoreset::SameStep)?;
    envs.reset(seed)?;
    let limit = envs.spec().max_episode_steps.unwrap_or(STEP_LIMIT);
    let mut actions = ActionBuffer::new(&envs.spec().action_space);
    let mut streams = streams::actions(seed, num_envs);
    let mut outcome = Evaluation { returns: vec![0.0; num_envs], lengths: vec![0; num_envs] };

    let mut recall = Recall::new(num_envs, policy.memory_len(), device);
    let on_host = policy.on_host();
    let mut workspace = HostWorkspace::new(&envs.spec().action_space);
    let mut playing = num_envs;
    for step in 1..=limit {
        let env_steps = u64::from(step - 1) * num_envs as u64;
        check_observations(&envs.batch().observations, num_envs, env_steps)?;
        let batch = envs.batch();
        actions.clear();
        let chosen = if let Some(policy) = &on_host {
            let (observations, masks) = (&batch.observations, &batch.action_masks);
            match stochastic {
                true => policy.sample(observations, masks, &mut streams, &mut actions, &mut Vec::new(), &mut workspace),
                false => policy.act(observations, masks, &mut workspace),
            }
        } else {
            let space = &envs.spec().observation_space;
            let observation = observe(space, batch.observations.clone(), &batch.action_masks, device);
            let Prediction { distribution, memory, .. } = policy.forward(recall.attach(observation, &[]));
            recall.remember(memory);
            let [parameters] = read([distribution.parameters().flatten(0, 1)])?;
            let chosen = match stochastic {
                true => distribution.sample(&parameters, &mut streams, &mut actions, &mut Vec::new()),
                false => distribution.mode(&parameters, num_envs, &mut actions),
            };
            if chosen.is_ok() {
                distribution.to_env(&mut actions);
            }
            chosen.map(|()| &actions)
        };
        let chosen = chosen.map_err(|source| Error::Policy { update: None, env_steps, source })?;
        let batch = envs.step(chosen.as_actions())?;
        recall.forget(batch.ended());
        // Only the first episode of each environment counts, or short episodes would count more often.
        for env in 0..num_envs {
            let ended = batch.terminated[env] || batch.truncated[env] || step == limit;
            if ended && outcome.lengths[env] == 0 {
                outcome.returns[env] = batch.episode_returns[env];
                outcome.lengths[env] = batch.episode_lengths[env];
                playing -= 1;
            }
        }
        if playing == 0 {
            break;
        }
    }
    Ok(outcome)
}
