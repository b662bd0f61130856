//! The error for environments that do not fit an agent.

use burn_pg_envs::{EnvSpec, Space, VectorEnv};

/// Why environments do not fit an agent.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvMisfit {
    /// The environments have another space.
    #[error(
        "the agent is for `{agent}` with the {what} space {expected}, but the environments are `{given}` with {found} (they \
         must be without wrappers, because the agent normalises observations and transforms actions itself)"
    )]
    Space {
        /// The environment of the agent.
        agent: String,
        /// The environments given.
        given: String,
        /// "observation" or "action".
        what: &'static str,
        /// The space that the agent is for.
        expected: String,
        /// The space of the environments.
        found: String,
    },
    /// The environments normalise their observations.
    #[error(
        "the environments `{given}` normalise their observations, which the agent does itself; give them as `make` makes \
         them, without wrappers"
    )]
    Normalized {
        /// The environments given.
        given: String,
    },
}

/// Checks that an agent for `spec` can act in `envs`.
pub(crate) fn check_envs(spec: &EnvSpec, envs: &dyn VectorEnv) -> Result<(), EnvMisfit> {
    let given = envs.spec();
    // The bounds of observations are only descriptive and need not match.
    let seen = [spec, given].map(|spec| spec.observation_space.to_string());
    let spaces = [
        ("observation", seen[0] == seen[1], [spec, given].map(|spec| &spec.observation_space)),
        ("action", spec.action_space == given.action_space, [spec, given].map(|spec| &spec.action_space)),
    ];
    for (what, fits, [expected, found]) in spaces {
        if !fits {
            let [expected, found] = [expected, found].map(with_bounds);
            return Err(EnvMisfit::Space { agent: spec.id.clone(), given: given.id.clone(), what, expected, found });
        }
    }
    match envs.observation_normalizer() {
        None => Ok(()),
        Some(_) => Err(EnvMisfit::Normalized { given: given.id.clone() }),
    }
}

fn with_bounds(space: &Space) -> String {
    match space {
        Space::Box { low, high, .. } => format!("{space} from {low:?} to {high:?}"),
        space => space.to_string(),
    }
}
