//! Conversion of a run to a checkpoint and back.

use burn_pg_envs::EnvError;

use super::{
    Trainer,
    ahead::{Ahead, Seen},
    checkpoint::{BEHIND, Checkpoint, POLICY, RunState, SOURCE, UPDATE},
};
use crate::{
    Error,
    policy::Policy,
    source::Source,
    storage::{
        Misfit, Saved,
        tensors::{self, TensorsError, named},
    },
};

impl<P: Policy, S: Source<P>> Trainer<P, S> {
    /// Returns why the run cannot have checkpoints, if its source or the environments of the source cannot be saved.
    pub(super) fn why_unsaved(&self) -> Option<Misfit> {
        match self.source().save() {
            Err(reason @ (Misfit::Unsaved { .. } | Misfit::Envs(EnvError::Unsupported { .. }))) => Some(reason),
            _ => None,
        }
    }

    /// Returns a checkpoint: everything that the rest of the run depends on.
    ///
    /// # Errors
    /// [`Error::Misfit`] if the state of the source or the update cannot be saved; [`Error::Execution`] if the device
    /// fails.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let parts = &self.parts;
        // If the next rollout has been collected, it will be collected once more, by the same policy.
        let (source, behind) = match &self.ahead {
            Some(Ahead { before, policy, .. }) => (before.clone(), Some(policy)),
            None => (parts.source.save(), self.behind.as_ref()),
        };
        let source = source.map_err(failed)?;
        let update = parts.update.save().map_err(failed)?;
        let policy = tensors::of_module(&parts.policy).map_err(failed)?;
        let behind = behind.map(tensors::of_module).transpose().map_err(failed)?.unwrap_or_default();
        let parts_of_tensors = [(POLICY, policy), (BEHIND, behind), (SOURCE, source.tensors), (UPDATE, update.tensors)];
        let named = parts_of_tensors.into_iter().flat_map(|(part, tensors)| named(part, tensors));
        let state = RunState {
            update: self.update,
            env_steps: self.env_steps(),
            faults: self.faults,
            timed_steps: self.timed_steps,
            timed_seconds: self.timed_seconds,
            normalizer: self.normalizer.clone(),
            environment: parts.source.environment().cloned(),
            init_from: self.init_from.clone(),
        };
        Ok(Checkpoint {
            config: (*self.config).clone(),
            state,
            source: source.text,
            update: update.text,
            tensors: named.collect(),
        })
    }

    /// Restores a checkpoint of a run with the same parts and settings. The run continues as the saved run would have:
    /// on a CPU bit for bit, with any number of threads.
    ///
    /// # Errors
    /// [`Error::Misfit`] if the checkpoint belongs to a run with other parts; [`Error::Execution`] if the device fails.
    /// The trainer may then be partly restored; do not use it.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), Error> {
        let state = &checkpoint.state;
        for (what, value) in [
            ("updates", state.update),
            ("faults", state.faults),
            ("environment steps", state.env_steps),
            ("environment steps", state.timed_steps),
        ] {
            if value >> 53 > 0 {
                return Err(Misfit::Counter { what, value }.into());
            }
        }
        let parts = &mut self.parts;
        let policy = checkpoint.load_policy(parts.policy.clone()).map_err(failed)?;
        let behind = match checkpoint.part(BEHIND) {
            none if none.is_empty() => None,
            weights => {
                Some(tensors::into_module(policy.clone(), weights, &tensors::of_module(&policy).map_err(failed)?))
            }
        };
        let behind = behind.transpose().map_err(failed)?;
        let [of_update, of_source] = [UPDATE, SOURCE].map(|part| checkpoint.part(part));
        let Checkpoint { state, source, update, .. } = checkpoint;
        parts.update.load(Saved { text: update, tensors: of_update }, &policy).map_err(failed)?;
        parts.source.load(Saved { text: source, tensors: of_source }, &policy).map_err(failed)?;
        if parts.source.env_steps() != state.env_steps {
            return Err(Misfit::Counter { what: "environment steps", value: parts.source.env_steps() }.into());
        }
        parts.policy = policy;
        (self.seen, self.ahead, self.behind) = (Seen::of(&parts.source), None, behind);
        (self.update, self.faults, self.normalizer) = (state.update, state.faults, state.normalizer);
        self.init_from = state.init_from;
        (self.timed_steps, self.timed_seconds) = (state.timed_steps, state.timed_seconds);
        Ok(())
    }
}

/// Converts an error; a device failure becomes [`Error::Execution`].
fn failed(error: impl Into<Misfit>) -> Error {
    match error.into() {
        Misfit::Tensors(TensorsError::Device { reason }) => Error::Execution(reason),
        misfit => misfit.into(),
    }
}
