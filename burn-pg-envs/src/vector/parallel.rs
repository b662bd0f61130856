//! Stepping many environments at once, and catching panics and faults of single ones.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    StepBatch,
    batch::{Columns, Rows},
    slot::{Rules, Slot},
};
use crate::{Actions, Env, EnvAction, Fault};

/// Steps all environments, in tasks of at most `envs_per_task`. Returns true if any has failed.
pub(super) fn step_in_parallel<E: Env>(
    slots: &mut [Slot<E>],
    mut rows: Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
    envs_per_task: usize,
) -> bool {
    if slots.len() <= envs_per_task {
        return step_one_by_one(slots, &mut rows, actions, rules);
    }
    let tasks = slots.len().div_ceil(envs_per_task);
    let middle = tasks / 2 * envs_per_task;
    let (left, right) = slots.split_at_mut(middle);
    let (left_rows, right_rows) = rows.split_at(middle);
    let (left, right) = rayon::join(
        || step_in_parallel(left, left_rows, actions, rules, envs_per_task),
        || step_in_parallel(right, right_rows, actions, rules, envs_per_task),
    );
    left | right
}

/// Steps each environment, including those after one that fails. Returns true if any has failed.
pub(super) fn step_one_by_one<E: Env>(
    slots: &mut [Slot<E>],
    rows: &mut Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
) -> bool {
    let (mut i, mut failed) = (0, false);
    while i < slots.len() {
        // Only the environment that panicked is in an unknown state, and it is marked as failed.
        let run = caught(|| {
            while i < slots.len() {
                let action = E::Action::read(actions, rows.first + i, rules.lens.action);
                slots[i].step(action, rows, i, rules)?;
                i += 1;
            }
            Ok(())
        });
        let Err(fault) = run else { break };
        slots[i].fail(fault);
        rows.clear(i, rules.lens);
        failed = true;
        i += 1;
    }
    failed
}

/// Steps a batch of one environment, without the overhead of several. Returns true if it has failed.
pub(super) fn step_one<E: Env>(slot: &mut Slot<E>, batch: &mut StepBatch, actions: &Actions<'_>, rules: Rules) -> bool {
    match caught(|| slot.step(E::Action::read(actions, 0, rules.lens.action), batch, 0, rules)) {
        Ok(()) => false,
        Err(fault) => {
            slot.fail(fault);
            batch.clear(0, rules.lens);
            true
        }
    }
}

/// Returns what `run` returns, or its panic as a fault. (Boxed, because a pointer is returned faster.)
pub(super) fn caught(run: impl FnOnce() -> Result<(), Box<Fault>>) -> Result<(), Box<Fault>> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Box::new(Fault::Panic { message: panic_message(&*payload) })))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}

#[cfg(test)]
mod tests {
    use super::super::batch::RowLens;
    use super::*;
    use crate::{Autoreset, EnvRng, EnvSpec, Space, Step};

    /// Observes the sum of its actions; action 9 panics.
    struct Sum(f32);

    impl Env for Sum {
        type Action = u32;
        type State = f32;

        fn spec(&self) -> EnvSpec {
            EnvSpec::new("Sum", Space::symmetric(&[100.0]), Space::discrete(10))
        }

        fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
            (self.0, observation[0]) = (0.0, 0.0);
        }

        fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
            assert!(action != 9, "nine");
            self.0 += action as f32;
            observation[0] = self.0;
            Step { reward: f64::from(action), terminated: action == 8, truncated: false }
        }

        fn state(&self) -> f32 {
            self.0
        }

        fn set_state(&mut self, state: f32) {
            self.0 = state;
        }
    }

    #[test]
    fn tasks_of_any_size_give_each_row_its_own_action_and_fault() {
        let actions: Vec<u32> = (0..331).map(|i| i * 7 % 10).collect();
        let n = actions.len();
        let rules = Rules {
            lens: RowLens { observation: 1, mask: 0, action: 1 },
            autoreset: Autoreset::NextStep,
            time_limit: 100,
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        for envs_per_task in [1, 7, 64, 330, 331, 1000] {
            let mut slots: Vec<_> = (0..n).map(|_| Slot::new(Sum(0.0))).collect();
            let mut batch = StepBatch::new(&Sum(0.0).spec(), n);
            let failed = pool.install(|| {
                let rows = Rows::new(&mut batch);
                step_in_parallel(&mut slots, rows, &Actions::Discrete(&actions), rules, envs_per_task)
            });
            assert!(failed);
            for (i, &action) in actions.iter().enumerate() {
                let what = format!("{envs_per_task} a task, environment {i}");
                let fault = slots[i].take_fault();
                assert_eq!(fault.is_some(), action == 9, "{what}");
                assert_eq!(batch.valid[i], action != 9, "{what}");
                let expected = if action == 9 { 0.0 } else { f64::from(action) };
                assert_eq!((batch.rewards[i], f64::from(batch.observations[i])), (expected, expected), "{what}");
                assert_eq!(batch.terminated[i], action == 8, "{what}");
            }
        }
    }
}
