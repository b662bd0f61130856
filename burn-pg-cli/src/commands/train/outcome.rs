//! The outcome of a run.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use burn_pg::{
    CheckedConfig, Evaluation,
    agent::export::Layers,
    device::OpenDevice,
    run::{Session, directory::find_metrics},
    source::Source,
};
use serde_json::{Value, json};

use super::solved::{Solved, is_solved};
use crate::comparison::Machine;

/// The outcome of a run, as printed and written to `summary.json`.
pub struct Outcome {
    summary: Value,
    text: String,
    run_dir: PathBuf,
}

impl Outcome {
    /// `has_trained` is false if the run had already ended and was only evaluated again. There is no evaluation if the
    /// environments of the run are the only ones that there are.
    pub fn of<P: Layers>(
        config: &CheckedConfig,
        device: &OpenDevice,
        session: &Session<P>,
        has_trained: bool,
        evaluation: Option<&Evaluation>,
    ) -> Self {
        let (trainer, path) = (session.trainer(), session.dir().path());
        let (env_steps, seconds) = (trainer.env_steps(), trainer.seconds());
        let threshold = trainer.source().environment().and_then(|spec| spec.reward_threshold);
        // Metrics that cannot be read are no reason to lose the outcome.
        let solved = find_metrics(&session.dir().metrics_path(), |stats| is_solved(stats, threshold));
        let solved = solved.ok().flatten().map(|stats| Solved::at(&stats));
        let summary = json!({
            "env": config.env.name,
            "algo": config.algorithm.algo(),
            "device": device.backend,
            "seed": config.run.seed,
            "init_from": trainer.init_from(),
            "env_steps": env_steps,
            "train_seconds": seconds,
            "steps_per_second": env_steps as f64 / seconds,
            "episodes": trainer.episodes().count(),
            "faults": trainer.faults(),
            "solved_steps": solved.map(|solved| solved.env_steps),
            "solved_seconds": solved.map(|solved| solved.seconds),
            "train_return_mean": trainer.episodes().return_mean(),
            "eval_episodes": evaluation.map(|evaluation| evaluation.returns.len()),
            "eval_return_mean": evaluation.map(Evaluation::return_mean),
            "eval_return_std": evaluation.map(Evaluation::return_std),
            "version": env!("CARGO_PKG_VERSION"),
            "machine": Machine::this().to_string(),
            "run_dir": path.to_string_lossy(),
        });
        let rate = env_steps as f64 / seconds;
        let reached = match (trainer.reaches_target(), session.reached()) {
            (true, _) => ", and reached `target_return`",
            (false, Some(_)) => ", and reached `checkpoint.stop_return`",
            (false, None) => "",
        };
        let done = match has_trained {
            true => format!("trained {env_steps} steps in {seconds:.1} s ({rate:.0} steps/s){reached}"),
            false => format!("nothing was left to train after {env_steps} steps"),
        };
        let solved = solved.map_or_else(String::new, |solved| format!("\n{solved}"));
        let evaluated = evaluation.map_or_else(String::new, |evaluation| {
            let (mean, std, episodes) = (evaluation.return_mean(), evaluation.return_std(), evaluation.returns.len());
            format!("\nevaluation: mean return {mean:.1}, standard deviation {std:.1}, {episodes} episodes")
        });
        let text = format!("{done}{solved}{evaluated}\nsaved in {}", path.display());
        Self { summary, text, run_dir: path.into() }
    }

    /// Returns the directory of the run.
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Returns the JSON object for `summary.json` and `--json`.
    pub fn summary(&self) -> &Value {
        &self.summary
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
