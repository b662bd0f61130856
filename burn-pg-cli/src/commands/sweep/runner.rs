//! Runs as child processes of this program, several at a time.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, anyhow};

use super::state::{Outcome, State, failed_path, log_path};
use crate::tell::tell;

/// Interval at which a child process is polled.
const POLL: Duration = Duration::from_millis(20);
/// Interval at which a run is told to train.
const TELL: Duration = Duration::from_millis(250);
/// Interval at which a run of another process is polled.
const POLL_OTHER: Duration = Duration::from_millis(200);

/// A run: a trial with a seed.
pub struct Run {
    /// Its run directory.
    pub dir: PathBuf,
    /// The arguments of `train`, except the seed and the run directory.
    pub arguments: Vec<String>,
    pub env: String,
    pub seed: u64,
    pub steps: u64,
    /// The number of its trial.
    pub trial: usize,
    /// Describes its trial.
    pub label: String,
}

/// Why not all runs have ended.
#[derive(Debug)]
pub enum Stopped {
    /// By a signal, with the exit code for it.
    Interrupted(u8),
    Error(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

pub struct Runner<'a> {
    /// Returns a command of this program without arguments.
    pub program: &'a (dyn Fn() -> Command + Sync),
    /// The number of runs at a time.
    pub jobs: usize,
    /// Returns the exit code for a signal, if there was one.
    pub interrupted: &'a (dyn Fn() -> Option<u8> + Sync),
}

/// What happens to a run.
pub enum Event<'a> {
    /// It trains. This is told over and over until it ends.
    Trains,
    /// It had ended before this sweep came to it.
    EndedEarlier,
    Ended(&'a Outcome),
}

impl Runner<'_> {
    /// Runs all that have not ended, and returns the outcome of each. Passes on what happens to `on_event`.
    pub fn run_all(&self, runs: &[Run], on_event: &(dyn Fn(&Run, Event) + Sync)) -> Result<Vec<Outcome>, Stopped> {
        let next = AtomicUsize::new(0);
        let outcomes: Vec<Mutex<Option<Outcome>>> = runs.iter().map(|_| Mutex::default()).collect();
        let stopped = Mutex::new(None);
        let work = || {
            while let Some((run, outcome)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                runs.get(at).zip(outcomes.get(at))
            } {
                match self.run(run, &|| stopped.lock().expect("no panic").is_some(), on_event) {
                    Ok(ended) => *outcome.lock().expect("no panic") = Some(ended),
                    Err(why) => {
                        stopped.lock().expect("no panic").get_or_insert(why);
                        return;
                    }
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.min(runs.len()) {
                scope.spawn(work);
            }
        });
        match stopped.into_inner().expect("no panic") {
            Some(why) => Err(why),
            None => {
                let ended = outcomes.into_iter().map(|outcome| outcome.into_inner().expect("no panic"));
                Ok(ended.map(|outcome| outcome.expect("every run has ended")).collect())
            }
        }
    }

    /// Brings a run to its end. Ends it early after a signal, or if `is_stopped`.
    fn run(
        &self,
        run: &Run,
        is_stopped: &dyn Fn() -> bool,
        on_event: &(dyn Fn(&Run, Event) + Sync),
    ) -> Result<Outcome, Stopped> {
        let stop = || match (self.interrupted)() {
            Some(code) => Some(Stopped::Interrupted(code)),
            None => is_stopped().then(|| Stopped::Error(anyhow!("another run has stopped the sweep"))),
        };
        let state = || State::of(&run.dir, &run.env, run.seed);
        let mut found = state()?;
        if found == State::Running {
            tell(format_args!("{}: a process of an earlier sweep still trains; waiting for it", run.dir.display()));
        }
        while found == State::Running {
            if let Some(stopped) = stop() {
                return Err(stopped);
            }
            thread::sleep(POLL_OTHER);
            found = state()?;
        }
        if let State::Ended(outcome) = found {
            on_event(run, Event::EndedEarlier);
            return Ok(outcome);
        }
        if let Some(stopped) = stop() {
            return Err(stopped);
        }
        let mut child = self.start(run, &found)?;
        let status = wait(&mut child, &|| stop().is_some(), &|| on_event(run, Event::Trains))
            .context("a run cannot be waited for")?;
        let outcome = match (status.code(), state()?) {
            (Some(0), State::Ended(outcome)) => outcome,
            // Whether it was ended or has failed is not known.
            _ if let Some(stopped) = stop() => return Err(stopped),
            (Some(code @ (129 | 130 | 143)), _) => return Err(Stopped::Interrupted(code.try_into().unwrap_or(1))),
            // It was refused, or the device is lost: the other runs would not fare better.
            (Some(2 | 3), _) => {
                let why = why(status, &run.dir);
                return Err(anyhow!(
                    "{}: {why}; the sweep stops, and continues when it is started again",
                    run.dir.display()
                )
                .into());
            }
            _ => Outcome::Failed(why(status, &run.dir)),
        };
        if let Outcome::Failed(why) = &outcome {
            let path = failed_path(&run.dir);
            fs::write(&path, format!("{why}\n")).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        on_event(run, Event::Ended(&outcome));
        Ok(outcome)
    }

    /// Starts a run, or resumes it.
    fn start(&self, run: &Run, state: &State) -> Result<Child> {
        let log = begin_log(&run.dir)?;
        let mut command = (self.program)();
        command.arg("train");
        match state {
            State::Begun => command.arg("--resume").arg(&run.dir),
            _ => command.args(&run.arguments).args(["--seed", &run.seed.to_string()]).arg("--out").arg(&run.dir),
        };
        command.args(["--threads", "1", "--json", "--quiet"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("a run cannot be started")
    }
}

/// Opens the log of a run, at its end. Creates the folder of its trial.
fn begin_log(dir: &Path) -> Result<File> {
    let path = log_path(dir);
    let open = || {
        fs::create_dir_all(dir.parent().unwrap_or(dir))?;
        OpenOptions::new().create(true).append(true).open(&path)
    };
    open().with_context(|| format!("{} cannot be written", path.display()))
}

/// Waits for a child process, and calls `waits` now and then. Asks it once to save and to end if `is_stopped`.
fn wait(child: &mut Child, is_stopped: &dyn Fn() -> bool, waits: &dyn Fn()) -> std::io::Result<ExitStatus> {
    let mut is_asked = false;
    let mut told = Instant::now();
    loop {
        if told.elapsed() >= TELL {
            waits();
            told = Instant::now();
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if !is_asked && is_stopped() {
            is_asked = true;
            ask_to_end(child);
        }
        thread::sleep(POLL);
    }
}

/// Sends SIGTERM to a run, which then saves. After Ctrl-C it has a signal already; within half a second, `train` counts both
/// as one.
#[cfg(unix)]
fn ask_to_end(child: &Child) {
    // Every shell has `kill`, but not every system has the program. If the run cannot be asked, it goes on to its end.
    let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).stderr(Stdio::null()).status();
}

/// On Windows, Ctrl-C reaches all processes of the console.
#[cfg(not(unix))]
fn ask_to_end(_: &Child) {}

/// Describes how a run failed: the status of its process, and the last line that it printed.
fn why(status: ExitStatus, dir: &Path) -> String {
    let log = fs::read(log_path(dir)).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let last = log
        .lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty() && !line.starts_with('{') && !line.starts_with("note:"));
    match last {
        Some(line) => format!("{status}: {}", line.trim_start_matches("error: ")),
        None => status.to_string(),
    }
}
