//! Named sets of hyperparameters, compiled in.

use anyhow::{Error, Result};
use burn_pg::{
    config::Algo,
    envs::{Space, UnknownName, specs},
};

use crate::program;

/// Name and TOML text of every preset.
const PRESETS: [(&str, &str); 29] = [
    ("a2c", include_str!("../presets/a2c.toml")),
    ("acrobot-v1-a2c", include_str!("../presets/acrobot-v1-a2c.toml")),
    ("acrobot-v1-ppo", include_str!("../presets/acrobot-v1-ppo.toml")),
    ("acrobot-v1-reinforce", include_str!("../presets/acrobot-v1-reinforce.toml")),
    ("acrobot-v1-trpo", include_str!("../presets/acrobot-v1-trpo.toml")),
    ("cartpole-v1-a2c", include_str!("../presets/cartpole-v1-a2c.toml")),
    ("cartpole-v1-ppo", include_str!("../presets/cartpole-v1-ppo.toml")),
    ("cartpole-v1-ppo-fast", include_str!("../presets/cartpole-v1-ppo-fast.toml")),
    ("cartpole-v1-reinforce", include_str!("../presets/cartpole-v1-reinforce.toml")),
    ("cartpole-v1-trpo", include_str!("../presets/cartpole-v1-trpo.toml")),
    ("halfcheetah-v5-ppo", include_str!("../presets/halfcheetah-v5-ppo.toml")),
    ("hopper-v5-ppo", include_str!("../presets/hopper-v5-ppo.toml")),
    ("lunarlander-v3-ppo", include_str!("../presets/lunarlander-v3-ppo.toml")),
    ("mountaincar-v0-a2c", include_str!("../presets/mountaincar-v0-a2c.toml")),
    ("mountaincar-v0-ppo", include_str!("../presets/mountaincar-v0-ppo.toml")),
    ("mountaincar-v0-trpo", include_str!("../presets/mountaincar-v0-trpo.toml")),
    ("mountaincarcontinuous-v0-a2c", include_str!("../presets/mountaincarcontinuous-v0-a2c.toml")),
    ("mountaincarcontinuous-v0-ppo", include_str!("../presets/mountaincarcontinuous-v0-ppo.toml")),
    ("mountaincarcontinuous-v0-trpo", include_str!("../presets/mountaincarcontinuous-v0-trpo.toml")),
    ("pendulum-v1-a2c", include_str!("../presets/pendulum-v1-a2c.toml")),
    ("pendulum-v1-ppo", include_str!("../presets/pendulum-v1-ppo.toml")),
    ("pendulum-v1-ppo-sde", include_str!("../presets/pendulum-v1-ppo-sde.toml")),
    ("pendulum-v1-trpo", include_str!("../presets/pendulum-v1-trpo.toml")),
    ("ppo-cleanrl", include_str!("../presets/ppo-cleanrl.toml")),
    ("ppo-minatar", include_str!("../presets/ppo-minatar.toml")),
    ("ppo-nature", include_str!("../presets/ppo-nature.toml")),
    ("reinforce", include_str!("../presets/reinforce.toml")),
    ("trpo", include_str!("../presets/trpo.toml")),
    ("walker2d-v5-ppo", include_str!("../presets/walker2d-v5-ppo.toml")),
];

/// The fewest pixels, in each direction, of an image for the network of Mnih and others (2015).
const LARGE: usize = 36;

/// Environments of Python that presets are tuned for.
const OF_PYTHON: [&str; 4] = ["gym:LunarLander-v3", "gym:HalfCheetah-v5", "gym:Hopper-v5", "gym:Walker2d-v5"];

/// Returns the environment that a preset is tuned for.
pub fn env_of(name: &str) -> Option<String> {
    let all = specs().into_iter().map(|spec| spec.id).chain(OF_PYTHON.map(Into::into));
    all.into_iter().find(|env| is_tuned_for(name, env))
}

/// True if a preset is tuned for this environment, whoever makes it.
pub fn is_tuned_for(name: &str, env: &str) -> bool {
    Algo::ALL.into_iter().any(|algo| name.starts_with(&tuned_name(env, algo)))
}

/// Returns the settings of a preset.
pub fn named(name: &str) -> Result<toml::Table> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(_, text)| parse(text)).ok_or_else(|| {
        let unknown = UnknownName::new("preset", name, PRESETS.map(|(name, _)| name));
        Error::msg(unknown.listed_by(&program::command("presets")))
    })
}

/// Returns the name of each preset, what its file says about it, and its settings.
pub fn all() -> impl Iterator<Item = (&'static str, String, toml::Table)> {
    PRESETS.iter().map(|&(name, text)| {
        let about = text.lines().map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
        (name, about, parse(text))
    })
}

