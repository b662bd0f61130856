//! Reads results from a device.

use std::{
    convert::Infallible,
    fmt::Debug,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use burn::tensor::{Device, Tensor, TensorData, Transaction};

use super::{
    Failed,
    failed::{PANICS, message_of},
};

/// Number of results that were waited for.
static WAITS: AtomicU64 = AtomicU64::new(0);

/// Returns how many times this process has waited for results of a device so far: the number of synchronisations.
#[must_use]
pub fn waits() -> u64 {
    WAITS.load(Ordering::Relaxed)
}

/// How long to wait for a device after a panic of a runtime, which may have been the runtime of another device.
const GRACE: Duration = Duration::from_secs(5);

/// Reads vectors of one device with one synchronisation.
pub(crate) fn read<const K: usize>(tensors: [Tensor<1>; K]) -> Result<[Vec<f32>; K], Failed> {
    let Some(device) = tensors.first().map(Tensor::device) else { return Err(failed("nothing to read")) };
    let data = execute(tensors.into_iter().fold(Transaction::default(), Transaction::register), device)?;
    vectors(data)
}

/// Reads one vector from a device that is being opened, and waits at most `limit`. Earlier panics are ignored.
#[cfg(any(feature = "wgpu", feature = "cuda", feature = "rocm"))]
pub(super) fn read_within(limit: Duration, tensor: Tensor<1>) -> Result<[Vec<f32>; 1], Failed> {
    let device = tensor.device();
    PANICS.set_survived(device.clone(), PANICS.count());
    let reading = Transaction::default().register(tensor).execute_async();
    vectors(wait(reading, Some(limit), || PANICS.not_survived_by(&device), GRACE)?)
}

fn vectors<const K: usize>(data: Vec<TensorData>) -> Result<[Vec<f32>; K], Failed> {
    let vectors: Result<Vec<Vec<f32>>, _> =
        data.into_iter().map(|data| data.convert::<f32>().try_into_vec().map_err(failed)).collect();
    vectors?.try_into().map_err(failed)
}

/// Reads tensors in their own precision, in the order in which they were registered.
///
/// All reads use a transaction. Without one, a tensor may be fetched only when its data is used, and that use never
/// returns if the device has failed by then.
pub(crate) fn execute(transaction: Transaction, device: Device) -> Result<Vec<TensorData>, Failed> {
    // Counted before the request, because the answer does not prove that the device has survived later panics.
    let before = PANICS.count();
    let data = wait(transaction.execute_async(), None, || PANICS.not_survived_by(&device), GRACE)?;
    if before > 0 {
        PANICS.set_survived(device, before);
    }
    Ok(data)
}

/// Waits for an answer of `device` that is no tensor.
pub(super) fn answer_of<T>(device: &Device, answer: impl Future<Output = T>) -> Result<T, Failed> {
    wait(async { Ok::<T, Infallible>(answer.await) }, None, || PANICS.not_survived_by(device), GRACE)
}

/// Waits for a device.
///
/// # Errors
/// - `reading` fails, or panics on this thread.
/// - `panic` returns the message of a panic on another thread, which may never wake this one, and `grace` has passed
///   since.
/// - The wait exceeds `limit`.
fn wait<T, E: Debug>(
    reading: impl Future<Output = Result<T, E>>,
    limit: Option<Duration>,
    panic: impl Fn() -> Option<String>,
    grace: Duration,
) -> Result<T, Failed> {
    WAITS.fetch_add(1, Ordering::Relaxed);
    let mut reading = pin!(reading);
    let waker = Waker::from(Arc::new(Waiting(thread::current())));
    let mut context = Context::from_waker(&waker);
    let (mut began, mut failed_since) = (None, None);
    loop {
        match catch_unwind(AssertUnwindSafe(|| reading.as_mut().poll(&mut context))) {
            Ok(Poll::Ready(read)) => return read.map_err(failed),
            Ok(Poll::Pending) => {}
            Err(panic) => return Err(Failed(message_of(&*panic))),
        }
        let waited = began.get_or_insert_with(Instant::now).elapsed();
        if limit.is_some_and(|limit| waited > limit) {
            return Err(Failed(format!("it has not answered for {:.0} s", waited.as_secs_f64())));
        }
        thread::park_timeout(Duration::from_millis(200));
        if let Some(message) = panic()
            && failed_since.get_or_insert_with(Instant::now).elapsed() > grace
        {
            return Err(Failed(message));
        }
    }
}

/// Wakes a waiting thread.
struct Waiting(Thread);

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn failed(error: impl Debug) -> Failed {
    Failed(format!("{error:?}"))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn, ready};

    use super::*;

    #[test]
    fn wait_returns_a_result_that_is_ready_later() {
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
        assert_eq!(wait(later, None, || None, GRACE).unwrap(), 3);
    }

    #[test]
    fn wait_returns_an_error_if_the_runtime_fails_or_panics() {
        let error = wait(ready(Err::<(), _>("lost")), None, || None, GRACE).unwrap_err();
        assert!(matches!(&error, Failed(reason) if reason == "\"lost\""), "{error:?}");
        let error =
            wait(poll_fn(|_| -> Poll<Result<(), ()>> { panic!("poisoned") }), None, || None, GRACE).unwrap_err();
        assert!(matches!(&error, Failed(reason) if reason == "poisoned"), "{error:?}");
    }

    #[test]
    fn wait_ends_after_a_panic_on_another_thread() {
        let panic = || Some("the poll thread is gone".into());
        let error = wait(pending::<Result<(), ()>>(), None, panic, Duration::ZERO).unwrap_err();
        assert!(matches!(&error, Failed(reason) if reason == "the poll thread is gone"), "{error:?}");
    }

    #[test]
    fn wait_ends_at_the_limit_if_the_device_does_not_answer() {
        let limit = Some(Duration::from_millis(1));
        let error = wait(pending::<Result<(), ()>>(), limit, || None, GRACE).unwrap_err();
        assert!(matches!(&error, Failed(reason) if reason == "it has not answered for 0 s"), "{error:?}");
    }
}
