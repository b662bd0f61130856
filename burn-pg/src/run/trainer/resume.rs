//! A run as data, and back.

use burn::tensor::{DType, Tensor, TensorData};

use super::{Timed, Trainer};
use crate::{
    Error,
    optim::{OptimiserState, flatten_parameters},
    policy::{Observation, Policy},
    run::checkpoint::{COLLECTOR, Checkpoint, Misfit, OPTIMISER, POLICY, REFERENCE, RunState, named},
    storage::tensors::{self, Tensors, TensorsError},
};

impl<P: Policy<Observation = Observation>> Trainer<P> {
    /// Everything that the rest of the run depends on. (The estimator is not asked: it has no memory.)
    ///
    /// # Errors
    /// [`Error::Misfit`] if the state of an environment cannot be written; [`Error::Execution`] if the device fails.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let parts = &self.parts;
        let (collector, remembered) = parts.collector.save().map_err(failed)?;
        let optimiser = parts.learner.optimiser.state();
        let moments = optimiser.tensors.iter().map(|(name, tensor)| Ok((name.clone(), tensors::read(tensor)?)));
        let moments: Tensors = moments.collect::<Result<_, TensorsError>>().map_err(failed)?;
        let mut tensors = Tensors::new();
        tensors.extend(named(POLICY, tensors::of_module(&parts.learner.policy).map_err(failed)?));
        if let Some(reference) = &parts.reference {
            tensors.extend(named(REFERENCE, tensors::of_module(reference).map_err(failed)?));
        }
        tensors.extend(named(OPTIMISER, moments));
        tensors.extend(named(COLLECTOR, remembered));
        let state = RunState {
            update: self.update,
            faults: self.faults,
            timed_steps: self.timed.steps,
            timed_seconds: self.timed.seconds,
            shuffle: self.shuffle.clone(),
            normalizer: self.normalizer.clone(),
            optimiser_steps: optimiser.steps,
            objective: parts.learner.objective.state(),
            trust_region: parts.trust_region.as_ref().map(|region| region.objective.state()).unwrap_or_default(),
            collector,
        };
        Ok(Checkpoint { config: (*self.config).clone(), state, tensors })
    }

    /// Goes on from a checkpoint of a run with the same parts and settings: what follows is what would have followed there, to the
    /// bit on a CPU, whatever the number of threads.
    ///
    /// # Errors
    /// [`Error::Misfit`] if it is one of a run with other parts. This run is then neither what it was nor what it was to become.
    pub fn restore(&mut self, checkpoint: Checkpoint) -> Result<(), Error> {
        let state = &checkpoint.state;
        for (what, value) in [
            ("updates", state.update),
            ("faults", state.faults),
            ("environment steps", state.collector.env_steps),
            ("environment steps", state.timed_steps),
            ("steps of the optimiser", state.optimiser_steps),
        ] {
            if value >> 53 > 0 {
                return Err(Misfit::Counter { what, value }.into());
            }
        }
        let parts = &mut self.parts;
        let policy = parts.learner.policy.clone();
        let expected = tensors::of_module(&policy).map_err(failed)?;
        let policy = tensors::into_module(policy, checkpoint.part(POLICY), &expected).map_err(Misfit::from)?;
        let expected = parts.reference.as_ref().map(tensors::of_module).transpose().map_err(failed)?;
        let expected = expected.unwrap_or_default();
        let reference = checkpoint.part(REFERENCE);
        tensors::check_fit(&reference, &expected).map_err(Misfit::from)?;
        if let Some(own) = &mut parts.reference {
            *own = tensors::into_module(own.clone(), reference, &expected).map_err(Misfit::from)?;
        }
        let optimiser = optimiser_state(&policy, checkpoint.state.optimiser_steps, checkpoint.part(OPTIMISER))?;
        parts.learner.set_optimiser_state(optimiser).map_err(Misfit::from)?;
        parts.learner.policy = policy;

        let remembered = checkpoint.part(COLLECTOR);
        let state = checkpoint.state;
        parts.learner.objective.set_state(&state.objective).map_err(Misfit::from)?;
        if let Some(region) = &mut parts.trust_region {
            region.objective.set_state(&state.trust_region).map_err(Misfit::from)?;
        }
        parts.collector.load(state.collector, remembered, parts.learner.policy.memory_len()).map_err(failed)?;
        (self.update, self.faults, self.shuffle) = (state.update, state.faults, state.shuffle);
        self.normalizer = state.normalizer;
        self.timed = Timed { steps: state.timed_steps, seconds: state.timed_seconds };
        Ok(())
    }
}

/// A device that fails is no misfit.
fn failed(error: impl Into<Misfit>) -> Error {
    match error.into() {
        Misfit::Tensors(TensorsError::Device { reason }) => Error::Execution(reason),
        misfit => misfit.into(),
    }
}

/// The state of an optimiser of this policy, on its device.
fn optimiser_state<P: Policy<Observation = Observation>>(
    policy: &P,
    steps: u64,
    moments: Tensors,
) -> Result<OptimiserState, Misfit> {
    let parameters = flatten_parameters(policy);
    let dtype = parameters.dtype();
    let tensors = moments.into_iter().map(|(name, data)| {
        tensors::check_finite(&name, &data)?;
        let found = kind(&data);
        match (&data.shape().to_vec()[..], data.dtype() == dtype) {
            ([_], true) => Ok((name, Tensor::from_data(data, (&parameters.device(), dtype)))),
            _ => Err(TensorsError::Tensor { name, found, expected: format!("{dtype:?}[{}]", parameters.dims()[0]) }),
        }
    });
    Ok(OptimiserState { steps, tensors: tensors.collect::<Result<_, _>>()? })
}

fn kind(data: &TensorData) -> String {
    let dtype: DType = data.dtype();
    format!("{dtype:?}{:?}", data.shape().to_vec())
}
