//! Checks of network settings.

use super::ranges::check;
use crate::{
    config::{Config, ConfigError, error::Errors},
    policy::Exploration,
};

impl Config {
    pub(super) fn check_networks(&self, errors: &mut Errors) {
        let network = &self.network;
        let widths = &network.hidden_sizes;
        let sound = widths.len() <= 64 && widths.iter().all(|width| (1..=4096).contains(width));
        let range = "at most 64 widths between 1 and 4096";
        errors.add(check("network.hidden_sizes", format!("{widths:?}"), sound, range));
        if let Some((layers, range)) = network.encoder.out_of_range() {
            errors.add(check("network.layers", layers, false, range));
        }
        let seen = [("actor_inputs", &network.actor_inputs), ("critic_inputs", &network.critic_inputs)];
        for (key, names) in seen {
            let differ = names.iter().enumerate().all(|(i, name)| !names[..i].contains(name));
            errors.add(check(&format!("network.{key}"), format!("{names:?}"), differ, "a list of different names"));
        }
        let sees_the_same = network.actor_inputs == network.critic_inputs;
        let range = "false, unless `network.actor_inputs` and `network.critic_inputs` are the same";
        let shared = network.shared_layers;
        errors.add(check("network.shared_layers", shared, !shared || sees_the_same, range));
        let exploration = network.exploration;
        if exploration.is_beta() {
            let Exploration { squash, state_dependent, log_std, sde, .. } = exploration;
            let gaussian = "for `distribution = \"gaussian\"` alone";
            let settings = [
                ("squash", squash, squash.to_string()),
                ("state_dependent", state_dependent, state_dependent.to_string()),
                ("log_std", log_std != 0.0, log_std.to_string()),
                ("sde", sde.is_some(), "a table".to_owned()),
            ];
            for (name, is_set, value) in settings {
                let range = format!("left out: it is {gaussian}");
                errors.add(check(&format!("network.exploration.{name}"), value, !is_set, &range));
            }
        }
        let log_std = network.exploration.log_std;
        let sound = (-20.0..=2.0).contains(&log_std);
        errors.add(check("network.exploration.log_std", log_std, sound, "between -20 and 2"));
        if network.exploration.is_ambiguous() {
            errors.push(ConfigError::AmbiguousExploration);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use crate::{
        config::{Config, ConfigError, read},
        policy::{ConvSpec, EncoderSpec, Exploration, GsdeNoise},
    };

    #[test]
    fn layers_that_are_empty_or_enormous_are_refused() {
        let error = read("hidden_sizes = [64, 0]").unwrap_err().to_string();
        assert_eq!(error, "`network.hidden_sizes` is [64, 0]; it must be at most 64 widths between 1 and 4096");
        let error = read("hidden_sizes = [9223372036854775807]").unwrap_err();
        assert!(matches!(error, ConfigError::OutOfRange { .. }), "{error}");
    }

    #[test]
    fn an_encoder_is_read_and_written_and_refused_by_name() {
        let encoder = |text: &str| read(&format!("network = {{ {text} }}"));
        let small = EncoderSpec::Cnn { layers: vec![ConvSpec { channels: 8, kernel: 5, stride: 2 }] };
        for (text, expected) in [
            ("kind = 'mlp'", EncoderSpec::default()),
            ("kind = 'cnn'", EncoderSpec::minatar()),
            ("kind = 'cnn', layers = [{ channels = 8, kernel = 5, stride = 2 }]", small),
        ] {
            let config = encoder(text).unwrap();
            assert_eq!(config.network().unwrap().encoder, expected, "{text}");
            assert_eq!(*read(&config.to_toml()).unwrap(), *config, "{text}");
        }
        let range = "1 to 16 layers of 1 to 4096 channels, with kernels and strides of 1 to 64";
        let layer = |channels: i64, kernel: i64, stride: i64| {
            format!("{{ channels = {channels}, kernel = {kernel}, stride = {stride} }}")
        };
        let many = vec![layer(1, 1, 1); 17].join(", ");
        for wrong in [String::new(), layer(0, 3, 1), layer(4, 0, 1), layer(4, 3, 0), layer(i64::MAX, 3, 1), many] {
            let error = encoder(&format!("kind = 'cnn', layers = [{wrong}]")).unwrap_err().to_string();
            assert_eq!(error, format!("`network.layers` is [{wrong}]; it must be {range}"));
        }
        for (wrong, message) in [
            ("kind = 'mlp', layers = []", "`network.layers` is not read: `mlp` has no such setting, only `cnn` has"),
            ("kind = 'cnn', layer = []", "there is no setting `network.layer`; did you mean `network.layers`?"),
            ("layers = []", "`network.layers` is not read: `mlp` has no such setting, only `cnn` has"),
        ] {
            assert_eq!(encoder(wrong).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn sde_and_state_dependent_exclude_each_other() -> Result<(), ConfigError> {
        let exploration =
            |text: &str| Ok::<_, ConfigError>(read(&format!("exploration = {{ {text} }}"))?.network.exploration);
        assert_eq!(exploration("squash = true")?.sde, None);
        let sde = exploration("sde = {}")?.sde;
        assert_eq!(sde, Some(GsdeNoise { resample_every: None, learn_features: false }));
        let sde = exploration("sde = { resample_every = 4, learn_features = true }")?.sde;
        assert_eq!(sde, Some(GsdeNoise { resample_every: NonZeroU32::new(4), learn_features: true }));
        for sde in [Some(GsdeNoise::default()), sde] {
            let exploration = Exploration { sde, ..Exploration::default() };
            let config = Config::default().with(|config| config.network.exploration = exploration);
            assert_eq!(*read(&config.to_toml())?, config);
        }

        let error = exploration("state_dependent = true, sde = {}").unwrap_err();
        assert_eq!(error, ConfigError::AmbiguousExploration);
        for wrong in ["resample_every = 0", "resample_every = -1", "resample = 4", "learn_features = 1"] {
            let error = exploration(&format!("sde = {{ {wrong} }}")).unwrap_err();
            assert!(error.to_string().contains("`network.exploration.sde."), "{error}");
        }
        Ok(())
    }
}
