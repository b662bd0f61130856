//! How a command fails, and with which exit code.

use std::process::ExitCode;

/// Why a command could not do what it was asked to.
pub enum Failure {
    /// It was asked for something that cannot be. Nothing was trained or overwritten. Exit code 2.
    Usage(anyhow::Error),
    /// It failed on the way. Exit code 1.
    Run(anyhow::Error),
    /// The device failed on the way, and what was on it is lost. Exit code 3.
    Device(anyhow::Error),
    /// It was interrupted, and has saved what there was. Exit code 130 or 143, by the signal.
    Interrupted {
        /// How to go on.
        advice: String,
        /// 128 and the number of the signal.
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

    /// Prints the failure to stderr.
    pub fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, 2),
            Self::Run(error) => (error, 1),
            Self::Device(error) => (error, 3),
            Self::Interrupted { advice, code } => {
                eprintln!("interrupted: {advice}");
                return ExitCode::from(*code);
            }
        };
        eprintln!("error: {error:#}");
        ExitCode::from(code)
    }
}
