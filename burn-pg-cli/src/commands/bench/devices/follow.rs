//! Following a child process, which may crash or never answer.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use super::child::Line;

/// Runs `command` and passes on the lines that it prints. Ends it if it prints no line for the time `silence`.
///
/// # Errors
/// Why it failed, in one sentence.
pub fn follow(mut command: Command, silence: Duration, on_line: &mut dyn FnMut(Line)) -> Result<(), String> {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("its process cannot be started: {error}"))?;
    let (stdout, mut stderr) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            // A driver may print lines of its own.
            if let Ok(line) = serde_json::from_str(&line)
                && sender.send(line).is_err()
            {
                break;
            }
        }
    });
    let messages = thread::spawn(move || {
        let mut messages = Vec::new();
        let _ = stderr.read_to_end(&mut messages);
        String::from_utf8_lossy(&messages).into_owned()
    });
    let answers = loop {
        match lines.recv_timeout(silence) {
            Ok(line) => on_line(line),
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    let status = answers.then(|| wait(&mut child, silence)).flatten();
    let Some(status) = status else {
        // It may have ended by itself by now.
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!("it has not answered for {:.0} s", silence.as_secs_f64()));
    };
    if status.success() {
        return Ok(());
    }
    let messages = messages.join().unwrap_or_default();
    Err(match last_message(&messages) {
        None => format!("its process ended with {status}"),
        Some(message) => format!("its process ended with {status}: {message}"),
    })
}

/// Waits at most `limit` for a process to end.
fn wait(child: &mut Child, limit: Duration) -> Option<std::process::ExitStatus> {
    let start = Instant::now();
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if start.elapsed() > limit {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the last line that says something about the failure.
fn last_message(messages: &str) -> Option<&str> {
    let mut lines = messages.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note:"));
    lines.next_back().map(|line| line.trim_start_matches("error: "))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Returns the lines of a shell script and its outcome.
    fn script(script: &str, silence: Duration) -> (Vec<Line>, Result<(), String>) {
        let (mut command, mut lines) = (Command::new("sh"), Vec::new());
        command.args(["-c", script]);
        let outcome = follow(command, silence, &mut |line| lines.push(line));
        (lines, outcome)
    }

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn lines_are_passed_on_and_those_of_a_driver_left_out() {
        let (lines, outcome) = script("echo hello; echo '{\"adapters\":2}'", LONG);
        assert_eq!((lines, outcome), (vec![Line::Adapters(2)], Ok(())));
    }

    #[test]
    fn a_crash_keeps_the_lines_before_it_and_tells_the_last_message() {
        let (lines, outcome) = script("echo '{\"adapters\":2}'; echo 'error: lost' >&2; exit 3", LONG);
        assert_eq!(lines, [Line::Adapters(2)]);
        assert_eq!(outcome.unwrap_err(), "its process ended with exit status: 3: lost");
        let (_, outcome) = script("kill -SEGV $$", LONG);
        assert!(outcome.unwrap_err().starts_with("its process ended with signal: 11"));
    }

    #[test]
    fn a_process_that_prints_nothing_is_ended() {
        let (_, outcome) = script("exec sleep 600", Duration::from_millis(20));
        assert_eq!(outcome.unwrap_err(), "it has not answered for 0 s");
        let (_, outcome) = script("exec >&-; exec sleep 600", Duration::from_millis(20));
        assert!(outcome.is_err());
    }

    #[test]
    fn a_program_that_cannot_be_started_is_an_outcome() {
        let outcome = follow(Command::new("/nowhere"), LONG, &mut |_| {});
        assert!(outcome.unwrap_err().starts_with("its process cannot be started"));
    }
}
