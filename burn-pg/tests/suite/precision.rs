//! The devices and float types that tensor tests run on.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_pg::device::{self, Backend, DeviceChoice, DeviceError, OpenDevice};

/// A device, and the float type to use on it.
#[derive(Debug, Clone)]
pub struct Precision {
    pub backend: Backend,
    /// With autodiff.
    pub device: Device,
    pub dtype: DType,
}

impl Precision {
    /// Returns every combination that works on this machine. Never empty.
    pub fn all() -> Vec<Self> {
        let all: Vec<Self> = open_devices()
            .into_iter()
            .flat_map(|open| {
                let types = [DType::F32, DType::F64].into_iter();
                // Few GPUs support double precision, and the library does not use it there.
                let types = types.filter(move |&dtype| dtype == DType::F32 || open.backend.is_cpu());
                types.map(move |dtype| Self { backend: open.backend, device: open.device.clone().autodiff(), dtype })
            })
            .collect();
        assert!(!all.is_empty());
        all
    }

    /// Returns the combinations on CPUs. For tests of what stands above single operations: a software driver of a GPU takes minutes for
    /// them, and its operations are tested elsewhere.
    pub fn on_cpus() -> Vec<Self> {
        Self::all().into_iter().filter(|precision| precision.backend.is_cpu()).collect()
    }

    pub fn is_double(&self) -> bool {
        self.dtype == DType::F64
    }

    pub fn tensor<const D: usize>(&self, values: Vec<f64>, shape: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(values, shape).convert_dtype(self.dtype);
        Tensor::from_data(data, (&self.device, self.dtype))
    }

    pub fn vector(&self, values: &[f64]) -> Tensor<1> {
        self.tensor(values.to_vec(), [values.len()])
    }

    pub fn matrix(&self, rows: &[Vec<f64>]) -> Tensor<2> {
        self.tensor(rows.concat(), [rows.len(), rows[0].len()])
    }

    pub fn indices(&self, values: &[i64]) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), &self.device)
    }
}

/// Opens a device of every compiled backend that finds an adapter. Panics if a backend finds an adapter but cannot open it.
pub fn open_devices() -> Vec<OpenDevice> {
    let open = |backend| match device::open(DeviceChoice::Backend(backend)) {
        Ok(open) => Some(open),
        Err(DeviceError::NoAdapter { .. }) => None,
        Err(other) => panic!("{other}"),
    };
    Backend::compiled().into_iter().filter_map(open).collect()
}

/// Returns the values of a tensor, in double precision.
pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec().unwrap()
}

/// Asserts that values agree, each within `tolerance` relative to the larger of 1 and its expected magnitude.
#[track_caller]
pub fn assert_close(ours: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (i, (ours, expected)) in ours.iter().zip(expected).enumerate() {
        let close = (ours - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(close || ours == expected, "{what}[{i}]: {ours} instead of {expected}, tolerance {tolerance}");
    }
}

/// Asserts that values agree, each within `tolerance` relative to the largest expected one. (Not to its own magnitude: a
/// small difference of large values has their rounding errors.)
#[track_caller]
pub fn assert_relative(ours: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    let largest = expected.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
    let unit = if largest > 0.0 { largest } else { 1.0 };
    let scaled = |numbers: &[f64]| numbers.iter().map(|number| number / unit).collect::<Vec<_>>();
    assert_close(&scaled(ours), &scaled(expected), tolerance, &format!("{what}, in units of {unit}"));
}

/// Asserts that values agree after rounding to single precision, in which training uses them, each within 1e-5 relative to
/// the largest expected one.
#[track_caller]
#[allow(clippy::cast_possible_truncation)]
pub fn assert_trained_on(ours: &[f64], expected: &[f64], what: &str) {
    let rounded: Vec<f64> = ours.iter().map(|&number| f64::from(number as f32)).collect();
    assert_relative(&rounded, expected, 1e-5, &format!("{what}, in single precision"));
}
