//! The progress of the benchmark of devices on stderr.

use std::fmt::Display;

use indicatif::ProgressBar;

use super::visible_bar;
use crate::tell::tell;

/// A bar for each device on a terminal, a plain line for each elsewhere.
pub struct DeviceProgress {
    devices: usize,
    begun: usize,
    bar: Option<ProgressBar>,
    device: String,
}

impl DeviceProgress {
    pub fn new(devices: usize) -> Self {
        Self { devices, begun: 0, bar: None, device: String::new() }
    }

    /// Shows that a device is being opened.
    pub fn begin(&mut self, device: impl Display) {
        self.finish();
        self.begun += 1;
        self.device = format!("{device} (device {} of {})", self.begun, self.devices);
        self.bar = visible_bar(1, "{bar:12} {pos}/{len} {msg}");
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: opening", self.device)),
            None => tell(format_args!("measuring {}", self.device)),
        }
    }

    /// Shows that the device is open, and how many figures are measured.
    pub fn opened(&mut self, adapter: &str, figures: usize) {
        if let Some(bar) = &self.bar {
            bar.set_length(figures as u64);
            bar.set_message(format!("{}: {adapter}", self.device));
        }
    }

    /// Shows that a figure of that kind has been measured.
    pub fn measured(&mut self, kind: &str) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(format!("{}: {kind}", self.device));
        }
    }

    /// Removes the bar: the result follows.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}
