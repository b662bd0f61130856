//! Files of a checkpoint, of which the input is cut in five.
#![no_main]

use burn_pg::run::checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|parts: (&[u8], &[u8], &[u8], &[u8], &[u8])| {
    let (tensors, state, source, update, config) = parts;
    let _ = Checkpoint::from_files("input".as_ref(), [tensors, state, source, update, config]);
});
