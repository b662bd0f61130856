//! Fingerprints of weights.

use burn_pg::storage::tensors::{TensorsError, of_module};
use sha2::{Digest, Sha256};

use super::Transformer;

/// Returns a number in hexadecimal that two models share only if they have the same weights, frozen ones included: the SHA-256 of
/// their names, shapes and bytes.
///
/// # Errors
/// [`TensorsError::Device`] if the device fails.
pub fn fingerprint(model: &Transformer) -> Result<String, TensorsError> {
    let mut hasher = Sha256::new();
    for (name, data) in of_module(&model.clone().with_frozen(false))? {
        hasher.update(format!("{name} {:?} {:?}\n", data.dtype(), data.shape().to_vec()));
        hasher.update(data.as_bytes());
    }
    Ok(format!("{:x}", hasher.finalize()))
}
