//! The rows of a batch, written from what workers answer.

use super::{
    process::Trouble,
    reason::{of_failure, of_lost},
    worker::{Todo, Worker},
};
use crate::{EnvError, EnvSpec, Fault, Space, Step, StepBatch};

/// Where an environment is in its episode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// Its episode has ended, and the next one has not begun.
    AwaitsReset,
    /// It must be reset, because it has failed or never been reset.
    MustBeReset,
}

#[derive(Debug, Clone, Copy)]
pub struct State {
    pub phase: Phase,
    /// The seed of the last reset that had one.
    pub seed: u64,
    /// Steps since that reset.
    pub steps: u64,
}

/// Requests that could not be made, by worker.
#[derive(Default)]
pub struct Failures(Vec<(usize, Trouble)>);

impl Failures {
    #[cold]
    pub fn add(&mut self, worker: usize, trouble: Trouble) {
        self.0.push((worker, trouble));
    }

    pub fn take(&mut self, worker: usize) -> Option<Trouble> {
        let at = self.0.iter().position(|(of, _)| *of == worker)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// The batch while the rows of one worker after the other are written.
pub struct Rows<'a> {
    pub spec: &'a EnvSpec,
    pub batch: &'a mut StepBatch,
    pub states: &'a mut [State],
    pub is_step: bool,
    pub first_failure: Option<EnvError>,
}

impl Rows<'_> {
    /// Writes the rows of `worker`.
    pub fn take(&mut self, worker: &mut Worker, answer: Result<(), Trouble>) {
        let exceptions = match answer {
            Ok(()) => Vec::new(),
            Err(Trouble::Exceptions(exceptions)) => exceptions,
            Err(lost @ Trouble::Lost(_)) => return self.lose(worker, &lost),
        };
        for row in 0..worker.rows() {
            let env = worker.first + row;
            if worker.todo[row] == Todo::Nothing {
                continue;
            }
            if matches!(worker.todo[row], Todo::Step | Todo::StepAndReset) {
                self.states[env].steps += 1;
            }
            let raised = exceptions.iter().find(|exception| exception.row == row);
            let written = match raised {
                Some(exception) => Err(Fault::Reported { message: of_failure(exception) }),
                None => self.write(worker, row),
            };
            if let Err(fault) = written {
                self.fail(env, fault);
            }
        }
    }

    /// Writes the row of one environment that has been stepped or reset.
    fn write(&mut self, worker: &mut Worker, row: usize) -> Result<(), Fault> {
        let env = worker.first + row;
        let Self { spec, batch, states, is_step, .. } = self;
        let space = &spec.observation_space;
        let state = &mut states[env];
        match worker.todo[row] {
            Todo::Step | Todo::StepAndReset => {
                let (reward, terminated, truncated) =
                    (worker.reward(row), worker.terminated(row), worker.truncated(row));
                if !reward.is_finite() {
                    return Err(Fault::Reward { value: reward });
                }
                let resets = worker.todo[row] == Todo::StepAndReset && (terminated || truncated);
                let observation = batch.observation_mut(env);
                if resets {
                    let read = worker.final_observation(row, space, observation);
                    read.map_err(|trouble| Fault::Reported { message: of_lost(&trouble) })?;
                } else {
                    worker.observation(row, space, observation);
                }
                check_finite(space, observation)?;
                let ended = batch.record(env, Step { reward, terminated, truncated }, None);
                if resets {
                    let observation = batch.observation_mut(env);
                    worker.observation(row, space, observation);
                    check_finite(space, observation)?;
                }
                state.phase = if ended && !resets { Phase::AwaitsReset } else { Phase::Running };
            }
            _ => {
                batch.begin(env);
                // In place of a step, the row holds no transition.
                batch.valid[env] = !*is_step;
                let observation = batch.observation_mut(env);
                worker.observation(row, space, observation);
                check_finite(space, observation)?;
                state.phase = Phase::Running;
            }
        }
        // The action after the end of an episode is ignored, so its mask does not matter.
        if state.phase == Phase::Running {
            for (flag, possible) in batch.action_mask_mut(env).iter_mut().zip(worker.mask(row)) {
                *flag = possible;
            }
        } else {
            batch.action_mask_mut(env).fill(true);
        }
        Ok(())
    }

    /// Marks all environments of a worker that is lost.
    #[cold]
    fn lose(&mut self, worker: &mut Worker, trouble: &Trouble) {
        let current = worker.first + worker.current();
        let all = worker.first..worker.first + worker.rows();
        let of = match all.len() {
            1 => String::new(),
            _ => format!(" of environments {} to {}", all.start, all.end - 1),
        };
        worker.end();
        let message = format!("its worker{of} is lost: {}", of_lost(trouble));
        self.fail(current, Fault::Reported { message });
        for env in all {
            self.clear(env);
        }
    }

    #[cold]
    fn fail(&mut self, env: usize, fault: Fault) {
        self.clear(env);
        let State { seed, steps, .. } = self.states[env];
        self.first_failure.get_or_insert(EnvError::Failed { env, seed, steps, fault });
    }

    fn clear(&mut self, env: usize) {
        self.batch.begin(env);
        self.batch.valid[env] = false;
        self.states[env].phase = Phase::MustBeReset;
    }
}

/// Checks that all elements are finite. Those of images always are.
fn check_finite(space: &Space, observation: &[f32]) -> Result<(), Fault> {
    if matches!(space, Space::Image { .. }) {
        return Ok(());
    }
    match observation.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Fault::Observation { index, value: observation[index] }),
    }
}
