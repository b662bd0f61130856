//! What the terminal does with keys while something is drawn on it.
//!
//! The settings of a terminal outlive the program. [`restore`] is called wherever the program ends by itself. After a signal that
//! kills the program, shells restore their own settings.

#[cfg(unix)]
mod unix {
    use std::{
        io::{Read, stderr, stdin},
        os::fd::{AsFd, BorrowedFd, OwnedFd},
        sync::{Mutex, PoisonError},
    };

    use rustix::{
        process::getpgrp,
        termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr},
    };

    /// The terminal with changed settings, and its settings before.
    static BEFORE: Mutex<Option<(OwnedFd, Termios)>> = Mutex::new(None);

    /// Keeps Ctrl-C from showing as `^C` in what is drawn.
    pub fn hide_control_keys() {
        change(stderr().as_fd(), |termios| termios.local_modes.remove(LocalModes::ECHOCTL));
    }

    /// Lets [`keys`] read each key at once, without showing it. Returns false if stdin is not a terminal in the foreground.
    pub fn take_keys() -> bool {
        change(stdin().as_fd(), |termios| {
            termios.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
            // Reading does not wait.
            termios.special_codes[SpecialCodeIndex::VMIN] = 0;
            termios.special_codes[SpecialCodeIndex::VTIME] = 0;
        })
    }

    /// Returns the keys that were pressed since the last call, after [`take_keys`].
    pub fn keys() -> Vec<u8> {
        let mut pressed = [0; 64];
        match is_foreground(stdin().as_fd()) {
            true => stdin().read(&mut pressed).map_or_else(|_| Vec::new(), |count| pressed[..count].to_vec()),
            false => Vec::new(),
        }
    }

    /// Gives the terminal its settings back, if they were changed.
    pub fn restore() {
        if let Some((terminal, before)) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take()
            && is_foreground(terminal.as_fd())
        {
            let _ = tcsetattr(terminal, OptionalActions::Now, &before);
        }
    }

    fn change(terminal: BorrowedFd, with: impl FnOnce(&mut Termios)) -> bool {
        let Ok(owned) = terminal.try_clone_to_owned() else { return false };
        let Ok(before) = tcgetattr(terminal) else { return false };
        let mut now = before.clone();
        with(&mut now);
        let is_changed = is_foreground(terminal) && tcsetattr(terminal, OptionalActions::Now, &now).is_ok();
        if is_changed {
            BEFORE.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((owned, before));
        }
        is_changed
    }

    /// True if the program is in the foreground. In the background, the terminal would stop it.
    fn is_foreground(terminal: BorrowedFd) -> bool {
        tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
    }
}

#[cfg(unix)]
pub use unix::{hide_control_keys, keys, restore, take_keys};

/// Consoles of Windows show no control keys.
#[cfg(not(unix))]
pub fn hide_control_keys() {}

#[cfg(not(unix))]
pub fn restore() {}
