//! Curves in the terminal, made of block characters.
//!
//! Blocks fill the area under a curve. Lines of Braille dots would be finer from left to right, but coarser from bottom to top (4 levels a row, not
//! 8), and thin and broken in many fonts; blocks are solid in every one.

use super::short_numbers::short;

/// Eighths of a character, from none to all.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Returns the rows of a curve, from top to bottom: `height` rows of blocks with the largest and the smallest value at the left, and two rows for the
/// horizontal axis, which has these labels at its ends. No row is longer than `width`, unless there would be no room for the curve.
///
/// `common` is the range of the vertical axis, for curves that are compared; without it, the curve has its own. The values are evenly spaced. A column shows the mean of those that fall on it; those that are not finite are gaps. Without any finite value
/// there are no rows.
pub fn curve(
    values: &[f64],
    [from, to]: [&str; 2],
    width: usize,
    height: usize,
    common: Option<[f64; 2]>,
) -> Vec<String> {
    let height = height.max(2);
    // The labels depend on the columns, and how many there are on the labels: leave room for those of all values, whose means are in between.
    let Some(ends) = common.or_else(|| range(values)) else { return Vec::new() };
    let room = ends.map(|end| short(end).len()).into_iter().max().unwrap_or(0).max(4);
    let columns = columns(values, width.saturating_sub(room + 2).max(8));
    let Some([low, high]) = range(&columns).map(|own| common.unwrap_or(own)) else { return Vec::new() };

    let levels = levels(&columns, [low, high], 8 * height);
    let mut rows: Vec<String> = (0..height)
        .map(|row| {
            let below = 8 * (height - 1 - row);
            let blocks: String = levels.iter().map(|level| EIGHTHS[level.saturating_sub(below).min(8)]).collect();
            let (label, axis) = match row {
                0 => (short(high), '┤'),
                _ if row + 1 == height => (short(low), '┤'),
                _ => (String::new(), '│'),
            };
            format!("{label:>room$} {axis}{blocks}").trim_end().to_owned()
        })
        .collect();
    rows.push(format!("{:room$} └{}", "", "─".repeat(columns.len())));
    let between = columns.len().saturating_sub(from.chars().count());
    rows.push(format!("{:room$}  {from}{to:>between$}", ""));
    rows
}

/// Returns a curve in one row of at most `width` characters. Values that are not finite are gaps.
pub fn sparkline(values: &[f64], width: usize) -> String {
    let columns = columns(values, width.min(values.len()));
    let Some(range) = range(&columns) else { return " ".repeat(columns.len()) };
    levels(&columns, range, 8).into_iter().map(|level| EIGHTHS[level]).collect()
}

/// Returns `count` columns, each the mean of its finite values, or NaN if it has none. With few values, one fills several columns.
fn columns(values: &[f64], count: usize) -> Vec<f64> {
    let column = |at: usize| {
        let start = at * values.len() / count;
        let end = ((at + 1) * values.len() / count).max(start + 1);
        let finite = values[start..end].iter().filter(|value| value.is_finite());
        let (sum, count) = finite.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
        sum / f64::from(count)
    };
    if values.is_empty() { Vec::new() } else { (0..count).map(column).collect() }
}

/// Returns the least and the largest finite value.
fn range(values: &[f64]) -> Option<[f64; 2]> {
    let finite = values.iter().filter(|value| value.is_finite());
    let [low, high] = finite.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)]);
    (low <= high).then_some([low, high])
}

/// Returns the height of each column, from 1 to `most`, and 0 for gaps. Values that are all the same are half as high.
fn levels(columns: &[f64], [low, high]: [f64; 2], most: usize) -> Vec<usize> {
    let level = |&value: &f64| {
        if !value.is_finite() {
            return 0;
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to `most` - 1
        let above = ((value - low) / (high - low) * (most - 1) as f64).round() as usize;
        if high > low { 1 + above } else { most / 2 }
    };
    columns.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_labels_at_the_ends_of_both_axes() {
        // Two rows have 16 levels: 0 is level 1, 15 is level 16, and 7 is level 8.
        let rows = curve(&[0.0, 7.0, 8.0, 15.0], ["0", "2M"], 14, 2, None);
        assert_eq!(rows, ["  15 ┤    ▁▁██", "   0 ┤▁▁██████", "     └────────", "      0     2M"]);
        assert!(rows.iter().all(|row| row.chars().count() <= 14));
    }

    #[test]
    fn columns_are_means_and_gaps_stay_gaps() {
        assert_eq!(columns(&[1.0, 3.0, f64::NAN, 5.0, 7.0, 9.0], 3), [2.0, 5.0, 8.0]);
        assert_eq!(columns(&[1.0, 2.0], 4), [1.0, 1.0, 2.0, 2.0]);
        // Five values on two columns: two and three.
        assert_eq!(columns(&[1.0, 2.0, 3.0, 4.0, 5.0], 2), [1.5, 4.0]);
        assert!(columns(&[f64::NAN, f64::INFINITY, 1.0], 3)[..2].iter().all(|column| column.is_nan()));
    }

    #[test]
    fn a_sparkline_has_eight_levels() {
        let values = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        assert_eq!(sparkline(&values, 20), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&values, 4), "▁▃▆█");
        assert_eq!(sparkline(&[1.0, f64::NAN, 0.0], 3), "█ ▁");
    }

    #[test]
    fn what_does_not_vary_is_a_line_and_what_is_empty_is_nothing() {
        assert_eq!(sparkline(&[3.0; 5], 5), "▄▄▄▄▄");
        assert_eq!(sparkline(&[f64::NAN; 2], 5), "  ");
        assert_eq!(sparkline(&[], 5), "");
        assert!(curve(&[], ["", ""], 40, 5, None).is_empty());
        assert!(curve(&[f64::NAN], ["", ""], 40, 5, None).is_empty());
        assert_eq!(curve(&[2.0], ["0", "1"], 0, 0, None).len(), 4);
    }
}
