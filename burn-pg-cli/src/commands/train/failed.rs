//! Messages of failed runs: the cause, what is saved, and how to resume.

use burn_pg::{
    agent::export::Layers,
    run::{RunDir, Session, Stopped, directory::RunDirError},
};

use crate::{
    commands::how_to_go_on::how_to_go_on,
    failure::{Failure, message},
};

/// Returns the message for a run that was trained but could not be evaluated.
pub fn not_evaluated(cause: &str, dir: &RunDir, again: &str) -> String {
    match dir.policy_path().exists() {
        true => format!("{cause}; the policy is saved, but it was not evaluated; evaluate it with: {again}"),
        false => format!("{cause}; nothing is left of the run in {}", dir.path().display()),
    }
}

/// Returns the failure of a run: why training failed, what was saved, and how to resume.
pub fn failed<P: Layers>(stopped: Stopped, session: &Session<P>) -> Failure {
    let (update, steps, dir) = (session.trainer().updates(), session.trainer().env_steps(), session.dir());
    let Stopped { error, policy } = stopped;
    let is_gone = matches!(error, burn_pg::Error::RunDir(RunDirError::Gone(_)));
    match Failure::of(error) {
        // The error of a device does not say where it failed, and the state on the device is unknown.
        failure @ Failure::Device(_) => failure.told(|cause| {
            format!("training failed in update {update}, after {steps} steps: {cause}; {}", how_to_resume(dir))
        }),
        failure if is_gone => failure.told(|cause| {
            format!(
                "training failed after {steps} steps: {cause}; nothing more can be saved in {}",
                dir.path().display()
            )
        }),
        failure => failure.told(|cause| {
            let (saved, go_on) = (saved_or_not(policy, dir), how_to_resume(dir));
            format!("training failed after {steps} steps: {cause}; {saved}; {go_on}")
        }),
    }
}

/// Returns the part of the message about the last good policy of a failed run.
fn saved_or_not(policy: Result<(), burn_pg::Error>, dir: &RunDir) -> String {
    match policy {
        Ok(()) => format!("the last good policy is saved in {}", dir.path().display()),
        Err(unsaved) => format!("the last good policy could not be saved ({})", message(&unsaved.into())),
    }
}

/// Returns the part of the message about the checkpoint from which a failed run resumes.
fn how_to_resume(dir: &RunDir) -> String {
    match dir.checkpoints().updates() {
        Ok(updates) => updates.last().map_or_else(
            || "there is no checkpoint yet to resume from".into(),
            |update| format!("go on from the checkpoint of update {update} with: {}", how_to_go_on(dir)),
        ),
        Err(unread) => format!("its checkpoints cannot be read ({unread})"),
    }
}
