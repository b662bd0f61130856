//! Steps of environments on the host.

use burn_pg_envs::{Actions, EnvError, VectorEnv};

use crate::kernel::threads::in_pool;

/// Steps environments in the thread pool of this crate. Other code may block the threads of the caller's pool or of the
/// global one, for which parallel tasks of the environments would wait.
pub(crate) fn step_envs(envs: &mut dyn VectorEnv, actions: Actions<'_>) -> Result<(), EnvError> {
    match envs.num_envs() {
        1 => envs.step(actions).map(|_| ()),
        _ => in_pool(|| envs.step(actions).map(|_| ())),
    }
}
