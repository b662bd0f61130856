//! Helpers for tests.

use std::{collections::BTreeMap, fs, path::Path};

use burn_pg::{
    burn::tensor::{DType, Device, TensorData},
    device::{self, Backend, DeviceChoice},
    storage::Tensors,
};
use serde_json::Value;

/// Reads a file of golden data.
pub fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns the devices of all compiled backends, without autodiff.
pub fn devices() -> Vec<(Backend, Device)> {
    let open = |backend| Some((backend, device::open(DeviceChoice::Backend(backend)).ok()?.device));
    let devices: Vec<_> = Backend::compiled().into_iter().filter_map(open).collect();
    assert!(!devices.is_empty());
    devices
}

/// Returns the float types that a backend computes in.
pub fn types(backend: Backend) -> &'static [DType] {
    if backend.is_cpu() { &[DType::F64, DType::F32] } else { &[DType::F32] }
}

/// Returns all numbers of nested lists, and their shape.
pub fn numbers(value: &Value) -> (Vec<f64>, Vec<usize>) {
    match value {
        Value::Array(items) => {
            let mut all = Vec::new();
            let mut shape = vec![items.len()];
            for (i, item) in items.iter().enumerate() {
                let (numbers, inner) = numbers(item);
                all.extend(numbers);
                if i == 0 {
                    shape.extend(inner);
                }
            }
            (all, shape)
        }
        number => (vec![number.as_f64().unwrap()], Vec::new()),
    }
}

/// Returns named tensors.
pub fn tensors(value: &Value, dtype: DType) -> Tensors {
    let tensor = |(name, value): (&String, &Value)| {
        let (values, shape) = numbers(value);
        (name.clone(), TensorData::new(values, shape).convert_dtype(dtype))
    };
    value.as_object().unwrap().iter().map(tensor).collect::<BTreeMap<_, _>>()
}

/// Returns lists of whole numbers.
pub fn lists(value: &Value) -> Vec<Vec<u32>> {
    serde_json::from_value(value.clone()).unwrap()
}

/// Compares numbers. Errors are relative to the largest one, or to 1 if that is smaller.
#[track_caller]
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0_f64, |largest, number| largest.max(number.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs() / scale;
        assert!(error <= tolerance, "{what}, element {i}: {found} instead of {expected}, off by {error:e}");
    }
}
