//! Stepping many environments at once, and catching what goes wrong in one of them.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{
    batch::Rows,
    slot::{Rules, Slot},
};
use crate::{Actions, Env, Fault};

/// The first environment that failed, and how.
pub(super) type FirstFault = Option<(usize, Fault)>;

/// Halves the batch until each task has at most `envs_per_task` environments.
pub(super) fn step_in_parallel<E: Env>(
    slots: &mut [Slot<E>],
    rows: Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
    envs_per_task: usize,
) -> FirstFault {
    if slots.len() <= envs_per_task {
        return step_one_by_one(slots, rows, actions, rules);
    }
    let tasks = slots.len().div_ceil(envs_per_task);
    let middle = tasks / 2 * envs_per_task;
    let (left, right) = slots.split_at_mut(middle);
    let (left_rows, right_rows) = rows.split_at(middle);
    let (left, right) = rayon::join(
        || step_in_parallel(left, left_rows, actions, rules, envs_per_task),
        || step_in_parallel(right, right_rows, actions, rules, envs_per_task),
    );
    left.or(right)
}

/// Steps each environment, those after one that fails too.
pub(super) fn step_one_by_one<E: Env>(
    slots: &mut [Slot<E>],
    mut rows: Rows<'_>,
    actions: &Actions<'_>,
    rules: Rules,
) -> FirstFault {
    let (mut i, mut first) = (0, None);
    while i < slots.len() {
        // A panic leaves only the environment that panicked in an unknown state, and that one is marked as failed.
        let run = caught(|| {
            while i < slots.len() {
                slots[i].step(&mut rows, i, actions, rules)?;
                i += 1;
            }
            Ok(())
        });
        let Err(fault) = run else { break };
        slots[i].fail();
        first = first.or(Some((rows.first + i, fault)));
        i += 1;
    }
    first
}

/// What `run` returns, or the panic in it as a fault.
pub(super) fn caught(run: impl FnOnce() -> Result<(), Fault>) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(run))
        .unwrap_or_else(|payload| Err(Fault::Panic { message: panic_message(&*payload) }))
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}
