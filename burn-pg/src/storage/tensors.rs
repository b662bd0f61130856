//! Named tensors on the host, and their file format.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{DType, Device, Tensor, TensorData, Transaction},
};
use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::device::{Failed, readback::execute};

/// Tensors by name.
pub type Tensors = BTreeMap<String, TensorData>;

/// Why tensors are refused. The module is unchanged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TensorsError {
    /// The device failed while the tensors were read.
    #[error("the device failed: {reason}")]
    Device {
        /// The message of the device.
        reason: String,
    },
    /// The file is not in the `safetensors` format, or has a type that is not supported.
    #[error("not a valid safetensors file: {reason}")]
    Format {
        /// The reason.
        reason: String,
    },
    /// The names differ from those of the network.
    #[error("does not fit the network: missing [{}], unexpected [{}]", .missing.join(", "), .unexpected.join(", "))]
    Names {
        /// Names that the network needs and the tensors lack.
        missing: Vec<String>,
        /// Names that the network does not have.
        unexpected: Vec<String>,
    },
    /// The tensors have fewer elements than the network.
    #[error("does not fit the network: it has {found} elements, but the network has {expected}")]
    Numbers {
        /// Number of elements found.
        found: u64,
        /// Number of elements of the network.
        expected: u64,
    },
    /// An element is NaN or infinite.
    #[error("tensor `{name}` holds {value}; all elements must be finite")]
    NonFinite {
        /// Name of the tensor.
        name: String,
        /// The element.
        value: f64,
    },
    /// A tensor has another shape or type than in the network.
    #[error("tensor `{name}` is {found}, but the network needs {expected}")]
    Tensor {
        /// Name of the tensor.
        name: String,
        /// Its type and shape.
        found: String,
        /// The type and shape that the network needs.
        expected: String,
    },
}

/// The supported types, in Burn and in `safetensors`.
const TYPES: [(DType, Dtype); 4] =
    [(DType::F32, Dtype::F32), (DType::F64, Dtype::F64), (DType::F16, Dtype::F16), (DType::BF16, Dtype::BF16)];

/// Returns the bytes of a `safetensors` file.
///
/// # Errors
/// [`TensorsError::Format`] if the type of a tensor is not supported.
#[allow(clippy::implicit_hasher)] // as `safetensors` takes it
pub fn to_bytes(tensors: &Tensors, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>, TensorsError> {
    let views: Result<Vec<(&String, TensorView<'_>)>, TensorsError> = tensors
        .iter()
        .map(|(name, data)| {
            let known = TYPES.iter().find(|(ours, _)| *ours == data.dtype());
            let &(_, dtype) = known.ok_or_else(|| format_error(format!("`{name}` is {:?}", data.dtype())))?;
            let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes()).map_err(format_error)?;
            Ok((name, view))
        })
        .collect();
    safetensors::serialize(views?, metadata).map_err(format_error)
}

/// Returns the tensors of a `safetensors` file. Allocates no more memory than the size of the file.
///
/// # Errors
/// [`TensorsError::Format`] if the bytes are not such a file, or the type of a tensor is not supported.
pub fn from_bytes(file: &[u8]) -> Result<Tensors, TensorsError> {
    let loaded = SafeTensors::deserialize(file).map_err(format_error)?;
    let tensors = loaded.iter().map(|(name, view)| {
        let known = TYPES.iter().find(|(_, theirs)| *theirs == view.dtype());
        let &(dtype, _) = known.ok_or_else(|| format_error(format!("tensor `{name}` is {:?}", view.dtype())))?;
        let data = TensorData::from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype);
        Ok((name.to_owned(), data))
    });
    tensors.collect()
}

/// Returns the metadata of a `safetensors` file under `key`, if there is any.
///
/// # Errors
/// [`TensorsError::Format`] if the bytes are not such a file.
pub fn metadata(file: &[u8], key: &str) -> Result<Option<String>, TensorsError> {
    let (_, header) = SafeTensors::read_metadata(file).map_err(|error| match error {
        SafeTensorError::HeaderTooLarge => format_error("its header is longer than one may be"),
        error => format_error(error),
    })?;
    Ok(header.metadata().as_ref().and_then(|texts| texts.get(key).cloned()))
}

fn format_error(reason: impl Display) -> TensorsError {
    TensorsError::Format { reason: format!("{reason}") }
}