/// Returns the name that a preset tuned for this environment and algorithm has, if there is one. An environment has the
/// same presets whoever makes it: `CartPole-v1`, `gym:CartPole-v1` and `envpool:CartPole-v1`.
pub fn tuned_name(env: &str, algo: Algo) -> String {
    format!("{}-{algo}", short_name(env).to_lowercase())
}

/// Returns the preset of PPO for observations that are images, which need convolutions.
pub fn for_images(space: &Space) -> Option<&'static str> {
    match space {
        Space::Image { shape: [_, height, width], .. } if *height.min(width) >= LARGE => Some("ppo-nature"),
        Space::Image { .. } => Some("ppo-minatar"),
        _ => None,
    }
}

/// Returns the name of an environment without who makes it: `LunarLander-v3` for `gym:LunarLander-v3`.
pub fn short_name(env: &str) -> &str {
    env.rsplit_once([':', '/']).map_or(env, |(_, name)| name)
}

fn parse(text: &str) -> toml::Table {
    text.parse().expect("a preset is valid TOML; a test reads them all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn_pg::{
        Config,
        policy::{Activation, EncoderSpec, NetworkSpec},
    };

    #[test]
    fn every_preset_is_a_valid_configuration() {
        for (name, _) in PRESETS {
            let config = Config::from_table(named(name).unwrap()).unwrap();
            config.validate().unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn images_have_presets_by_their_size() {
        let image = |height, width| Space::Image { shape: [4, height, width], high: 255 };
        assert_eq!(for_images(&image(84, 84)), Some("ppo-nature"));
        assert_eq!(for_images(&image(10, 84)), Some("ppo-minatar"));
        assert_eq!(for_images(&Space::symmetric(&[1.0])), None);
    }

    #[test]
    fn every_preset_is_named_after_its_algorithm() {
        for (name, _) in PRESETS {
            let algo = Config::from_table(named(name).unwrap()).unwrap().algorithm.algo().name();
            assert!(name.split('-').any(|part| part == algo), "{name} is for {algo}");
        }
    }

    #[test]
    fn every_preset_sets_all_hyperparameters() {
        // Settings of a run, and variants that no preset uses.
        let others = [
            "estimator",
            "kl_in_reward",
            "loss",
            "micro_batch_size",
            "target_kl",
            "name",
            "normalize_values",
            "actor_inputs",
            "critic_inputs",
            "block_size",
            "on_device",
            "overlap",
        ];
        let tables = ["env", "rollout", "algorithm", "network"];
        for (name, _) in PRESETS {
            let preset = named(name).unwrap();
            let resolved: toml::Table = Config::from_table(preset.clone()).unwrap().to_toml().parse().unwrap();
            for table in tables {
                let is_plain = |value: &toml::Value| table != "network" || !value.is_table();
                let keys = resolved[table]
                    .as_table()
                    .unwrap()
                    .iter()
                    .filter(|(key, value)| !others.contains(&key.as_str()) && is_plain(value));
                for (key, _) in keys {
                    let is_set = preset.get(table).is_some_and(|table| table.get(key).is_some());
                    assert!(is_set, "{name} leaves `{table}.{key}` to the defaults");
                }
            }
            for key in ["kind", "learning_rate", "max_grad_norm"] {
                assert!(preset["optimiser"].get(key).is_some(), "{name} leaves `optimiser.{key}` to the defaults");
            }
            assert!(preset["run"].get("total_steps").is_some(), "{name}");
        }
    }

    #[test]
    fn presets_for_images_have_the_networks_in_their_names() {
        for (name, encoder, hidden) in
            [("ppo-nature", EncoderSpec::nature(), 512), ("ppo-minatar", EncoderSpec::minatar(), 128)]
        {
            let network = Config::from_table(named(name).unwrap()).unwrap().validate().unwrap().network().unwrap();
            let expected = NetworkSpec {
                encoder,
                hidden_sizes: vec![hidden],
                activation: Activation::Relu,
                shared: true,
                ..NetworkSpec::default()
            };
            assert_eq!(network, expected, "{name}");
        }
    }

    #[test]
    fn the_cleanrl_preset_has_the_hyperparameters_of_cleanrl() {
        let expected = "
            run = { total_steps = 500_000 }
            env = { num_envs = 8, normalize_observations = false, normalize_rewards = false }
            rollout = { num_steps = 128 }
            network = { kind = 'mlp', hidden_sizes = [64, 64], activation = 'tanh', shared_layers = false }
            [algorithm]
            kind = 'ppo'
            num_epochs = 4
            num_minibatches = 4
            gamma = 0.99
            gae_lambda = 0.95
            clip_range = 0.2
            clip_value = true
            entropy_weight = 0.01
            value_weight = 0.5
            normalize_advantages = true
            [optimiser]
            kind = 'adam'
            epsilon = 1e-5
            learning_rate = { kind = 'linear', start = 2.5e-4 }
            max_grad_norm = 0.5
        ";
        assert_eq!(named("ppo-cleanrl").unwrap(), expected.parse().unwrap());
    }
}
