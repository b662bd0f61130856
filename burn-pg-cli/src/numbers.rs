//! Whole numbers, as the command line reads and writes them.

use std::ops::RangeInclusive;

/// Returns a parser of whole numbers in `range`. Its error names the range and an example.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>, example: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = count(text).filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let expected = match *most {
                u64::MAX => format!("expected a whole number from {least} to 2^64 - 1"),
                most if most == i64::MAX as u64 => format!("expected a whole number from {least} to 2^63 - 1"),
                _ => format!("expected a whole number from {least} to {most}"),
            };
            format!("{expected}, such as {example}")
        })
    }
}

/// Reads `100000`, `100_000` or `1e5`.
fn count(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let whole = |number: &f64| number.fract() == 0.0 && (0.0..9e15).contains(number);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // whole, and within 53 bits
    digits.parse().ok().or_else(|| digits.parse::<f64>().ok().filter(whole).map(|number| number as u64))
}

/// Writes a whole number with separators, such as 1,000,000.
pub fn grouped(number: impl Copy + ToString) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(String::from_utf8_lossy).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_thousands() {
        for (number, text) in [(0_u64, "0"), (999, "999"), (30_000, "30,000"), (1_000_000, "1,000,000")] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn numbers_outside_the_range_are_refused_with_the_range_and_an_example() {
        let episodes = whole::<u32>(1..=1000, 100);
        assert_eq!(episodes("1000"), Ok(1000));
        for text in ["0", "1001", "-1", "1.5", "many", ""] {
            assert_eq!(episodes(text).unwrap_err(), "expected a whole number from 1 to 1000, such as 100", "{text}");
        }
        let seed = whole::<u64>(0..=u64::MAX, 7);
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(seed("-1").unwrap_err(), "expected a whole number from 0 to 2^64 - 1, such as 7");
    }

    #[test]
    fn counts_may_have_exponents_and_separators() {
        for (text, number) in [("100000", 100_000), ("100_000", 100_000), ("1e5", 100_000), ("0", 0)] {
            assert_eq!(count(text), Some(number));
        }
        for text in ["-5", "1.5", "1e30", "many", "", "nan"] {
            assert!(count(text).is_none(), "{text}");
        }
    }
}
