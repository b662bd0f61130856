//! Measuring a figure in repeated rounds, within a limited time.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use burn_pg::burn::tensor::Device;

use crate::comparison::{Kind, Outcome, Rounds, Size};

/// The number of rounds of a figure: as many as there is time for.
const ROUNDS: std::ops::RangeInclusive<usize> = 3..=9;
/// Largest number of iterations in a round. The queue of a device is limited.
const ITERATIONS: f64 = 10_000.0;

/// A figure that is to be measured.
pub struct Planned {
    pub kind: Kind,
    pub name: String,
    pub size: Option<Size>,
    /// Bytes, floating-point operations, steps, actions or samples of one iteration, or 1.
    pub amount: f64,
    /// The work of one iteration, relative to other figures of the kind. The time of an iteration is estimated from it.
    pub cost: f64,
    pub method: Method,
}

/// How a figure is measured.
pub enum Method {
    /// By repeating work.
    Measure(Prepare),
    /// It cannot be measured, for this reason.
    Unavailable(&'static str),
}

/// Prepares the work on a device.
pub type Prepare = Box<dyn FnOnce(&Device) -> Result<Work>>;

/// Runs a number of iterations, waits for the device, and returns the time they took.
pub type Work = Box<dyn FnMut(u32) -> Result<Time>>;

/// The time of some iterations.
pub struct Time {
    pub total: Duration,
    /// The part of it that passed on the device, if that is what is measured and the device has a clock.
    pub on_device: Option<Duration>,
}

impl From<Duration> for Time {
    fn from(total: Duration) -> Self {
        Self { total, on_device: None }
    }
}

/// Waits until the device has done all work.
pub fn wait_for(device: &Device) -> Result<()> {
    device.sync().map_err(|error| anyhow!("the device failed: {error}"))
}

/// Returns work that repeats `step` and then waits for the device.
pub fn repeated(device: &Device, mut step: impl FnMut() -> Result<()> + 'static) -> Work {
    let device = device.clone();
    Box::new(move |iterations| {
        let start = Instant::now();
        for _ in 0..iterations {
            step()?;
        }
        wait_for(&device)?;
        Ok(start.elapsed().into())
    })
}

impl Planned {
    /// Returns the time that the figure gets, relative to those of others.
    pub fn weight(&self) -> f64 {
        match self.method {
            Method::Measure(_) => self.kind.weight(),
            Method::Unavailable(_) => 0.0,
        }
    }

