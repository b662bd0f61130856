//! Our own exports, in the format of [`state_dict`](crate::agent::export::state_dict()).

use std::str::FromStr;

use burn::tensor::DType;
use burn_pg_envs::{
    EnvSpec, Space,
    wrapper::{ActionTransform, ObservationNormalizer},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{ImportError, PolicyFile, file::About};
use crate::{
    Agent, Error,
    agent::export::{PlainPolicy, metadata},
    config::{NetworkConfig, Recurrence, RecurrentSpec},
    policy::{
        ActionDistribution, ActorCritic, CellKind, ConvSpec, EncoderSpec, Exploration, GsdeNoise, encoder::PartLayers,
    },
};

/// A file with its metadata.
pub(super) struct Exported<'a> {
    pub file: &'a PolicyFile,
    pub about: &'a About,
}

impl Exported<'_> {
    /// Returns the settings of the networks. Settings that are not in the file have their defaults.
    pub fn network(&self) -> Result<NetworkConfig, ImportError> {
        let (trunk, mut hidden) = (self.file.widths("trunk"), self.file.widths("policy"));
        hidden.pop();
        let has = |part: &str| self.file.has_part(part);
        let is_shared = (has("encoder") && !has("value_encoder")) || (has("memory") && !has("value_memory"));
        let [actor_inputs, critic_inputs] = [self.names("actor_inputs")?, self.names("critic_inputs")?];
        let is_shared = is_shared && actor_inputs == critic_inputs;
        Ok(NetworkConfig {
            actor_inputs,
            critic_inputs,
            encoder: self.encoder()?,
            activation: self.named("activation")?,
            shared_layers: !trunk.is_empty() || (has("value") && is_shared),
            recurrence: self.recurrence()?,
            exploration: self.exploration()?,
            hidden_sizes: if trunk.is_empty() { hidden } else { trunk },
            custom: None,
        })
    }

    /// Returns the convolutions of the first image. If other images have other convolutions, [`check`](Self::check)
    /// fails.
    fn encoder(&self) -> Result<EncoderSpec, ImportError> {
        let first =
            self.about.iter().filter(|(_, strides)| !strides.is_empty()).find_map(|(key, strides)| {
                Some((key, key.strip_prefix("encoder.")?.strip_suffix(".strides")?, strides))
            });
        let Some((key, part, strides)) = first else { return Ok(EncoderSpec::default()) };
        let layer = |(i, stride): (usize, &str)| {
            let of_actor = format!("encoder.{part}.{}.weight", 2 * i);
            let is_of_actor = self.file.tensor(&of_actor).is_ok();
            let weight = if is_of_actor { of_actor } else { format!("value_{of_actor}") };
            let [channels, kernel] = [self.file.dim(&weight, 0)?, self.file.dim(&weight, 2)?];
            Ok(ConvSpec { channels, kernel, stride: self.parsed(key, stride)? })
        };
        let layers = strides.split(',').enumerate().map(layer).collect::<Result<_, ImportError>>()?;
        Ok(EncoderSpec::Cnn { layers })
    }

    fn recurrence(&self) -> Result<Recurrence, ImportError> {
        if !self.about.contains_key("memory") {
            return Ok(Recurrence::default());
        }
        let spec = RecurrentSpec { size: self.file.dim("memory.weight_hh", 1)?, ..RecurrentSpec::default() };
        Ok(match self.named("memory")? {
            CellKind::Gru => Recurrence::Gru(spec),
            CellKind::Lstm => Recurrence::Lstm(spec),
        })
    }

    fn exploration(&self) -> Result<Exploration, ImportError> {
        let is = |key: &str, value: &str| self.about.get(key).is_some_and(|found| found == value);
        let state_dependent = is("deviations", "outputs");
        let distribution =
            if is("distribution", "beta") { ActionDistribution::Beta } else { ActionDistribution::Gaussian };
        Ok(Exploration {
            distribution,
            squash: is("squash", "tanh"),
            state_dependent,
            log_std: if state_dependent { self.number("log_std_offset")? } else { 0.0 },
            sde: is("deviations", "held_noise").then(GsdeNoise::default),
        })
    }

    /// Returns the normaliser, if there is one.
    pub fn normalizer(&self, spec: &EnvSpec) -> Result<Option<ObservationNormalizer>, Error> {
        if !self.file.is_normalized() {
            return Ok(None);
        }
        let [clip, count] = [self.number("normalizer_clip")?, self.number("normalizer_count")?];
        let shape = [spec.observation_space.flat_len()];
        let [mean, std] = ["mean", "std"].map(|of| {
            let data = self.file.checked(&format!("normalizer.{of}"), DType::F64, &shape, spec)?;
            Ok::<Vec<f64>, Error>(data.iter().collect())
        });
        Ok(Some(ObservationNormalizer::from_std(mean?, &std?, count, clip)))
    }

    /// Checks that the metadata are those of an export of `policy`, a network of the same shape.
    pub fn check(
        &self,
        policy: &ActorCritic,
        spec: &EnvSpec,
        normalizer: Option<ObservationNormalizer>,
    ) -> Result<(), Error> {
        let plain = PlainPolicy::new(&Agent::new(policy.clone(), spec.clone(), normalizer)?)?;
        let needed = metadata(&plain);
        let text = |of: Option<&String>| of.map_or_else(|| "absent".to_owned(), Clone::clone);
        let keys = self.about.keys().chain(needed.keys());
        for key in keys.filter(|key| !["burn_pg_version", "environment"].contains(&key.as_str())) {
            let [found, expected] = [self.about, &needed].map(|about| text(about.get(key)));
            self.compare(key, &found, &expected, spec)?;
        }
        if let Some(ActionTransform::Clip { low, high } | ActionTransform::Rescale { low, high }) = &plain.transform {
            for (key, expected) in [("action.low", low), ("action.high", high)] {
                let found: Vec<f32> = self.file.tensor(key)?.iter().collect();
                self.compare(key, &format!("{found:?}"), &format!("{expected:?}"), spec)?;
            }
        }
        Ok(())
    }

    fn compare(&self, key: &str, found: &str, expected: &str, spec: &EnvSpec) -> Result<(), ImportError> {
        match found == expected {
            true => Ok(()),
            false => Err(self.other(key, found, format!("{expected} for {}", spec.id))),
        }
    }

    /// Returns the names of the tensors that are not weights.
    pub fn beside_weights(&self) -> Vec<&'static str> {
        let is_continuous = self.about.get("actions").is_some_and(|actions| actions == "continuous");
        let normalizer = self.file.is_normalized().then_some(["normalizer.mean", "normalizer.std"]);
        let bounds = is_continuous.then_some(["action.low", "action.high"]);
        normalizer.into_iter().chain(bounds).flatten().collect()
    }

    /// Returns the names of parts of an observation; none if the key is absent.
    fn names(&self, key: &str) -> Result<Vec<String>, ImportError> {
        let Some(text) = self.about.get(key) else { return Ok(Vec::new()) };
        serde_json::from_str(text).map_err(|_| self.other(key, text, "a list of names".into()))
    }

    /// Parses a number of the metadata.
    fn number<T: FromStr>(&self, key: &str) -> Result<T, ImportError> {
        match self.about.get(key) {
            Some(text) => self.parsed(key, text),
            None => Err(self.other(key, "absent", "a number".into())),
        }
    }

    fn parsed<T: FromStr>(&self, key: &str, text: &str) -> Result<T, ImportError> {
        text.parse().map_err(|_| self.other(key, text, "a number".into()))
    }

    /// Parses a name in the metadata, which is spelt as in the settings.
    fn named<T: DeserializeOwned>(&self, key: &str) -> Result<T, ImportError> {
        let text = self.about.get(key).map_or("absent", String::as_str);
        serde_json::from_value(Value::from(text)).map_err(|error| self.other(key, text, error.to_string()))
    }

    /// Returns the error for a value that is not the `expected` one.
    pub fn other(&self, key: &str, found: &str, expected: String) -> ImportError {
        ImportError::Value { path: self.file.path.clone(), key: key.into(), found: found.into(), expected }
    }
}

