//! What runs at the other end of a connection.

use std::{
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

/// What runs a worker.
#[derive(Debug)]
pub enum Peer {
    /// A process of its own.
    Process(Child),
    /// A thread of a Python program, about which only the connection says something.
    Thread,
}

impl Peer {
    /// True if the worker is known to have ended.
    pub fn is_gone(&mut self) -> bool {
        match self {
            Self::Process(child) => !matches!(child.try_wait(), Ok(None)),
            Self::Thread => false,
        }
    }

    /// Ends a process at once. A thread ends by itself when its connection is closed.
    pub fn kill(&mut self) {
        if let Self::Process(child) = self {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until the worker ends, for some time, and returns how it has ended. Kills a process that does not end.
    pub fn end(&mut self, patience: Duration) -> String {
        let Self::Process(child) = self else { return "its thread has ended".into() };
        let status = wait(child, patience).or_else(|| {
            let _ = child.kill();
            child.wait().ok()
        });
        status.map_or_else(|| "it ended".into(), how_it_ended)
    }
}

/// Waits until `child` ends, for some time.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if start.elapsed() < patience => std::thread::sleep(pause),
            _ => return None,
        }
        pause = (2 * pause).min(Duration::from_millis(20));
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("it was ended by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => "it ended".into(),
    }
}
