//! Which parts of an observation actor and critic see.

use burn_pg_envs::{EnvSpec, Space};

use super::{NetworkSpec, UnsupportedSpace, encoder::Inputs};

impl NetworkSpec {
    /// True if a network sees only some parts of an observation.
    pub(crate) fn selects_inputs(&self) -> bool {
        !self.actor_inputs.is_empty() || !self.critic_inputs.is_empty()
    }

    /// Returns what the actor and what the critic sees of the observations of an environment.
    ///
    /// # Errors
    /// [`UnsupportedSpace::Input`] if there is no part of a given name; see also [`EncoderSpec::check`](super::EncoderSpec::check).
    pub(crate) fn inputs(&self, spec: &EnvSpec) -> Result<[Inputs; 2], UnsupportedSpace> {
        let places = [places(spec, &self.actor_inputs)?, places(spec, &self.critic_inputs)?];
        let seen: Vec<usize> = match self.critic {
            true => places.concat(),
            false => places[0].clone(),
        };
        let layers = self.encoder.parts(spec, &seen)?;
        let inputs = |places: Vec<usize>| {
            // (Without a critic, its inputs are not among the seen ones.)
            let of = |place: &usize| Some(layers[seen.iter().position(|seen| seen == place)?].clone());
            Inputs { parts: places.iter().filter_map(of).collect(), places }
        };
        Ok(places.map(inputs))
    }
}

/// Returns the places of the parts with these names, in the order of the observation; of all parts if there are no names.
fn places(spec: &EnvSpec, names: &[String]) -> Result<Vec<usize>, UnsupportedSpace> {
    let of_parts: Vec<&str> = match &spec.observation_space {
        Space::Dict { parts } => parts.iter().map(|part| part.name.as_str()).collect(),
        _ => Vec::new(),
    };
    if names.is_empty() {
        return Ok((0..of_parts.len().max(1)).collect());
    }
    let unknown = names.iter().find(|name| !of_parts.contains(&name.as_str()));
    if let Some(name) = unknown {
        let (env, space) = (spec.id.clone(), spec.observation_space.to_string());
        return Err(UnsupportedSpace::Input { env, name: name.clone(), space });
    }
    Ok((0..of_parts.len()).filter(|&place| names.iter().any(|name| name == of_parts[place])).collect())
}
