//! Whole numbers of the command line.

use std::ops::RangeInclusive;

/// Returns a parser of whole numbers in `range`. Its error names the range and an example.
pub fn whole<T: TryFrom<u64>>(range: RangeInclusive<u64>, example: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let expected = match *most {
                u64::MAX => format!("expected a whole number of at least {least}"),
                _ => format!("expected a whole number from {least} to {most}"),
            };
            format!("{expected}, such as {example}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_the_range_are_refused_with_the_range_and_an_example() {
        let episodes = whole::<u32>(1..=1000, 100);
        assert_eq!(episodes("1000"), Ok(1000));
        for text in ["0", "1001", "-1", "1.5", "many", ""] {
            assert_eq!(episodes(text).unwrap_err(), "expected a whole number from 1 to 1000, such as 100", "{text}");
        }
        let seed = whole::<u64>(0..=u64::MAX, 7);
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(seed("-1").unwrap_err(), "expected a whole number of at least 0, such as 7");
    }
}