/// Returns the float parameters of a module by their path in the module, such as `actor.layers.0.weight`.
///
/// # Errors
/// [`TensorsError::Device`]
pub fn of_module<M: Module>(module: &M) -> Result<Tensors, TensorsError> {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    let Some(device) = collector.device else { return Ok(Tensors::new()) };
    let data = execute(collector.transaction, device)?;
    Ok(collector.names.into_iter().zip(data).collect())
}

/// Reads a tensor from its device.
///
/// # Errors
/// [`TensorsError::Device`]
pub(crate) fn read<const D: usize>(tensor: &Tensor<D>) -> Result<TensorData, TensorsError> {
    let mut data = execute(Transaction::default().register(tensor.clone()), tensor.device())?;
    Ok(data.pop().expect("one was registered"))
}

/// Refuses tensors with fewer than `expected` elements, the number in a network, before the network is allocated.
///
/// # Errors
/// [`TensorsError::Numbers`]
pub(crate) fn check_numbers(tensors: &Tensors, expected: u64) -> Result<(), TensorsError> {
    let found = tensors.values().map(|data| data.num_elements() as u64).sum();
    if found < expected { Err(TensorsError::Numbers { found, expected }) } else { Ok(()) }
}

impl From<Failed> for TensorsError {
    fn from(Failed(reason): Failed) -> Self {
        Self::Device { reason }
    }
}

/// Prefixes the names of tensors with `part` and a dot.
pub(crate) fn named(part: &str, tensors: Tensors) -> impl Iterator<Item = (String, TensorData)> {
    tensors.into_iter().map(move |(name, data)| (format!("{part}.{name}"), data))
}

/// Returns the tensors whose names begin with `part` and a dot, without this prefix.
pub(crate) fn part(tensors: &Tensors, part: &str) -> Tensors {
    let without_prefix = |name: &str| Some(name.strip_prefix(part)?.strip_prefix('.')?.to_owned());
    tensors.iter().filter_map(|(name, data)| Some((without_prefix(name)?, data.clone()))).collect()
}

/// Replaces the float parameters of a module by `tensors`, on the device of the module.
///
/// # Errors
/// [`TensorsError`] if names, shapes or types differ from those of `expected`, or an element is not finite. `expected`
/// is the result of [`of_module`] for such a module, possibly converted to another type.
pub fn into_module<M: Module>(module: M, tensors: Tensors, expected: &Tensors) -> Result<M, TensorsError> {
    check_fit(&tensors, expected)?;
    Ok(module.map(&mut Loader { path: Vec::new(), tensors }))
}

/// Checks that `tensors` have the names, shapes and types of `expected`, and are finite.
pub(crate) fn check_fit(tensors: &Tensors, expected: &Tensors) -> Result<(), TensorsError> {
    let missing: Vec<String> = expected.keys().filter(|&name| !tensors.contains_key(name)).cloned().collect();
    let unexpected: Vec<String> = tensors.keys().filter(|&name| !expected.contains_key(name)).cloned().collect();
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(TensorsError::Names { missing, unexpected });
    }
    for (name, data) in tensors {
        let kind = |data: &TensorData| format!("{:?}{:?}", data.dtype(), data.shape().to_vec());
        let needed = &expected[name];
        if data.dtype() != needed.dtype() || data.shape() != needed.shape() {
            return Err(TensorsError::Tensor { name: name.clone(), found: kind(data), expected: kind(needed) });
        }
        check_finite(name, data)?;
    }
    Ok(())
}

/// Refuses elements that are not finite.
pub(crate) fn check_finite(name: &str, data: &TensorData) -> Result<(), TensorsError> {
    match data.iter::<f64>().find(|value| !value.is_finite()) {
        Some(value) => Err(TensorsError::NonFinite { name: name.into(), value }),
        None => Ok(()),
    }
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    names: Vec<String>,
    device: Option<Device>,
    transaction: Transaction,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let value = parameter.val();
        self.names.push(self.path.join("."));
        self.device = Some(value.device());
        self.transaction = std::mem::take(&mut self.transaction).register(value);
    }
}

struct Loader {
    path: Vec<String>,
    tensors: Tensors,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let data = self.tensors.remove(&self.path.join(".")).expect("every name was checked");
        parameter.map(|old| {
            let new = Tensor::from_data(data, (&old.device(), old.dtype()));
            new.set_require_grad(old.is_require_grad())
        })
    }
}
