//! A process that answers lines with lines.
//!
//! Three threads read and write its pipes, so that no full pipe stops both sides. None of them is waited for without a
//! limit: a child of the process may keep a pipe open for ever.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// The longest line that is read, in bytes. A longer one is read as several.
const LONGEST: u64 = 4096;
/// How many answers may wait before the process is made to wait.
const WAITING: usize = 1024;
/// How many lines of the standard error are kept.
const KEPT: usize = 5;
/// How long to wait for a process that has closed its output to end, and then for its last messages.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running process, which is killed when the value is dropped.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    requests: Sender<Vec<u8>>,
    answers: Receiver<String>,
    /// Receives the last lines of the standard error when that ends.
    messages: Receiver<Vec<String>>,
}

/// What comes next on the standard output of a process.
pub(super) enum Next {
    /// A line.
    Answer(String),
    /// Nothing within the time.
    TooLate,
    /// The end of the output.
    End,
}

/// How a process ended.
pub(super) struct End {
    /// Its exit code or signal; `None` if it still runs.
    pub status: Option<ExitStatus>,
    /// The last lines of its standard error.
    pub messages: Vec<String>,
}

impl Process {
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let (stdout, stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (requests, to_write) = channel::<Vec<u8>>();
        let (answer, answers) = sync_channel(WAITING);
        let (message, messages) = channel();
        thread::spawn(move || {
            for lines in to_write {
                // A process that reads no more is noticed by the answers that it does not give.
                if stdin.write_all(&lines).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for line in lines(stdout) {
                if answer.send(line).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            let mut last = VecDeque::new();
            for line in lines(stderr).filter(|line| !line.trim().is_empty()) {
                if last.len() == KEPT {
                    last.pop_front();
                }
                last.push_back(line.trim_end().to_owned());
            }
            // Nobody listens if the process is not needed any more.
            let _ = message.send(last.into());
        });
        Ok(Self { child, requests, answers, messages })
    }

    /// Writes lines to the standard input, without waiting for the process to read them.
    pub fn send(&self, lines: Vec<u8>) {
        // The thread has ended if the process reads no more.
        let _ = self.requests.send(lines);
    }

    /// Returns the next line of the standard output.
    pub fn next(&mut self, limit: Duration) -> Next {
        match self.answers.recv_timeout(limit) {
            Ok(line) => Next::Answer(line),
            Err(RecvTimeoutError::Timeout) => Next::TooLate,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Waits shortly for a process that has closed its standard output to end. Ends it if it does not.
    pub fn end(&mut self) -> End {
        let start = Instant::now();
        let mut status = self.child.try_wait().ok().flatten();
        while status.is_none() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(5));
            status = self.child.try_wait().ok().flatten();
        }
        self.kill();
        End { status, messages: self.messages.recv_timeout(PATIENCE).unwrap_or_default() }
    }

    fn kill(&mut self) {
        // It may have ended by itself by now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the lines of an output, until it ends or cannot be read. Bytes that are not text become U+FFFD.
fn lines(output: impl Read) -> impl Iterator<Item = String> {
    let mut output = BufReader::new(output);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let count = output.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok()?;
        (count > 0).then(|| String::from_utf8_lossy(&line).into_owned())
    })
}
