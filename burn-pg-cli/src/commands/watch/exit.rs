//! How a viewer ends the play in the terminal.

#[cfg(unix)]
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::terminal;

/// Interval at which keys are read while nothing else happens.
const POLL: Duration = Duration::from_millis(30);

/// The keys q and Esc, and signals. A second signal ends the process at once.
pub struct Exit {
    #[cfg(unix)]
    has_keys: bool,
    /// The signal that was received; 0 if there was none.
    #[cfg(unix)]
    signal: Arc<AtomicUsize>,
}

impl Exit {
    #[cfg(unix)]
    pub fn install() -> io::Result<Self> {
        use signal_hook::{
            consts::{SIGHUP, SIGINT, SIGTERM},
            flag,
        };

        let (signal, again) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for number in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_default(number, Arc::clone(&again))?;
            flag::register(number, Arc::clone(&again))?;
            flag::register_usize(
                number,
                Arc::clone(&signal),
                number.try_into().expect("numbers of signals are positive"),
            )?;
        }
        Ok(Self { has_keys: terminal::take_keys(), signal })
    }

    #[cfg(not(unix))]
    #[allow(clippy::unnecessary_wraps)] // as on other systems
    pub fn install() -> io::Result<Self> {
        Ok(Self {})
    }

    /// Waits until that time. Returns true, sooner, if the viewer wants to end.
    pub fn wait_until(&self, time: Instant) -> bool {
        loop {
            if self.is_asked() {
                return true;
            }
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            thread::sleep(left.min(POLL));
        }
    }

    #[cfg(unix)]
    fn is_asked(&self) -> bool {
        self.signal.load(Ordering::SeqCst) != 0 || (self.has_keys && ends(&terminal::keys()))
    }

    #[cfg(not(unix))]
    fn is_asked(&self) -> bool {
        false
    }

    /// Gives the terminal back. After a signal, ends the process as that signal does.
    pub fn finish(&self) {
        terminal::restore();
        #[cfg(unix)]
        if let Ok(signal @ 1..) = i32::try_from(self.signal.load(Ordering::SeqCst)) {
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}

/// True if these keys end the play: q, or Esc alone. Other keys, such as arrows, begin with Esc.
#[cfg(unix)]
fn ends(keys: &[u8]) -> bool {
    keys == [0x1b] || keys.iter().any(|key| key.eq_ignore_ascii_case(&b'q'))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn q_and_escape_end_the_play() {
        for (keys, is_end) in
            [(&b""[..], false), (b"q", true), (b"Q", true), (b"\x1b", true), (b"\x1b[A", false), (b"x", false)]
        {
            assert_eq!(ends(keys), is_end, "{keys:?}");
        }
    }
}
