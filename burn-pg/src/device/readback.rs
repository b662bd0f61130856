//! Reading results back from a device.

use std::{
    any::Any,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use burn::tensor::{Tensor, TensorData, Transaction};

use crate::{
    Error,
    device::failed::{said, watch},
};

/// How long to wait for a device whose runtime has panicked. (It may have been that of another one.)
const GRACE: Duration = Duration::from_secs(5);

/// Reads vectors back, with one synchronisation.
pub(crate) fn read<const K: usize>(tensors: [Tensor<1>; K]) -> Result<[Vec<f32>; K], Error> {
    let data = execute(tensors.into_iter().fold(Transaction::default(), Transaction::register))?;
    let vectors: Result<Vec<Vec<f32>>, _> =
        data.into_iter().map(|data| data.convert::<f32>().try_into_vec().map_err(failed)).collect();
    vectors?.try_into().map_err(failed)
}

/// Reads tensors back in their own precision, in the order in which they were registered. (One that is read by itself comes back as
/// data that is only fetched when somebody looks at it, who then waits for ever if the device has failed meanwhile.)
pub(crate) fn execute(transaction: Transaction) -> Result<Vec<TensorData>, Error> {
    wait(transaction.execute_async())
}

/// Waits for a device, unless it fails: if its runtime panics, here or in a thread that would have woken this one.
fn wait<T, E: Debug>(reading: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    // Before anything is asked of the device: its runtime may panic at once.
    if cfg!(any(feature = "wgpu", feature = "cuda", feature = "rocm")) {
        watch();
    }
    wait_unless(reading, said, GRACE)
}

/// Waits until the runtime of the device has `said` something in a panic, and a little longer.
fn wait_unless<T, E: Debug>(
    reading: impl Future<Output = Result<T, E>>,
    said: impl Fn() -> Option<String>,
    grace: Duration,
) -> Result<T, Error> {
    let mut reading = pin!(reading);
    let waker = Waker::from(Arc::new(Waiting(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut failed_since = None;
    loop {
        match catch_unwind(AssertUnwindSafe(|| reading.as_mut().poll(&mut context))) {
            Ok(Poll::Ready(read)) => return read.map_err(failed),
            Ok(Poll::Pending) => {}
            Err(panic) => return Err(Error::Execution(message(&*panic))),
        }
        thread::park_timeout(Duration::from_millis(200));
        if let Some(said) = said()
            && failed_since.get_or_insert_with(Instant::now).elapsed() > grace
        {
            return Err(Error::Execution(said));
        }
    }
}

/// A thread that waits.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn failed(error: impl Debug) -> Error {
    Error::Execution(format!("{error:?}"))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("its runtime panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};

    use super::*;

    #[test]
    fn what_is_ready_later_is_waited_for() {
        let start = Instant::now();
        let later = poll_fn(|context| {
            if start.elapsed() > Duration::from_millis(20) {
                return Poll::Ready(Ok::<_, ()>(3));
            }
            let waker = context.waker().clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(25));
                waker.wake();
            });
            Poll::Pending
        });
        assert_eq!(wait(later).unwrap(), 3);
    }

    #[test]
    fn a_runtime_that_fails_or_panics_is_an_error() {
        let error = wait(ready(Err::<(), _>("lost"))).unwrap_err();
        assert!(matches!(&error, Error::Execution(reason) if reason == "\"lost\""), "{error}");
        let error = wait(poll_fn(|_| -> Poll<Result<(), ()>> { panic!("poisoned") })).unwrap_err();
        assert!(matches!(&error, Error::Execution(reason) if reason == "poisoned"), "{error}");
    }

    #[test]
    fn nobody_waits_for_ever_for_a_thread_that_has_panicked() {
        let said = || Some("the poll thread is gone".into());
        let error = wait_unless(pending::<Result<(), ()>>(), said, Duration::ZERO).unwrap_err();
        assert!(matches!(&error, Error::Execution(reason) if reason == "the poll thread is gone"), "{error}");
    }
}
