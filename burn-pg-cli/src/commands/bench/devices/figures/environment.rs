//! Environments, which run on the CPU.

use burn_pg::envs::{ActionBuffer, EnvRng, make};

use super::{Grid, Kind, Method, Planned, repeated};
use crate::numbers::grouped;

const ENVS: [&str; 2] = ["CartPole-v1", "Pendulum-v1"];

/// Returns the figures: none for a device that is not the CPU.
pub fn figures(grid: &Grid) -> Vec<Planned> {
    let sizes = if grid.backend.is_cpu() { grid.trained } else { &[] };
    let planned = |env: &'static str, num_envs: usize| Planned {
        kind: Kind::Environment,
        name: format!("{env}, {} environments", grouped(num_envs)),
        size: None,
        amount: num_envs as f64,
        cost: num_envs as f64,
        method: Method::Measure(Box::new(move |device| {
            let mut envs = make(env, num_envs)?;
            envs.reset(1)?;
            let (space, mut rng) = (envs.spec().action_space.clone(), EnvRng::new(1));
            // Several batches in turn: with a single one, each environment would repeat one action.
            let drawn: Vec<_> = (0..16).map(|_| ActionBuffer::random(&space, num_envs, &mut rng)).collect();
            let mut step: usize = 0;
            Ok(repeated(device, move || {
                step += 1;
                envs.step(drawn[step % drawn.len()].as_actions())?;
                Ok(())
            }))
        })),
    };
    ENVS.into_iter().flat_map(|env| sizes.iter().map(move |&num_envs| planned(env, num_envs))).collect()
}
