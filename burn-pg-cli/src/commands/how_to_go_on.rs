//! The command that resumes a run, ready to paste into a shell.

use std::path::Path;

use burn_pg::run::RunDir;

use crate::program;

/// Returns the command that resumes a run.
pub fn how_to_go_on(dir: &RunDir) -> String {
    program::command(format_args!("train --resume {}", quoted(dir.path())))
}

/// Quotes a path for a shell.
pub fn quoted(path: &Path) -> String {
    let Some(text) = path.to_str() else { return escaped(path) };
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+:@%\\".contains(letter);
    match text.chars().all(plain) {
        true => text.into(),
        // On Windows, file names contain no double quotes.
        false if cfg!(windows) => format!("\"{text}\""),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
}

/// Escapes a path that is not valid UTF-8, for bash and zsh.
#[cfg(unix)]
fn escaped(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;

    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@% ".contains(&byte);
    let escape = |&byte: &u8| if plain(byte) { char::from(byte).into() } else { format!("\\x{byte:02x}") };
    format!("$'{}'", path.as_os_str().as_bytes().iter().map(escape).collect::<String>())
}

#[cfg(not(unix))]
fn escaped(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_path_is_quoted_if_a_shell_would_split_it() {
        for (path, told) in [
            ("runs/a-1", "runs/a-1"),
            ("runs/two words", "'runs/two words'"),
            ("it's", "'it'\\''s'"),
            ("$HOME", "'$HOME'"),
        ] {
            assert_eq!(quoted(path.as_ref()), told);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_path_that_is_not_utf8_can_be_pasted() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

        let path = OsStr::from_bytes(b"it's \xff");
        assert_eq!(quoted(path.as_ref()), "$'it\\x27s \\xff'");
        let told =
            std::process::Command::new("bash").args(["-c", &format!("printf %s {}", quoted(path.as_ref()))]).output();
        assert_eq!(told.unwrap().stdout, b"it's \xff");
    }
}
