//! From the first update of a process to its last, with all that is kept on the way.

use std::{
    ops::ControlFlow,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Error, Result};
use burn_pg::{
    CheckedConfig, Trainer, UpdateStats,
    evaluate,
    policy::ActorCritic,
    run::{
        checkpoint::Best,
        directory::{MetricsFile, RunDir},
    },
};

use crate::{failure::Failure, interrupt::Interrupt, progress::Progress};

/// What a run is trained with.
pub struct Session<'a> {
    pub config: &'a CheckedConfig,
    pub dir: &'a RunDir,
    pub metrics: MetricsFile,
    pub interrupt: Interrupt,
    pub progress: Progress,
    /// The update of the last checkpoint, or 0.
    pub saved: u64,
    /// When it was saved, or the process began.
    pub saved_at: Instant,
}

/// From one checkpoint to the next, if the configuration does not say.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(10);

impl Session<'_> {
    /// Trains to the end, or until it is interrupted; shows and records each update, and saves checkpoints and the policy.
    pub fn train(mut self, mut trainer: Trainer<ActorCritic>) -> Result<Trainer<ActorCritic>, Failure> {
        // The process before may have ended between this checkpoint and its evaluation.
        let mut kept = self.note_how_good(&trainer);
        let outcome = match kept {
            Err(_) => Ok(()),
            Ok(()) => trainer.run_with(|trainer, update| {
                match update {
                    Ok(stats) => kept = self.keep(trainer, stats),
                    Err(fault) => self.progress.warn(format_args!("an update was given up: {fault}")),
                }
                match kept.is_err() || self.interrupt.exit_code().is_some() {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            }),
        };
        self.progress.finish();
        let ended = outcome.map_err(Error::from).and(kept).and_then(|()| {
            // In this order: a policy without a checkpoint is that of a run that failed, or was trained elsewhere.
            if self.saved != trainer.updates() {
                self.save_checkpoint(&trainer)?;
            }
            save_policy(&trainer, self.dir)
        });
        ended.map_err(|error| self.rescue(error, &trainer))?;
        match self.interrupt.exit_code() {
            None => {
                // What comes now can be had again.
                self.interrupt.release();
                Ok(trainer)
            }
            Some(code) => {
                let (update, steps) = (trainer.updates(), trainer.env_steps());
                let advice =
                    format!("saved after update {update} ({steps} steps); go on with: {}", how_to_go_on(self.dir));
                Err(Failure::Interrupted { advice, code })
            }
        }
    }

    /// Shows and keeps what an update did, and saves a checkpoint if one is due.
    fn keep(&mut self, trainer: &Trainer<ActorCritic>, stats: &UpdateStats) -> Result<()> {
        self.progress.show(stats);
        self.metrics.write(stats)?;
        let is_due = match self.config.checkpoint.interval {
            None => self.saved_at.elapsed() >= BETWEEN_CHECKPOINTS,
            Some(interval) => interval > 0 && stats.update - self.saved >= interval,
        };
        match is_due {
            true => self.save_checkpoint(trainer),
            false => Ok(()),
        }
    }

    fn save_checkpoint(&mut self, trainer: &Trainer<ActorCritic>) -> Result<()> {
        // What a checkpoint goes on from is never missing in the metrics.
        self.metrics.sync()?;
        let checkpoints = self.dir.checkpoints();
        checkpoints.save(&trainer.checkpoint()?)?;
        (self.saved, self.saved_at) = (trainer.updates(), Instant::now());
        self.note_how_good(trainer)?;
        // What should be gone does no harm.
        if let Err(error) = checkpoints.prune(self.config.checkpoint.keep) {
            self.progress.warn(format_args!("older checkpoints stay: {error}"));
        }
        Ok(())
    }

    /// Evaluates the policy of the last checkpoint, if that is asked for, and notes whether it is the best.
    fn note_how_good(&self, trainer: &Trainer<ActorCritic>) -> Result<()> {
        let episodes = self.config.checkpoint.eval_episodes;
        if episodes > 0 && self.saved > 0 {
            let agent = trainer.agent()?;
            let evaluation = evaluate(&agent, agent.make_envs(episodes)?, self.config.seed, false)?;
            self.dir.checkpoints().note(Best { update: self.saved, return_mean: evaluation.return_mean() })?;
        }
        Ok(())
    }

    /// Keeps what was learnt before training failed, and says so.
    fn rescue(&self, error: Error, trainer: &Trainer<ActorCritic>) -> Failure {
        let (update, steps) = (trainer.updates(), trainer.env_steps());
        let checkpoint = match self.dir.checkpoints().updates() {
            Ok(updates) => updates.last().map_or_else(
                || "there is no checkpoint yet".into(),
                |update| format!("go on from the checkpoint of update {update} with: {}", how_to_go_on(self.dir)),
            ),
            Err(unread) => format!("checkpoints cannot be looked for ({unread})"),
        };
        let error = match Failure::of(error) {
            Failure::Run(error) => error,
            // It may leave anything behind, and its error does not say where.
            Failure::Device(error) => {
                let failed = format!("training failed in update {update}, after {steps} steps; {checkpoint}");
                return Failure::Device(error.context(failed));
            }
            other => return other,
        };
        let failed = format!("training failed after {steps} steps");
        let (saved, path) = (save_policy(trainer, self.dir), self.dir.path().display());
        Failure::Run(error.context(match saved {
            Ok(()) => format!("{failed}; the last good policy is saved in {path}; {checkpoint}"),
            Err(unsaved) => format!("{failed}, and the last good policy is lost ({unsaved:#}); {checkpoint}"),
        }))
    }
}

/// The command that goes on with a run.
pub fn how_to_go_on(dir: &RunDir) -> String {
    format!("burn-pg train --resume {}", quoted(dir.path()))
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let Some(text) = path.to_str() else { return escaped(path) };
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%\\".contains(letter);
    match text.chars().all(plain) {
        true => text.into(),
        // (There, names have no such marks.)
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// A path that is not text, as bash and zsh take it.
#[cfg(unix)]
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;

    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@% ".contains(&byte);
    let escape = |&byte: &u8| if plain(byte) { char::from(byte).into() } else { format!("\\x{byte:02x}") };
    format!("$'{}'", path.as_os_str().as_bytes().iter().map(escape).collect::<String>())
}

#[cfg(not(unix))]
fn escaped(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// Saves the policy with all that belongs to it.
fn save_policy(trainer: &Trainer<ActorCritic>, dir: &RunDir) -> Result<()> {
    Ok(trainer.agent()?.save(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_path_is_quoted_if_a_shell_would_take_it_apart() {
        for (path, told) in [
            ("runs/a-1", "runs/a-1"),
            ("runs/two words", "'runs/two words'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(path.as_ref()), told);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_path_that_is_not_text_can_be_pasted() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let path = OsStr::from_bytes(b"it's \xff");
        assert_eq!(quoted(path.as_ref()), "$'it\\x27s \\xff'");
        let told =
            std::process::Command::new("bash").args(["-c", &format!("printf %s {}", quoted(path.as_ref()))]).output();
        assert_eq!(told.unwrap().stdout, b"it's \xff");
    }
}
