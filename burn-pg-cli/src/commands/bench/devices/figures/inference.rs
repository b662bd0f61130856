//! Choosing actions.

use anyhow::Result;
use burn_pg::{Agent, Player, burn::tensor::Device, policy::Policy};
use rayon::prelude::*;

use super::{Size, Step, networks, random};

/// Returns a step in which a policy samples one action for each environment. A policy that acts on the host does so on
/// all threads, as in rollouts.
pub fn step(device: &Device, Size { envs, width }: Size) -> Result<Step> {
    /// Smallest number of environments of one thread.
    const SMALLEST: usize = 16;
    let (spec, policy) = networks(device, width)?;
    let threads = if policy.on_host().is_some() { rayon::current_num_threads() } else { 1 };
    let block = envs.div_ceil(threads).max(SMALLEST.min(envs));
    let observed = spec.observation_space.flat_len();
    let agent = Agent::new(policy, spec, None)?;
    let observations = random(envs * observed);
    let blocks: Vec<Vec<f32>> = observations.chunks(block * observed).map(<[f32]>::to_vec).collect();
    let player = |block: Vec<f32>| (agent.player(block.len() / observed).stochastic(1), block);
    let mut players: Vec<(Player, Vec<f32>)> = blocks.into_iter().map(player).collect();
    Ok(Box::new(move || {
        let act = |(player, observations): &mut (Player, Vec<f32>)| player.act(observations, &[]).map(|_| ());
        match &mut players[..] {
            [player] => act(player)?,
            players => players.par_iter_mut().map(act).collect::<Result<(), _>>()?,
        }
        Ok(())
    }))
}
