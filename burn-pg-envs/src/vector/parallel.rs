//! Stepping many environments at once, and catching what goes wrong in one of them.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    batch::{Columns, Rows},
    slot::{Rules, Slot},
};
use crate::{Actions, Env, EnvAction, Fault};

/// Halves the batch until each task has at most `envs_per_task` environments. Has any of them failed?
pub(super) fn step_in_parallel<E: Env>(
    slots: &mut [Slot<E>],
    mut rows: Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
    envs_per_task: usize,
) -> bool {
    if slots.len() <= envs_per_task {
        let first = rows.first;
        return step_one_by_one(slots, &mut rows, first, actions, rules);
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

/// Steps each environment, those after one that fails too; the first of them is environment `first` of the batch. Has any of
/// them failed?
pub(super) fn step_one_by_one<E: Env>(
    slots: &mut [Slot<E>],
    columns: &mut impl Columns,
    first: usize,
    actions: &Actions<'_>,
    rules: Rules,
) -> bool {
    let (mut i, mut failed) = (0, false);
    while i < slots.len() {
        // A panic leaves only the environment that panicked in an unknown state, and that one is marked as failed.
        let run = caught(|| {
            while i < slots.len() {
                let action = E::Action::read(actions, first + i);
                slots[i].step(action, columns, i, rules)?;
                i += 1;
            }
            Ok(())
        });
        let Err(fault) = run else { break };
        slots[i].fail(fault);
        failed = true;
        i += 1;
    }
    failed
}

/// What `run` returns, or the panic in it as a fault. (In a box, because faults are rare and a pointer is returned faster.)
pub(super) fn caught(run: impl FnOnce() -> Result<(), Box<Fault>>) -> Result<(), Box<Fault>> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Box::new(Fault::Panic { message: panic_message(&*payload) })))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}
