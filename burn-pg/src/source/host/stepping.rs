//! Steps of environments on the host.

use burn_pg_envs::{Actions, EnvError, VectorEnv};

use crate::kernel::threads::in_pool;

/// Steps environments in a thread pool of this crate: their parallel tasks would wait for a thread of the caller's pool, or
/// of the global one, which other code may block.
pub(crate) fn step_envs(envs: &mut dyn VectorEnv, actions: Actions<'_>) -> Result<(), EnvError> {
    match envs.num_envs() {
        1 => envs.step(actions).map(|_| ()),
        _ => in_pool(|| envs.step(actions).map(|_| ())),
    }
}