/// Returns the names of the images that the encoder of the actor and that of the critic see.
pub(super) fn images(policy: &ActorCritic, spec: &EnvSpec) -> [Vec<String>; 2] {
    let names: Vec<String> = match &spec.observation_space {
        Space::Dict { parts } => parts.iter().map(|part| part.name.clone()).collect(),
        _ => vec!["observation".to_owned()],
    };
    [&policy.encoder, &policy.critic_encoder].map(|encoder| {
        let inputs = encoder.iter().map(|encoder| &encoder.inputs);
        let seen = inputs.flat_map(|inputs| inputs.places.iter().zip(&inputs.parts));
        let images = seen.filter(|(_, part)| matches!(part, PartLayers::Image { .. }));
        images.map(|(&place, _)| names[place].clone()).collect()
    })
}

/// Returns the name in the file of the tensor that this crate calls `ours`.
pub(super) fn name(ours: &str, [of_actor, of_critic]: &[Vec<String>; 2]) -> String {
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    let (prefix, ours) = ours.strip_prefix("critic_").map_or(("", ours), |rest| ("value_", rest));
    let images = if prefix.is_empty() { of_actor } else { of_critic };
    match ours.split('.').collect::<Vec<_>>()[..] {
        ["actor", _, layer, tensor] => format!("policy.{}.{tensor}", 2 * number(layer)),
        ["critic", _, layer, tensor] => format!("value.{}.{tensor}", 2 * number(layer)),
        ["trunk", _, layer, tensor] => format!("trunk.{}.{tensor}", 2 * number(layer)),
        ["memory", "input", tensor] => format!("{prefix}memory.{tensor}_ih"),
        ["memory", _, tensor] => format!("{prefix}memory.{tensor}_hh"),
        ["encoder", _, image, _, layer, tensor] => {
            format!("{prefix}encoder.{}.{}.{tensor}", images[number(image)], 2 * number(layer))
        }
        _ => "log_std".into(),
    }
}
