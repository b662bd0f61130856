//! The records of an event file: length, checksum, message, checksum.
//!
//! Source: `tf_record` of TensorFlow. All numbers are little-endian.

use std::io::{self, Write};

use prost::Message;

/// Writes a message as a record.
pub fn write_record(file: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let bytes = message.encode_to_vec();
    let len = (bytes.len() as u64).to_le_bytes();
    file.write_all(&len)?;
    file.write_all(&masked(&len).to_le_bytes())?;
    file.write_all(&bytes)?;
    file.write_all(&masked(&bytes).to_le_bytes())
}

/// Returns the CRC-32C in the form that the format asks for, because checksums of data that contain checksums are weak.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::super::events::Event;
    use super::*;

    /// The first record of a file that TensorBoard 2.21 writes at the second 1,700,000,000.
    const FIRST: &str = "1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32eced8f9d";

    #[test]
    fn the_first_record_is_the_one_that_tensorboard_writes() {
        let mut bytes = Vec::new();
        write_record(&mut bytes, &Event::first(1_700_000_000.0)).unwrap();
        let pairs = (0..FIRST.len()).step_by(2).map(|at| &FIRST[at..at + 2]);
        let first: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        assert_eq!(bytes, first);
    }
}
