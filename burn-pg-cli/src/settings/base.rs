//! The settings under those that a user gives: a preset, or none.

use anyhow::Result;
use burn_pg::{
    config::{Algo, Layer},
    envs::EnvSpec,
};
use toml::Table;

use super::{Settings, algorithm_of};
use crate::presets;

/// Where settings come from if there is no preset.
const NO_PRESET: &str = "no preset";

fn of_preset(name: &str, settings: Table) -> Layer {
    Layer { from: format!("preset {name}"), settings }
}

/// Returns the preset for observations that are images, if `base` is that of PPO without a preset.
pub fn for_images(base: &Layer, spec: &EnvSpec) -> Option<Layer> {
    let is_open = base.from == NO_PRESET && algorithm_of(base) == Some(Algo::Ppo);
    let preset = presets::for_images(&spec.observation_space).filter(|_| is_open)?;
    Some(of_preset(preset, presets::named(preset).ok()?))
}

impl Settings {
    /// Returns the named preset, or the one tuned for the environment and the algorithm, or the one of the algorithm,
    /// or no settings.
    pub(super) fn base(&self, env: &str, layers: &[Layer]) -> Result<Layer> {
        if let Some(name) = &self.preset {
            return Ok(of_preset(name, presets::named(name)?));
        }
        let algo = layers.iter().find_map(algorithm_of).unwrap_or(Algo::Ppo);
        let tuned = presets::tuned_name(env, algo);
        // The preset of the algorithm is not tuned for an environment.
        let found = [tuned.as_str(), algo.name()].into_iter().find_map(|name| Some((name, presets::named(name).ok()?)));
        let mut none = Layer { from: NO_PRESET.into(), settings: Table::new() };
        none.set("algorithm.kind", algo.name())?;
        Ok(found.map_or(none, |(name, table)| of_preset(name, table)))
    }
}
