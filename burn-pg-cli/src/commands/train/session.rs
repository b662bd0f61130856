//! From the first update of a process to its last, with all that is kept on the way.

use std::ops::ControlFlow;

use anyhow::{Error, Result};
use burn_pg::{
    self, CheckedConfig, Trainer, UpdateStats,
    algorithm::evaluation_envs,
    burn::{module::Module, tensor::Device},
    checkpoint::Best,
    envs::make,
    evaluate,
    policy::MlpActorCritic,
    run_dir::{MetricsFile, RunDir},
    weights,
};

use crate::{failure::Failure, interrupt::Interrupt, progress::Progress};

/// What a run is trained with.
pub struct Session<'a> {
    pub config: &'a CheckedConfig,
    pub device: &'a Device,
    pub dir: &'a RunDir,
    pub metrics: MetricsFile,
    pub interrupt: Interrupt,
}

impl Session<'_> {
    /// Trains to the end, or until it is interrupted; shows and records each update, and saves checkpoints and the policy.
    pub fn train(
        mut self,
        mut trainer: Trainer<MlpActorCritic>,
        quiet: bool,
    ) -> Result<Trainer<MlpActorCritic>, Failure> {
        let mut progress = Progress::new(trainer.horizon(), quiet);
        let mut saved = None;
        let mut kept = Ok(());
        let outcome = trainer.run_with(|trainer, update| {
            match update {
                Ok(stats) => {
                    progress.show(stats);
                    kept = self.keep(trainer, stats, &mut saved);
                }
                Err(fault) => progress.warn(fault),
            }
            match kept.is_err() || self.interrupt.exit_code().is_some() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        progress.finish();
        let ended = outcome.map_err(Error::from).and(kept).and_then(|()| {
            // In this order: a policy without a checkpoint is that of a run that failed, or was trained elsewhere.
            if saved != Some(trainer.updates()) {
                self.save_checkpoint(&trainer)?;
            }
            save_policy(&trainer, self.dir)
        });
        ended.map_err(|error| self.rescue(error, &trainer))?;
        match self.interrupt.exit_code().filter(|_| !trainer.is_over()) {
            None => Ok(trainer),
            Some(code) => {
                let (update, steps) = (trainer.updates(), trainer.env_steps());
                let advice =
                    format!("saved after update {update} ({steps} steps); go on with: {}", self.how_to_go_on());
                Err(Failure::Interrupted { advice, code })
            }
        }
    }

    /// Keeps what an update did, and a checkpoint if one is due.
    fn keep(&mut self, trainer: &Trainer<MlpActorCritic>, stats: &UpdateStats, saved: &mut Option<u64>) -> Result<()> {
        self.metrics.write(stats)?;
        let interval = self.config.checkpoint.interval;
        if interval > 0 && stats.update.is_multiple_of(interval) {
            self.save_checkpoint(trainer)?;
            *saved = Some(stats.update);
        }
        Ok(())
    }

    fn save_checkpoint(&mut self, trainer: &Trainer<MlpActorCritic>) -> Result<()> {
        let spec = self.config.checkpoint;
        // What a checkpoint goes on from is never missing in the metrics.
        self.metrics.sync()?;
        let checkpoints = self.dir.checkpoints();
        checkpoints.save(&trainer.checkpoint()?, spec.keep)?;
        if spec.eval_episodes > 0 {
            let normalizer = trainer.observation_normalizer().cloned();
            let envs = evaluation_envs(make(&self.config.env, spec.eval_episodes)?, self.config, normalizer)?;
            let evaluation = evaluate(&trainer.policy().valid(), envs, self.config.seed, false, self.device)?;
            checkpoints.note(Best { update: trainer.updates(), return_mean: evaluation.return_mean() })?;
        }
        Ok(())
    }

    /// Keeps what was learnt before training failed, and says so.
    fn rescue(&self, error: Error, trainer: &Trainer<MlpActorCritic>) -> Failure {
        let (update, steps) = (trainer.updates(), trainer.env_steps());
        let checkpoint = match self.dir.checkpoints().updates() {
            Ok(updates) => updates.last().map_or_else(
                || "there is no checkpoint yet".into(),
                |update| format!("go on from the checkpoint of update {update} with: {}", self.how_to_go_on()),
            ),
            Err(unread) => format!("checkpoints cannot be looked for ({unread})"),
        };
        // A device that fails may leave anything behind, and its error does not say where.
        if let Some(burn_pg::Error::Execution(_)) = error.downcast_ref() {
            let failed = format!("training failed in update {update}, after {steps} steps; {checkpoint}");
            return Failure::Device(error.context(failed));
        }
        let failed = format!("training failed after {steps} steps");
        let (saved, path) = (save_policy(trainer, self.dir), self.dir.path().display());
        Failure::Run(error.context(match saved {
            Ok(()) => format!("{failed}; the last good policy is saved in {path}; {checkpoint}"),
            Err(unsaved) => format!("{failed}, and the last good policy is lost ({unsaved:#}); {checkpoint}"),
        }))
    }

    fn how_to_go_on(&self) -> String {
        format!("burn-pg train --resume {}", self.dir.path().display())
    }
}

/// Keeps the policy, and what it needs to see as it saw in training.
fn save_policy(trainer: &Trainer<MlpActorCritic>, dir: &RunDir) -> Result<()> {
    weights::save(&trainer.policy().valid(), &dir.policy_path())?;
    if let Some(normalizer) = trainer.observation_normalizer() {
        dir.write_normalizer(normalizer)?;
    }
    Ok(())
}
