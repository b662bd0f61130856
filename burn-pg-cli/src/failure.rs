//! How a command fails, and with which exit code.

use std::io::Write;

use burn_pg::{Error, storage::weights::TensorsError};

use crate::{tell::tell, terminal::restore};

/// Why a command failed.
pub enum Failure {
    /// The request was invalid. Nothing was trained or overwritten. Exit code 2.
    Usage(anyhow::Error),
    /// It failed while running. Exit code 1.
    Run(anyhow::Error),
    /// The device failed while the command ran, and the data on it is lost. Exit code 3.
    Device(anyhow::Error),
    /// It was interrupted and has saved its state. Exit code 129, 130 or 143, depending on the signal.
    Interrupted {
        /// The command that resumes the run.
        advice: String,
        /// 128 plus the number of the signal.
        code: u8,
    },
}

impl Failure {
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error.into())
    }

    pub fn run(error: impl Into<anyhow::Error>) -> Self {
        Self::Run(error.into())
    }

    /// Returns the failure for an error while running: `Device` if the device failed, `Run` otherwise.
    pub fn of(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        let of_device = error.chain().any(|cause| {
            matches!(cause.downcast_ref(), Some(Error::Execution(_)))
                || matches!(cause.downcast_ref(), Some(TensorsError::Device { .. }))
        });
        if of_device { Self::Device(error) } else { Self::Run(error) }
    }

    /// Returns the failure for an error before anything was begun: `Device` if the device failed, `Usage` otherwise.
    pub fn refused(error: anyhow::Error) -> Self {
        match Self::of(error) {
            Self::Run(error) => Self::Usage(error),
            other => other,
        }
    }

    /// Replaces the message by `tell(message)`. Messages of drivers, which have several lines, are joined into one first. Of
    /// others, `tell` gets the first line; those after it, such as a traceback of Python, follow at the end.
    pub fn told(self, tell: impl FnOnce(&str) -> String) -> Self {
        match self {
            Self::Usage(error) => Self::Usage(anyhow::Error::msg(told_by_lines(&error, tell))),
            Self::Run(error) => Self::Run(anyhow::Error::msg(told_by_lines(&error, tell))),
            Self::Device(error) => {
                let on_one_line: Vec<_> = message(&error).split_whitespace().map(str::to_owned).collect();
                Self::Device(anyhow::Error::msg(tell(&on_one_line.join(" "))))
            }
            interrupted @ Self::Interrupted { .. } => interrupted,
        }
    }

    /// Prints the failure to stderr and ends the process.
    pub fn exit(&self) -> ! {
        let (error, code) = match self {
            Self::Usage(error) => (error, 2),
            Self::Run(error) => (error, 1),
            Self::Device(error) => (error, 3),
            Self::Interrupted { advice, code } => {
                tell(format_args!("interrupted: {advice}"));
                end(*code);
            }
        };
        tell(format_args!("error: {}", message(error)));
        end(code);
    }
}

/// Ends the process without the destructors of C and C++ libraries. Threads of a lost device's driver may still run,
/// and would crash the process once the driver is unloaded (seen in 18 of 60 runs with Mesa's software driver).
fn end(code: u8) -> ! {
    restore();
    // An error is ignored, because there is no place left to report it.
    let _ = std::io::stdout().flush();
    #[cfg(unix)]
    signal_hook::low_level::exit(code.into());
    // On Windows, all other threads have ended before any destructor runs.
    #[cfg(not(unix))]
    std::process::exit(code.into());
}

fn told_by_lines(error: &anyhow::Error, tell: impl FnOnce(&str) -> String) -> String {
    let all = message(error);
    match all.split_once('\n') {
        None => tell(&all),
        Some((first, rest)) => format!("{}\n{rest}", tell(first.trim_end_matches(':'))),
    }
}

/// Returns the messages of an error and its causes. A cause that the text already ends with is not repeated.
pub fn message(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.ends_with(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_cause_is_shown_once() {
        let error = anyhow::anyhow!("no space left").context("a.json cannot be written: no space left");
        assert_eq!(message(&error), "a.json cannot be written: no space left");
        let error = anyhow::anyhow!("no space left").context("a.json cannot be written");
        assert_eq!(message(&error), "a.json cannot be written: no space left");
    }

    #[test]
    fn a_device_that_fails_has_its_own_exit_code() {
        let lost = || Error::Execution("lost".into());
        assert!(matches!(Failure::of(lost()), Failure::Device(_)));
        let wrapped = Err::<(), _>(lost()).context("training failed").unwrap_err();
        assert!(matches!(Failure::of(wrapped), Failure::Device(_)));
        assert!(matches!(Failure::of(Error::NoCritic), Failure::Run(_)));
    }
}
