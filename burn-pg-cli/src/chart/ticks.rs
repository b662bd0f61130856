//! Where axes have ticks, and what is written there.

use super::short_numbers::{short, tick_labels};

/// Least distance between ticks of an axis of roots, in pixels.
const APART: f64 = 40.0;

/// A place on an axis, and its label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// Returns the ticks from `low` to `high`: as many as there can be, but at most `most`, at multiples of 1, 2 or 5 times a power of ten.
pub fn linear(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let step = tidy_step((high - low) / most.max(1) as f64);
    let values = |step: f64| -> Vec<f64> {
        // Ends that miss a tick by rounding have it all the same.
        let (first, last) = ((low / step - 1e-6).ceil(), (high / step + 1e-6).floor());
        std::iter::successors(Some(first), |at| Some(at + 1.0))
            .take_while(|at| *at <= last)
            .map(|at| at * step)
            .collect()
    };
    // There is one tick more than steps.
    let (values, step) = match values(step) {
        values if values.len() <= most => (values, step),
        _ => {
            let step = tidy_step(step * 1.5);
            (values(step), step)
        }
    };
    let labels = tick_labels(&values, step);
    values.into_iter().zip(labels).map(|(value, label)| Tick { value, label: label.replace('-', "−") }).collect()
}

/// Returns the ticks of an axis of roots that starts at 0 and ends at `high`, which is `length` pixels long.
pub fn of_roots(high: f64, length: f64) -> Vec<Tick> {
    let place = |value: f64| length * (value / high).sqrt();
    let mut values: Vec<f64> = vec![0.0];
    let mut add = |value: f64| {
        if value <= high && values.iter().all(|other| (place(value) - place(*other)).abs() >= APART) {
            values.push(value);
        }
    };
    let step = tidy_step(high / 5.0);
    (1..=5).for_each(|at| add(step * f64::from(at)));
    // Adds ticks below the first step, where square roots are far apart.
    let mut below = step;
    for _ in 0..6 {
        below = tidy_step(below / 2.6);
        add(below);
    }
    values.sort_by(f64::total_cmp);
    values.into_iter().map(|value| Tick { value, label: short(value).replace('-', "−") }).collect()
}

/// Returns the least of 1, 2 and 5 times powers of ten that is not below `least`.
pub fn tidy_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let tidy = [1.0, 2.0, 5.0].into_iter().find(|step| step * power >= least * (1.0 - 1e-9));
    tidy.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn ticks_are_at_tidy_numbers() {
        assert_eq!(labels(&linear(0.0, 500.0, 6)), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(labels(&linear(-3.0, 530.0, 6)), ["0", "100", "200", "300", "400", "500"]);
        // Six of 0.1 would fit between, but they would be seven ticks.
        assert_eq!(labels(&linear(0.0, 0.6, 6)), ["0.0", "0.2", "0.4", "0.6"]);
        assert_eq!(labels(&linear(0.0, 1e6, 7)), ["0", "200k", "400k", "600k", "800k", "1M"]);
        assert_eq!(labels(&linear(-210.0, -90.0, 4)), ["−200", "−150", "−100"]);
        assert_eq!(labels(&linear(5.0, 6.0, 3)), ["5.0", "5.5", "6.0"]);
    }

    #[test]
    fn ticks_of_roots_are_apart() {
        assert_eq!(labels(&of_roots(16.0, 560.0)), ["0", "0.1", "0.5", "1", "2", "5", "10", "15"]);
    }

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!([0.9, 1.0, 1.1, 2.5, 7.0].map(tidy_step), [1.0, 1.0, 2.0, 5.0, 10.0]);
    }
}
