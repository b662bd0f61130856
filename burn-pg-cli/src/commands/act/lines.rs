//! Lines of bytes, read in bounded memory.

use std::{
    io::{self, BufRead, Read},
    mem,
};

/// The lines of an input. No more than `limit` bytes of a line are kept.
pub struct Lines<R> {
    input: R,
    limit: usize,
    line: Vec<u8>,
    /// True if the last line was too long and its end has not been read.
    is_cut: bool,
}

/// A line is longer than the limit.
pub struct TooLong;

impl<R: BufRead> Lines<R> {
    pub fn new(input: R, limit: usize) -> Self {
        Self { input, limit, line: Vec::new(), is_cut: false }
    }

    /// Reads the next line; `None` at the end of the input. Of a line that is too long, the rest is read only by the
    /// next call: it may never end.
    pub fn next(&mut self) -> io::Result<Option<Result<&[u8], TooLong>>> {
        if mem::take(&mut self.is_cut) {
            self.input.skip_until(b'\n')?;
        }
        self.line.clear();
        // One byte more than the limit, for the end of the line.
        self.input.by_ref().take(self.limit as u64 + 1).read_until(b'\n', &mut self.line)?;
        Ok(match self.line.strip_suffix(b"\n") {
            Some(line) => Some(Ok(line)),
            None if self.line.len() > self.limit => {
                self.is_cut = true;
                Some(Err(TooLong))
            }
            None if self.line.is_empty() => None,
            None => Some(Ok(&self.line)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the lines of `text` with a limit of 4 bytes; `None` for one that is too long.
    fn lines(text: &str) -> Vec<Option<String>> {
        let mut lines = Lines::new(text.as_bytes(), 4);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push(line.ok().map(|line| String::from_utf8(line.to_vec()).unwrap()));
            assert!(lines.line.capacity() < 100, "a line is held");
        }
        found
    }

    #[test]
    fn lines_end_with_a_newline_or_with_the_input() {
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(lines(""), []);
        assert_eq!(lines("\n"), [some("")]);
        assert_eq!(lines("1234\n\n1"), [some("1234"), some(""), some("1")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_to_its_end() {
        let some = |line: &str| Some(line.to_owned());
        assert_eq!(lines("12345\n1\n"), [None, some("1")]);
        assert_eq!(lines(&"1234567".repeat(10_000)), [None]);
        assert_eq!(lines(&format!("{}\n1", "1234567".repeat(10_000))), [None, some("1")]);
    }
}
