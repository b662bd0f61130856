//! Dates.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the date of today in UTC, such as `2026-11-27`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    date_of(seconds / 86_400)
}

/// Returns the date of a day, counted from 1 January 1970.
fn date_of(day: u64) -> String {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut left) = (1970, day);
    loop {
        let days = 365 + u64::from(is_leap(year));
        if left < days {
            break;
        }
        (year, left) = (year + 1, left - days);
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < days {
            break;
        }
        (month, left) = (month + 1, left - days);
    }
    format!("{year}-{month:02}-{:02}", left + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        // `date -u -d @$((86400 * day)) +%F`
        for (day, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_784, "2026-11-27"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(date_of(day), date);
        }
    }
}
