//! The outcome of a run.

use std::fmt;

use burn_pg::{CheckedConfig, Evaluation, device::OpenDevice, policy::ActorCritic, run::Session};
use serde_json::json;

/// A run that has ended.
pub struct Outcome {
    pub config: CheckedConfig,
    pub device: OpenDevice,
    pub session: Session<ActorCritic>,
    /// False if the run was over before, and was only evaluated again.
    pub has_trained: bool,
    pub evaluation: Evaluation,
}

impl Outcome {
    /// Returns what `summary.json` and `--json` have.
    pub fn summary(&self) -> serde_json::Value {
        let (env_steps, seconds) = (self.session.trainer().env_steps(), self.session.trainer().seconds());
        json!({
            "env": self.config.env.name,
            "algo": self.config.algorithm.algo(),
            "device": self.device.backend,
            "seed": self.config.run.seed,
            "init_from": self.session.trainer().init_from(),
            "env_steps": env_steps,
            "train_seconds": seconds,
            "steps_per_second": env_steps as f64 / seconds,
            "episodes": self.session.trainer().episodes().count(),
            "faults": self.session.trainer().faults(),
            "train_return_mean": self.session.trainer().episodes().return_mean(),
            "eval_episodes": self.evaluation.returns.len(),
            "eval_return_mean": self.evaluation.return_mean(),
            "eval_return_std": self.evaluation.return_std(),
            "run_dir": self.session.dir().path().to_string_lossy(),
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (env_steps, seconds, Self { evaluation, .. }) =
            (self.session.trainer().env_steps(), self.session.trainer().seconds(), self);
        match self.has_trained {
            true => {
                let rate = env_steps as f64 / seconds;
                writeln!(f, "trained {env_steps} steps in {seconds:.1} s ({rate:.0} steps/s)")?;
            }
            false => writeln!(f, "nothing was left to train after {env_steps} steps")?,
        }
        write!(
            f,
            "evaluation: mean return {:.1}, standard deviation {:.1}, {} episodes\nsaved in {}",
            evaluation.return_mean(),
            evaluation.return_std(),
            evaluation.returns.len(),
            self.session.dir().path().display(),
        )
    }
}
