//! Numbers as people like to read them: `100k`, `1.5M`, `0.25`.

/// Units of large numbers.
const UNITS: [(f64, &str); 3] = [(1e9, "B"), (1e6, "M"), (1e3, "k")];
/// From here on, thousands become `k`.
const LARGE: f64 = 10_000.0;
/// Numbers of other sizes are written with an exponent.
const PLAIN: std::ops::Range<f64> = 1e-3..1e13;

/// Returns a number with three significant digits, or as a whole number if it is below 10,000: `12.3k`, `1234`, `0.0123`, `1.5e-5`.
pub fn short(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || !number.is_finite() {
        return if size == 0.0 { "0".into() } else { number.to_string() };
    }
    if !PLAIN.contains(&size) {
        return exponent(number, 1);
    }
    // What rounds up to 10,000 or a million has the larger unit.
    let rounded = if size < LARGE - 0.5 { number } else { significant(number) };
    let (unit, sign) = unit_of(rounded, true);
    let scaled = rounded / unit;
    trimmed(&format!("{scaled:.*}", decimals_of(scaled))) + sign
}

/// Returns the labels of ticks that are a multiple of `step`.
pub fn tick_labels(ticks: &[f64], step: f64) -> Vec<String> {
    let largest = ticks.iter().fold(0.0, |largest: f64, tick| largest.max(tick.abs()));
    let digits = digits_of(step);
    let has_exponent = digits > 4 && largest < 0.01 || largest >= PLAIN.end;
    let label = |&tick: &f64| {
        // Without the rounding errors of sums of steps.
        let multiple = (tick / step).round();
        let (unit, sign) = unit_of(tick, largest >= LARGE);
        if multiple == 0.0 && (has_exponent || largest >= LARGE) {
            "0".into()
        } else if has_exponent {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at most 12
            let decimals = (largest.log10().floor() - step.log10().floor()).clamp(0.0, 12.0) as usize;
            exponent(multiple * step, decimals)
        } else if sign.is_empty() {
            format!("{:.digits$}", multiple * step + 0.0)
        } else {
            trimmed(&format!("{:.*}", digits_of(step / unit), multiple * step / unit)) + sign
        }
    };
    ticks.iter().map(label).collect()
}

/// Returns the unit of a number, and its sign; `is_large` if thousands are `k`.
fn unit_of(number: f64, is_large: bool) -> (f64, &'static str) {
    // Thousands below `LARGE` have a unit only beside larger ticks, and never alone.
    let found = UNITS.into_iter().find(|(unit, _)| number.abs() >= *unit * (1.0 - 1e-9));
    found.filter(|_| is_large && (number.abs() >= LARGE || number % 100.0 == 0.0)).unwrap_or((1.0, ""))
}

/// Returns a number rounded to three significant digits.
fn significant(number: f64) -> f64 {
    let unit = 10_f64.powf(number.abs().log10().floor() - 2.0);
    (number / unit).round() * unit
}

/// Returns how many decimals show three significant digits.
fn decimals_of(number: f64) -> usize {
    (0_u16..6).find(|&decimals| number.abs() * 10_f64.powi(decimals.into()) >= 99.5).unwrap_or(6).into()
}

/// Returns how many decimals a step has.
fn digits_of(step: f64) -> usize {
    let is_whole = |number: f64| number > 0.5 && (number - number.round()).abs() < 1e-6 * number;
    (0_u16..9).find(|&digits| is_whole(step * 10_f64.powi(digits.into()))).unwrap_or(9).into()
}

/// Returns a number with an exponent and at most `decimals` decimals.
fn exponent(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$e}");
    let (mantissa, exponent) = text.split_once('e').expect("it has an exponent");
    format!("{}e{exponent}", trimmed(mantissa))
}

/// Returns digits without zeros at the end of the decimals.
fn trimmed(digits: &str) -> String {
    let text = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if text == "-0" { "0".into() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_significant_digits() {
        let expected = [
            (0.0, "0"),
            (-0.25, "-0.25"),
            (2.0, "2"),
            (12.34, "12.3"),
            (497.3, "497"),
            (1234.4, "1234"),
            (9999.4, "9999"),
            (9999.6, "10k"),
            (12_345.0, "12.3k"),
            (500_000.0, "500k"),
            (999_999.0, "1M"),
            (-1_500_000.0, "-1.5M"),
            (2e9, "2B"),
            (0.012_34, "0.0123"),
            (3e-4, "3e-4"),
            (1.52e-5, "1.5e-5"),
            (-2e20, "-2e20"),
        ];
        for (number, text) in expected {
            assert_eq!(short(number), text, "{number}");
        }
    }

    #[test]
    fn labels_of_one_axis_go_together() {
        assert_eq!(tick_labels(&[0.0, 500_000.0, 1e6, 1.5e6], 500_000.0), ["0", "500k", "1M", "1.5M"]);
        assert_eq!(tick_labels(&[0.0, 5000.0, 10_000.0], 5000.0), ["0", "5k", "10k"]);
        assert_eq!(tick_labels(&[0.0, 500.0, 1000.0, 1500.0], 500.0), ["0", "500", "1000", "1500"]);
        assert_eq!(tick_labels(&[-0.5, 0.0, 0.5, 1.0], 0.5), ["-0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(tick_labels(&[0.0, 1e-4, 2e-4], 1e-4), ["0.0000", "0.0001", "0.0002"]);
        assert_eq!(tick_labels(&[0.0, 5e-5, 1e-4, 1.5e-4], 5e-5), ["0", "5e-5", "1e-4", "1.5e-4"]);
        assert_eq!(tick_labels(&[0.0, 2e30, 4e30], 2e30), ["0", "2e30", "4e30"]);
        assert_eq!(tick_labels(&[0.5, 0.500_01], 1e-5), ["0.50000", "0.50001"]);
        // 3 * 0.1 is 0.30000000000000004.
        assert_eq!(tick_labels(&[0.1, 0.2, 3.0 * 0.1], 0.1), ["0.1", "0.2", "0.3"]);
        assert_eq!(tick_labels(&[-20_000.0, -0.0, 20_000.0], 20_000.0), ["-20k", "0", "20k"]);
        assert_eq!(tick_labels(&[-1.0, -0.0], 1.0), ["-1", "0"]);
    }
}
