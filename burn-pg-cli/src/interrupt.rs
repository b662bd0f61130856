//! Handling of Ctrl-C, SIGTERM and SIGHUP.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{tell::tell, terminal::restore};

/// Time after the first signal in which further signals count as the same one. `timeout` signals its child, and then
/// its process group, which contains the child.
const SAME: Duration = Duration::from_millis(500);
/// Interval at which the first signal is polled; after it, the next signal ends the process.
const POLL: Duration = Duration::from_millis(50);

/// 128 plus the number of SIGINT.
const INTERRUPTED: u8 = 130;

/// The signals received. The program handles the first one itself; a second one, [`SAME`] later or more, ends the
/// process at once.
#[derive(Clone, Default)]
pub struct Interrupt {
    /// True if the next signal ends the process.
    again: Arc<AtomicBool>,
    /// 128 plus the number of the last signal, as in shells; 0 if there was none.
    code: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Keeps the first signal from ending the process.
    #[cfg(unix)]
    pub fn install() -> io::Result<Self> {
        use signal_hook::{
            consts::{SIGHUP, SIGINT, SIGTERM},
            flag,
        };

        let interrupt = Self::default();
        for (signal, of_signal) in [(SIGINT, INTERRUPTED), (SIGTERM, 143), (SIGHUP, 129)] {
            flag::register_conditional_shutdown(signal, of_signal.into(), Arc::clone(&interrupt.again))?;
            flag::register_usize(signal, Arc::clone(&interrupt.code), of_signal.into())?;
        }
        let arming = interrupt.clone();
        thread::Builder::new().name("signals".into()).spawn(move || arming.arm())?;
        Ok(interrupt)
    }

    /// Waits for the first signal, and lets the next one end the process some time later.
    #[cfg(unix)]
    fn arm(&self) {
        while !self.again.load(Ordering::SeqCst) {
            if self.exit_code().is_some() {
                tell("interrupted: saving after this update; a second signal ends the run at once");
                thread::sleep(SAME);
                // The next signal ends the process without a word.
                restore();
                return self.release();
            }
            thread::sleep(POLL);
        }
    }

    /// Keeps the first Ctrl-C or Ctrl-Break from ending the process.
    #[cfg(windows)]
    pub fn install() -> io::Result<Self> {
        let interrupt = Self::default();
        let Self { again, code } = interrupt.clone();
        let pressed = move || match again.swap(true, Ordering::SeqCst) {
            false => code.store(INTERRUPTED.into(), Ordering::Relaxed),
            true => std::process::exit(INTERRUPTED.into()),
        };
        ctrlc::set_handler(pressed).map_err(io::Error::other)?;
        Ok(interrupt)
    }

    /// Lets the next signal end the process, because there is nothing to save.
    pub fn release(&self) {
        self.again.store(true, Ordering::SeqCst);
    }

    /// Returns the exit code for the signal received, 129, 130 or 143, if there was one.
    pub fn exit_code(&self) -> Option<u8> {
        u8::try_from(self.code.load(Ordering::Relaxed)).ok().filter(|&code| code != 0)
    }
}
