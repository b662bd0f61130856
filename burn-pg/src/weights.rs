//! Weights of a module in a `safetensors` file: data only, nothing executable.
//!
//! Tensors are called by their path in the module, `actor.layers.0.weight`, and stored in Burn's layout, so a linear
//! weight is `[inputs, outputs]`.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use crate::durable::write_atomically;

/// Why weights cannot be saved or loaded. The module is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file cannot be written or read.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: io::Error,
    },
    /// The file is not in the `safetensors` format.
    #[error("{}: not a valid safetensors file: {reason}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file holds other tensors than the module.
    #[error(
        "{}: does not fit the network: missing [{}], unexpected [{}]",
        .path.display(), .missing.join(", "), .unexpected.join(", ")
    )]
    Names {
        /// The file.
        path: PathBuf,
        /// Tensors of the module that the file lacks.
        missing: Vec<String>,
        /// Tensors of the file that the module lacks.
        unexpected: Vec<String>,
    },
    /// A weight is NaN or infinite.
    #[error("{}: tensor `{name}` holds {value}", .path.display())]
    NonFinite {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// The weight.
        value: f32,
    },
    /// A tensor has another shape or type than in the module.
    #[error("{}: tensor `{name}` is {found}, but the network needs {expected}", .path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        name: String,
        /// Type and shape in the file.
        found: String,
        /// Type and shape in the module.
        expected: String,
    },
}

/// Name to shape and values.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Saves the float parameters of `module` in single precision. A file that exists is replaced atomically.
///
/// # Errors
/// [`WeightsError::Io`] if the file cannot be written.
pub fn save<M: Module>(module: &M, path: &Path) -> Result<(), WeightsError> {
    let tensors = collect(module);
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = tensors.iter().map(|(name, (shape, _))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]);
        (name, view.expect("the bytes are as long as the shape says"))
    });
    let file = safetensors::serialize(views, None)
        .map_err(|error| WeightsError::Format { path: path.into(), reason: error.to_string() })?;
    write_atomically(path, &file).map_err(|source| WeightsError::Io { path: path.into(), source })
}

/// Loads what [`save`] has saved into a module of the same shape, on the module's device.
///
/// # Errors
/// Any [`WeightsError`]: the names, shapes and types must all be those of the module.
pub fn load<M: Module>(module: M, path: &Path) -> Result<M, WeightsError> {
    let io = |source| WeightsError::Io { path: path.into(), source };
    let file = fs::read(path).map_err(io)?;
    let loaded = SafeTensors::deserialize(&file)
        .map_err(|error| WeightsError::Format { path: path.into(), reason: error.to_string() })?;

    let own = collect(&module);
    let names = loaded.names();
    let missing: Vec<String> = own.keys().filter(|n| !names.contains(&n.as_str())).cloned().collect();
    let unexpected: Vec<String> = names.iter().filter(|&&n| !own.contains_key(n)).map(ToString::to_string).collect();
    if !missing.is_empty() || !unexpected.is_empty() {
        return Err(WeightsError::Names { path: path.into(), missing, unexpected });
    }

    let mut tensors = Tensors::new();
    for (name, view) in loaded.iter() {
        let shape = &own[name].0;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(WeightsError::Tensor {
                path: path.into(),
                name: name.into(),
                found: format!("{:?}{:?}", view.dtype(), view.shape()),
                expected: format!("F32{shape:?}"),
            });
        }
        let values: Vec<f32> = view.data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
            return Err(WeightsError::NonFinite { path: path.into(), name: name.into(), value });
        }
        tensors.insert(name.into(), (shape.clone(), values));
    }
    Ok(module.map(&mut Loader { path: Vec::new(), tensors }))
}

fn collect<M: Module>(module: &M) -> Tensors {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.tensors
}

#[derive(Default)]
struct Collector {
    path: Vec<String>,
    tensors: Tensors,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        let shape = tensor.dims().to_vec();
        let values = tensor.to_data().convert::<f32>().try_into_vec().expect("converted to f32");
        self.tensors.insert(self.path.join("."), (shape, values));
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
        let (shape, values) = self.tensors.remove(&self.path.join(".")).expect("every name was checked");
        parameter.map(|old| {
            let options = (&old.device(), old.dtype());
            let new = Tensor::from_data(TensorData::new(values, shape), options);
            new.set_require_grad(old.is_require_grad())
        })
    }
}
