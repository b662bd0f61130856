//! Ctrl-C and the wish of the system that the process ends.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// Signals that were sent. The first one is to be looked at; a second one ends the process at once.
#[derive(Clone)]
pub struct Interrupt {
    /// Does the next signal end the process?
    again: Arc<AtomicBool>,
    /// 128 and the number of the last one, as shells have it; 0 if there was none.
    code: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Keeps the first signal from ending the process.
    pub fn install() -> io::Result<Self> {
        let (again, code) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for (signal, of_signal) in [(SIGINT, 130_u8), (SIGTERM, 143)] {
            // In this order: the first one does not see what it sets itself.
            flag::register_conditional_shutdown(signal, of_signal.into(), Arc::clone(&again))?;
            flag::register(signal, Arc::clone(&again))?;
            flag::register_usize(signal, Arc::clone(&code), of_signal.into())?;
        }
        Ok(Self { again, code })
    }

    /// Lets the next signal end the process: there is nothing to save.
    pub fn release(&self) {
        self.again.store(true, Ordering::SeqCst);
    }

    /// The exit code for the signal that was sent, 130 or 143, if there was one.
    pub fn exit_code(&self) -> Option<u8> {
        u8::try_from(self.code.load(Ordering::Relaxed)).ok().filter(|&code| code != 0)
    }
}
