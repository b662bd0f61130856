//! The machine that the program runs on.

use std::{env::consts, fmt, fs, process::Command, thread::available_parallelism};

use serde::{Deserialize, Serialize};

/// The operating system and the CPU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub os: String,
    pub arch: String,
    /// The model of the CPU; `None` if the system does not say.
    pub cpu: Option<String>,
    /// The number of logical cores that the program may use.
    pub cores: usize,
}

impl Machine {
    pub fn this() -> Self {
        Self {
            os: os().unwrap_or_else(|| consts::OS.into()),
            arch: consts::ARCH.into(),
            cpu: cpu(),
            cores: available_parallelism().map_or(1, Into::into),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cpu = self.cpu.as_deref().unwrap_or("unknown CPU");
        write!(f, "{cpu}, {} logical cores; {}, {}", self.cores, self.os, self.arch)
    }
}

fn os() -> Option<String> {
    match consts::OS {
        "linux" => field(&fs::read_to_string("/etc/os-release").ok()?, "PRETTY_NAME", '='),
        "macos" => Some(format!("macOS {}", printed("sw_vers", &["-productVersion"])?)),
        "windows" => printed("cmd", &["/C", "ver"]),
        _ => None,
    }
}

fn cpu() -> Option<String> {
    match consts::OS {
        "linux" => field(&fs::read_to_string("/proc/cpuinfo").ok()?, "model name", ':'),
        "macos" => printed("sysctl", &["-n", "machdep.cpu.brand_string"]),
        "windows" => std::env::var("PROCESSOR_IDENTIFIER").ok(),
        _ => None,
    }
}

/// Returns the value of the first line with this key.
fn field(text: &str, key: &str, separator: char) -> Option<String> {
    let fields = text.lines().filter_map(|line| line.split_once(separator));
    let (_, value) = fields.into_iter().find(|(name, _)| name.trim() == key)?;
    Some(value.trim().trim_matches('"').into())
}

/// Returns what a program of the system prints.
fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_without_their_quotes() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian 13\"\n";
        assert_eq!(field(text, "PRETTY_NAME", '=').as_deref(), Some("Debian 13"));
        assert_eq!(field("model name\t: A 5\nmodel name\t: B", "model name", ':').as_deref(), Some("A 5"));
        assert_eq!(field(text, "NAME", '='), None);
    }
}
