//! What a worker is told before it makes its environments, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::Maker;
use crate::{Autoreset, EnvOptions, EnvSpec, EnvWrapper, Space};

/// What environments a worker makes.
#[derive(Debug, Serialize)]
pub struct Setup<'a> {
    kind: &'static str,
    id: &'a str,
    kwargs: &'a Map<String, Value>,
    wrappers: &'a [EnvWrapper],
    /// Number of environments.
    envs: usize,
    render: bool,
}

impl<'a> Setup<'a> {
    pub fn new((maker, id): (Maker, &'a str), options: &'a EnvOptions, envs: usize) -> Self {
        let EnvOptions { kwargs, wrappers, render, .. } = options;
        Self { kind: maker.prefix(), id, kwargs, wrappers, envs, render: *render }
    }

    /// For a host, which has the environments already.
    pub fn of_host(id: &'a str, options: &'a EnvOptions, envs: usize) -> Self {
        Self { kind: "host", ..Self::new((Maker::Gym, id), options, envs) }
    }
}

/// A worker's description of its environments.
#[derive(Debug, Deserialize)]
pub struct Described {
    observation_space: Space,
    action_space: Space,
    max_episode_steps: Option<u32>,
    reward_threshold: Option<f64>,
    masks_actions: bool,
    /// `None` for environments that are stepped one by one.
    pub together: Option<Together>,
}

/// What environments that are stepped as one can do.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Together {
    /// Their own autoreset mode.
    autoreset: Autoreset,
    /// True if some of them can be reset while others run.
    resets_rows: bool,
}

impl Together {
    /// The mode in which they begin.
    pub fn first_autoreset(self) -> Autoreset {
        match self.autoreset {
            Autoreset::NextStep => Autoreset::NextStep,
            _ => Autoreset::SameStep,
        }
    }

    /// True if they can be stepped in this mode.
    pub fn supports(self, autoreset: Autoreset) -> bool {
        autoreset == self.first_autoreset() || (self.autoreset == Autoreset::NextStep && self.resets_rows)
    }

    pub fn resets_rows(self) -> bool {
        self.resets_rows
    }
}

impl Described {
    /// Returns the specification of environments called `name`.
    pub fn into_spec(self, name: &str, options: &EnvOptions) -> EnvSpec {
        let Self { observation_space, action_space, max_episode_steps, reward_threshold, masks_actions, .. } = self;
        EnvSpec {
            max_episode_steps,
            reward_threshold,
            masks_actions,
            options: options.clone(),
            ..EnvSpec::new(name, observation_space, action_space)
        }
    }
}

/// An exception of Python.
#[derive(Debug, Deserialize)]
pub struct Exception {
    /// The environment in which it was raised, counted from the first one of the worker.
    #[serde(default)]
    pub row: usize,
    /// Its class.
    pub kind: String,
    pub message: String,
    pub traceback: String,
    /// The module that is missing, if that is the reason.
    pub missing: Option<String>,
}
