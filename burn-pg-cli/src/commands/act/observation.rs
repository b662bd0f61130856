//! Reads observations.

use anyhow::{Result, anyhow, bail};
use burn_pg::envs::EnvSpec;
use serde_json::Value;

use super::lines::TooLong;

/// Returns the number of bytes that the line of an observation may have.
pub fn longest_line(spec: &EnvSpec) -> usize {
    64 * spec.observation_space.flat_len() + 4096
}

/// Reads an observation from a line. The error says what was expected.
pub fn read(line: Result<&[u8], TooLong>, spec: &EnvSpec) -> Result<Vec<f32>> {
    let len = spec.observation_space.flat_len();
    observation(line, spec).map_err(|error| {
        let example = match len {
            0..=8 => vec!["0"; len].join(", "),
            _ => "0, 0, 0, ...".into(),
        };
        anyhow!("{error}; expected a JSON array of {len} numbers, such as [{example}]")
    })
}

#[allow(clippy::cast_possible_truncation)] // observations are single precision
fn observation(line: Result<&[u8], TooLong>, spec: &EnvSpec) -> Result<Vec<f32>> {
    let line = line.map_err(|TooLong| anyhow!("longer than {} bytes", longest_line(spec)))?;
    let text = str::from_utf8(line).map_err(|error| anyhow!("byte {} is not UTF-8", error.valid_up_to() + 1))?;
    let numbers: Vec<f64> = serde_json::from_str(text).map_err(|_| match not_a_number(text) {
        Some(word) => anyhow!("{word} is not finite"),
        None => anyhow!("{}", why_no_numbers(text)),
    })?;
    let len = spec.observation_space.flat_len();
    if numbers.len() != len {
        bail!("{} numbers, but an observation of {} has {len}", numbers.len(), spec.id);
    }
    let observation: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    match observation.iter().position(|number| !number.is_finite()) {
        None => Ok(observation),
        Some(at) => bail!("{} is too large for single precision", numbers[at]),
    }
}

/// Says why a text is not a JSON array of numbers.
fn why_no_numbers(text: &str) -> String {
    match serde_json::from_str(text) {
        Err(error) => format!("not valid JSON at column {}", error.column().max(1)),
        Ok(Value::Array(elements)) => match elements.iter().position(|element| !element.is_number()) {
            Some(at) => format!("element {} is {}, not a number", at + 1, elements[at]),
            None => "a number is too large".into(),
        },
        Ok(other) => format!("{other} is not an array"),
    }
}

/// Returns the first word that stands for NaN or infinity. JSON has no such numbers, but many programs write them.
fn not_a_number(text: &str) -> Option<&str> {
    let mut words = text.split(|letter: char| letter.is_whitespace() || ",[]".contains(letter));
    words.find(|word| word.parse().is_ok_and(|number: f64| !number.is_finite()))
}

#[cfg(test)]
mod tests {
    use burn_pg::envs::Space;

    use super::*;

    fn error(line: &[u8]) -> String {
        let spec = EnvSpec::new("Plane-v0", Space::symmetric(&[1.0, 1.0]), Space::discrete(2));
        read(Ok(line), &spec).unwrap_err().to_string()
    }

    #[test]
    fn a_bad_line_is_answered_with_the_reason_and_what_was_expected() {
        let expected = "; expected a JSON array of 2 numbers, such as [0, 0]";
        for (line, reason) in [
            (&b"[0, NaN]"[..], "NaN is not finite"),
            (b"[-Infinity, 0]", "-Infinity is not finite"),
            (b"[0, null]", "element 2 is null, not a number"),
            (b"[0, 0", "not valid JSON at column 5"),
            (b"{\"nan\": 1}", "{\"nan\":1} is not an array"),
            (b"[0, \xff]", "byte 5 is not UTF-8"),
            (b"[0, 0, 0]", "3 numbers, but an observation of Plane-v0 has 2"),
            (b"[0, 1e39]", "1000000000000000000000000000000000000000 is too large for single precision"),
        ] {
            assert_eq!(error(line), format!("{reason}{expected}"));
        }
    }
}
