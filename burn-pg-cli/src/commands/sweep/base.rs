//! The environments and algorithms of a sweep.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use toml::{Table, Value};

use super::keys::Keys;

/// What every trial is tried on: the options of `train`, without settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Base {
    pub env: Option<String>,
    pub algo: Option<String>,
    pub preset: Option<String>,
    /// A file of settings, as it is written in the sweep file.
    pub config: Option<String>,
    /// What the file of settings contains.
    config_text: Option<String>,
    /// The path of that file from the current folder.
    #[serde(skip)]
    config_path: Option<PathBuf>,
    /// The score of a run that failed; `None` for the lowest score in its environment.
    pub failure_score: Option<f64>,
}

impl Base {
    /// The keys of a base.
    pub const KEYS: [&str; 5] = ["env", "algo", "preset", "config", "failure_score"];

    /// Reads all bases of the file, from `runs` or from the keys beside it. `folder` is that of the sweep file.
    pub fn all(file: &mut Keys, folder: &Path) -> Result<Vec<Self>> {
        let single = Self::take(file, folder)?;
        let Some(runs) = file.take("runs") else {
            single.check_env()?;
            return Ok(vec![single]);
        };
        if single != Self::default() {
            bail!(
                "there is `runs`, and also `env`, `algo`, `preset`, `config` or `failure_score` beside it; put these into `runs`"
            );
        }
        let expected = "it must be a list of tables, such as runs = [{ env = \"CartPole-v1\", algo = \"a2c\" }]";
        let Value::Array(runs) = runs else { bail!("`runs` is {runs}; {expected}") };
        if runs.is_empty() {
            bail!("`runs` is an empty list; {expected}");
        }
        let mut bases = Vec::new();
        for (place, run) in runs.into_iter().enumerate() {
            let Value::Table(table) = run else { bail!("`runs` contains {run}; {expected}") };
            let base = Self::of(table, folder).with_context(|| format!("entry {} of `runs`", place + 1))?;
            if bases.contains(&base) {
                bail!("entry {} of `runs` is there twice; leave out one of them", place + 1);
            }
            bases.push(base);
        }
        Ok(bases)
    }

    fn of(table: Table, folder: &Path) -> Result<Self> {
        let base = Self::take(&mut Keys::new("runs", table, &Self::KEYS)?, folder)?;
        base.check_env()?;
        Ok(base)
    }

    /// Refuses a base that names no environment. A preset or a file of settings may name it.
    fn check_env(&self) -> Result<()> {
        if [&self.env, &self.preset, &self.config].into_iter().all(Option::is_none) {
            bail!("there is no environment; give one, such as env = \"CartPole-v1\"");
        }
        Ok(())
    }

    fn take(keys: &mut Keys, folder: &Path) -> Result<Self> {
        let [env, algo, preset, config] = ["env", "algo", "preset", "config"].map(|key| keys.text(key));
        let config = config?;
        let config_path = config.as_ref().map(|config| folder.join(config));
        let read = |path: &PathBuf| {
            fs::read_to_string(path).with_context(|| format!("`config`: {} cannot be read", path.display()))
        };
        Ok(Self {
            env: env?,
            algo: algo?,
            preset: preset?,
            config_text: config_path.as_ref().map(read).transpose()?,
            config,
            config_path,
            failure_score: keys.number("failure_score")?,
        })
    }

    /// Returns the arguments of `train`.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = self.env.iter().cloned().collect();
        let config = self.config_path.as_ref().map(|path| path.to_string_lossy().into_owned());
        let options = [("--algo", &self.algo), ("--preset", &self.preset), ("--config", &config)];
        for (option, value) in options {
            arguments.extend(value.iter().flat_map(|value| [option.to_owned(), value.clone()]));
        }
        arguments
    }
}
