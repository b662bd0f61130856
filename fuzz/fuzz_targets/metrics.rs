//! A file of metrics.
#![no_main]

use std::io::Write;

use burn_pg::run::directory::read_metrics;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let _ = read_metrics(file.path());
});