    /// Measures the figure on a device, in about `limit`. Returns the outcome, and the time of one iteration in seconds as
    /// far as it is known. `estimate` is the expected time of one iteration.
    pub fn measure(self, device: &Device, limit: Duration, estimate: Option<f64>) -> (Outcome, Option<f64>) {
        let prepare = match self.method {
            Method::Measure(prepare) => prepare,
            Method::Unavailable(reason) => return (Outcome::NotMeasured { reason: reason.into() }, None),
        };
        if limit.is_zero() || estimate.is_some_and(|estimate| is_too_long(estimate, limit)) {
            return (Outcome::Skipped { seconds: estimate }, None);
        }
        let measure = || {
            let mut work = prepare(device)?;
            rounds(&mut work, limit, |iterations, time| value(self.kind, self.amount * iterations, time))
        };
        // A kernel that a driver refuses panics; the other figures can still be measured.
        match catch_unwind(AssertUnwindSafe(measure)) {
            Ok(Ok(measured)) => measured,
            Ok(Err(error)) => (Outcome::NotMeasured { reason: on_one_line(&format!("{error:#}")) }, None),
            Err(_) => (Outcome::NotMeasured { reason: "the device or its driver failed".into() }, None),
        }
    }
}

/// Joins the lines of a message; those of drivers have several.
fn on_one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the value of a figure from the amount that was done in a time.
fn value(kind: Kind, amount: f64, time: &Time) -> Option<f64> {
    let total = time.total.as_secs_f64();
    match kind {
        Kind::Launch => Some(1e6 * total / amount),
        Kind::DeviceTime => Some(time.on_device?.as_secs_f64() / total),
        _ => Some(amount / total),
    }
}

/// True if the smallest number of rounds would take twice the limit.
fn is_too_long(iteration: f64, limit: Duration) -> bool {
    iteration * *ROUNDS.start() as f64 > 2.0 * limit.as_secs_f64()
}

/// Measures rounds until `limit` is over.
fn rounds(
    work: &mut Work,
    limit: Duration,
    value: impl Fn(f64, &Time) -> Option<f64>,
) -> Result<(Outcome, Option<f64>)> {
    let start = Instant::now();
    // Kernels are compiled and tuned in the first iterations.
    let (mut iteration, warm_up) = (f64::INFINITY, limit / 5);
    for _ in 0..2 {
        iteration = work(1)?.total.as_secs_f64();
    }
    if is_too_long(iteration, limit) {
        return Ok((Outcome::Skipped { seconds: Some(iteration) }, Some(iteration)));
    }
    while start.elapsed() < warm_up {
        iteration = work(1)?.total.as_secs_f64();
    }
    let round = limit.as_secs_f64() / (ROUNDS.end() + 3) as f64;
    // In a longer round, waiting for the device takes a smaller share, so that the first estimate is too small.
    let mut iterations = 1;
    for _ in 0..4 {
        let wanted = iterations_in(round, iteration);
        if wanted <= 2 * iterations {
            break;
        }
        iterations = wanted.min(16 * iterations);
        iteration = work(iterations)?.total.as_secs_f64() / f64::from(iterations);
    }
    iterations = iterations_in(round, iteration);
    let mut values = Vec::new();
    while values.len() < *ROUNDS.start() || values.len() < *ROUNDS.end() && start.elapsed() < limit {
        let time = work(iterations)?;
        let Some(value) = value(f64::from(iterations), &time) else {
            return Ok((Outcome::NotMeasured { reason: "the device has no clock".into() }, Some(iteration)));
        };
        values.push(value);
    }
    Ok((Outcome::Measured(Rounds::of(values)), Some(iteration)))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // within the limits
fn iterations_in(round: f64, iteration: f64) -> u32 {
    (round / iteration.max(1e-9)).clamp(1.0, ITERATIONS) as u32
}

#[cfg(test)]
mod tests {
    use burn_pg::{DeviceChoice, device};

    use super::*;

    fn planned(step: impl FnMut() -> Result<()> + 'static) -> Planned {
        let method = Method::Measure(Box::new(|device: &Device| Ok(repeated(device, step))));
        Planned { kind: Kind::Copy, name: String::new(), size: None, amount: 1.0, cost: 1.0, method }
    }

    fn measure(planned: Planned, limit: Duration, estimate: Option<f64>) -> Outcome {
        let device = device::open(DeviceChoice::Auto).unwrap().device;
        planned.measure(&device, limit, estimate).0
    }

    #[test]
    fn a_figure_is_measured_in_several_rounds() {
        let pause = || {
            std::thread::sleep(Duration::from_millis(1));
            Ok(())
        };
        let outcome = measure(planned(pause), Duration::from_millis(50), None);
        assert!(matches!(&outcome, Outcome::Measured(rounds) if ROUNDS.contains(&rounds.count)), "{outcome:?}");
    }

    #[test]
    fn figures_that_take_too_long_are_skipped() {
        let limit = Duration::from_secs(3);
        let never = || -> Result<()> { unreachable!("it is not begun") };
        for (limit, estimate) in [(Duration::ZERO, None), (limit, Some(2.1))] {
            assert!(matches!(measure(planned(never), limit, estimate), Outcome::Skipped { .. }));
        }
        assert!(matches!(measure(planned(|| Ok(())), Duration::from_millis(1), Some(1e-9)), Outcome::Measured(_)));
    }

    #[test]
    fn a_figure_that_fails_or_panics_gives_the_reason() {
        let limit = Duration::from_millis(1);
        let reason = |outcome| match outcome {
            Outcome::NotMeasured { reason } => reason,
            other => panic!("{other:?}"),
        };
        let failing = || Err(anyhow!("out of memory"));
        assert_eq!(reason(measure(planned(failing), limit, None)), "out of memory");
        let panicking = || -> Result<()> { panic!("shader") };
        assert_eq!(reason(measure(planned(panicking), limit, None)), "the device or its driver failed");
    }
}
